"""Speaks to worker processes: the gRPC client behind the session's ports, and the care for local worker processes."""
