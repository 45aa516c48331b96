"""Speaks to agents: whoever thinks of an answer. Each kind is a file; `open_agent` makes the one that is configured."""
