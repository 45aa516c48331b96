"""Which browsers' pages may open sessions."""

import pytest

from voicetrio.gateway.origin import is_allowed, is_known_host


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
        ("null", "127.0.0.1:8000", ("null",), True, True),
        # A scheme's own port says nothing, whichever side leaves it out.
        ("http://localhost", "localhost:80", (), True, True),
        ("http://localhost:80", "localhost", (), True, True),
        ("https://voice.example", "voice.example:443", (), False, True),
        ("https://voice.example:443", "voice.example", (), False, True),
        ("https://voice.example", "voice.example:80", (), False, False),
        ("https://voice.example", "voice.example:8000", (), False, False),
        ("https://voice.example:8443", "voice.example", (), False, False),
        ("HTTPS://Voice.Example", "voice.example", (), False, True),
        ("http://[0:0:0:0:0:0:0:1]:8000", "[::1]:8000", (), True, True),
        ("http://127.8.8.8:8000", "127.8.8.8:8000", (), True, True),
        ("http://talk.localhost:8000", "talk.localhost:8000", (), True, True),
        ("https://app.example:443", "voice.example", ("https://app.example",), False, True),
        ("https://app.example/", "voice.example", (), False, False),
        ("http://user@127.0.0.1:8000", "127.0.0.1:8000", (), True, False),
        ("http://127.0.0.1:8000", "user@127.0.0.1:8000", (), True, False),
        ("chrome-extension://abcdef", "127.0.0.1:8000", (), True, False),
        ("chrome-extension://abcdef", "127.0.0.1:8000", ("chrome-extension://abcdef",), True, True),
        ("http://[", "127.0.0.1:8000", (), True, False),
        ("", "", (), True, False),
    ],
)
def test_only_own_and_named_pages_are_served(origin, host, allowed, loopback_only, served):
    assert is_allowed(origin, host, allowed, loopback_only=loopback_only) is served


@pytest.mark.parametrize(
    ("host", "allowed", "known"),
    [
        ("127.0.0.1:8000", (), True),
        ("localhost", (), True),
        ("evil.example:8000", (), False),
        ("voice.example", ("https://voice.example",), True),
        ("voice.example:443", ("https://voice.example",), True),
        ("voice.example:80", ("https://voice.example",), False),
        ("evil.example", ("null", "https://voice.example"), False),
        ("evil.example", ("*",), True),
        ("", (), False),
        (None, (), False),
    ],
)
def test_a_host_is_this_machines_or_named(host, allowed, known):
    assert is_known_host(host, allowed) is known
