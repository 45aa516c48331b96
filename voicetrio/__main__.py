"""`python -m voicetrio`, the same as `voicetrio`."""

import sys

from voicetrio.cli.main import main

sys.exit(main())
