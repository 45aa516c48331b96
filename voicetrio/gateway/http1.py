"""No HTTP/2 without TLS: Hypercorn speaks it to whoever asks, and nobody who runs this server has asked for it.

A client that offers to go on with HTTP/2 (`Upgrade: h2c`) is answered in HTTP/1.1, as if it had not (RFC 9110, section
7.8); one that begins with HTTP/2 gets 505. With TLS nothing changes: there the protocol is what ALPN has agreed on.
"""

import h11
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol

_UNSUPPORTED = 505
_create_stream = H11Protocol._create_stream


async def _stay(protocol: H11Protocol, event: h11.Request) -> None:
    """In the place where Hypercorn goes on with HTTP/2."""


async def _refuse_http2(protocol: H11Protocol, request: h11.Request) -> None:
    if request.http_version != b"2.0":
        await _create_stream(protocol, request)
        return
    await protocol._send_error_response(_UNSUPPORTED)
    await protocol.send(Closed())


def stay_with_http1() -> None:
    """Let Hypercorn, whoever starts it in this process, speak HTTP/1.1 where there is no TLS."""
    H11Protocol._check_protocol = _stay  # type: ignore[method-assign, assignment]
    H11Protocol._create_stream = _refuse_http2  # type: ignore[method-assign, assignment]
