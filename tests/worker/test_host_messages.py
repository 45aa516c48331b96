import pytest

from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.worker.engines.contract import HearingDescription, StreamOptions
from voicetrio.worker.host_messages import (
    Accept,
    CannotLoad,
    Close,
    Closed,
    EndSegment,
    FrameDecoder,
    Heard,
    Open,
    Opened,
    Ready,
    Refused,
    encode_frame,
)

MESSAGES = [
    Open(1, StreamOptions("s", "en", ("hot", "wörds"), False)),
    Accept(1, 2, 2**40, bytes(range(256)) * 100),
    Accept(1, 2, 0, b""),
    Accept(1, 2, 0, b"ab", "früher 早"),
    Accept(1, 2, 0, b"ab", ""),
    EndSegment(1, 2, 2**40),
    Close(1),
    Ready(HearingDescription("e", "m", "ctc", ("en", "de"), 16_000)),
    CannotLoad("stt.model: \n no"),
    Opened(1),
    Heard(1, None),
    Heard(1, Hypothesis(2, True, 9, (Word("a", 1, 2, 0.5), Word("ü", 2, 3)), 2, 0.25, "en")),
    Refused(1, True, "why"),
    Closed(1),
]


def test_every_message_survives_the_pipe():
    assert FrameDecoder().feed(b"".join(map(encode_frame, MESSAGES))) == MESSAGES


def test_a_pipe_may_cut_anywhere():
    data = b"".join(map(encode_frame, MESSAGES))
    for size in (1, 3, 7, 1000):
        decoder = FrameDecoder()
        received = [m for at in range(0, len(data), size) for m in decoder.feed(data[at : at + size])]
        assert received == MESSAGES


@pytest.mark.parametrize("data", [b"hello, world", b"\xff" * 8, b"\0\0\0\x04\0\0\0\x05", b'\0\0\0\x09\0\0\0\x05["X"]'])
def test_garbage_is_noticed(data):
    with pytest.raises(ValueError):
        FrameDecoder().feed(data)
