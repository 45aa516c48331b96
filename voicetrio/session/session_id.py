"""`new_session_id()`: an id that no other session has and nobody guesses. The form is that of `core.session_id`."""

import secrets
import time

from voicetrio.core.session_id import ALPHABET, RANDOM_CHARS, session_id


def new_session_id() -> str:
    """Such as `session-1703123456789-k3m9x7q2w4ab`, with the time of now and dice from the system's secure source."""
    return session_id(time.time_ns() // 1_000_000, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS)))
