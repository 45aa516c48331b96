"""Runs `core` under trio: one nursery per session. Knows no transport, no engine and no settings file, only its ports."""
