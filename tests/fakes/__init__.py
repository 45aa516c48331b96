"""Fakes of the session's ports: real behaviour in virtual time, made to misbehave on request."""
