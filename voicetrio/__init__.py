"""A self-hosted real-time voice server. `README.md` is the way in; `voicetrio.asgi:app` is the application."""
