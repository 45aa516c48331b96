"""Start the server: `python run.py --config config/default.toml`. The same as `voicetrio serve`."""

import sys

from voicetrio.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
