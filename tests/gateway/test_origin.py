"""Which browsers' pages may open sessions."""

import pytest

from voicetrio.gateway.origin import is_allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "loopback_only", "served"),
    [
        (None, "127.0.0.1:8000", (), True, True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", (), True, True),
        ("http://localhost:8000", "localhost:8000", (), True, True),
        ("http://[::1]:8000", "[::1]:8000", (), True, True),
        ("http://localhost:3000", "localhost:8000", (), True, False),
        ("https://evil.example", "127.0.0.1:8000", (), True, False),
        ("http://evil.example:8000", "evil.example:8000", (), True, False),
        ("http://voice.example:8000", "voice.example:8000", (), False, True),
        ("https://app.example", "voice.example", ("https://app.example",), False, True),
        ("https://app.example", "127.0.0.1:8000", ("*",), True, True),
        ("null", "127.0.0.1:8000", (), True, False),
        ("http://[", "127.0.0.1:8000", (), True, False),
        ("", "", (), True, False),
    ],
)
def test_only_own_and_named_pages_are_served(origin, host, allowed, loopback_only, served):
    assert is_allowed(origin, host, allowed, loopback_only=loopback_only) is served
