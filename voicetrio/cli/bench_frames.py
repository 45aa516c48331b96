"""What a bench sends and when, as plain arithmetic: WebSocket frames, and which frame of which session is which.

Only as much of RFC 6455 as one side of a bench needs: whole frames, none in parts, no extensions.
"""

LEAD_S = 2.0
"""Seconds of streaming before the measured time: all sessions begin at once, which is not what is measured."""
TAIL_S = 0.5
"""Seconds of streaming after it: more than whoever measures needs for a look at the processes."""

_MASK = b"\x37\xfa\x21\x3d"
"""Any that is not zero, which a server might find cheaper to unmask."""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

Frame = tuple[int, bytes]
"""Opcode and payload."""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole, masked WebSocket frame."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    mask = (_MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    return bytes((0x80 | opcode,)) + length + _MASK + masked


def split_server_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """The whole frames at the beginning of `data`, and what is left."""
    frames = []
    start = 0
    while len(data) - start >= 2:
        size, body = data[start + 1], start + 2
        if size >= 126:
            body += 2 if size == 126 else 8
            size = int.from_bytes(data[start + 2 : body], "big")
        if len(data) < body + size:
            break
        frames.append((data[start] & 0x0F, data[body : body + size]))
        start = body + size
    return frames, data[start:]


def frames_sent(seconds: float, frame_ms: int) -> int:
    """How many frames each session sends when `seconds` are measured."""
    return round((LEAD_S + seconds + TAIL_S) * 1000 / frame_ms)


def first_frame(session: int, sessions: int, loop_frames: int) -> int:
    """Where in the speech this session begins: evenly spread, so that they do not all act in the same moment."""
    return session * loop_frames // sessions


def deciding_frame(end_ms: int, frame_ms: int) -> int:
    """The first frame whose end is not before `end_ms`: with it, the server knew that the segment had ended."""
    return -(-end_ms // frame_ms) - 1
