"""Speaks to clients: the Quart-Trio app and its sockets."""
