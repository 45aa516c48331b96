"""The application's name for ASGI servers: `hypercorn -k trio voicetrio.asgi:app`. Importing it starts nothing."""

from voicetrio.cli.application import app

__all__ = ["app"]
