"""Two ways to call an engine that hears, with one face: plainly, and through the host's loop as a worker does.

`hear` gives a stream one segment, and checks of every answer what holds for all answers.
"""

import contextlib
import itertools
import os
import select
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeAlias

from voicetrio.core.errors import WorkerRejected, WorkerUnavailable
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engine_host import EngineHost
from voicetrio.worker.engines.contract import HearingEngine, HearingStream, StreamOptions
from voicetrio.worker.host_messages import (
    Accept,
    Close,
    Closed,
    EndSegment,
    FrameDecoder,
    Heard,
    HostReply,
    HostRequest,
    Open,
    Opened,
    Ready,
    Refused,
    Running,
    encode_frame,
)

from .material import RATE

PIECE_SAMPLES = RATE * 60 // 1000
ANSWER_TIMEOUT = 60.0
"""Seconds. The longest honest call is the final of half a minute, on a machine that is busy with other tests."""

Audio: TypeAlias = tuple[HearingStream, int, int, bytes]
"""A stream, a segment, its first sample, PCM."""
End: TypeAlias = tuple[HearingStream, int, int]
"""A stream, a segment, one past its last sample."""


class Calls(Protocol):
    def open(self, **options: object) -> HearingStream: ...

    def accept_all(self, audio: Sequence[Audio]) -> list[Hypothesis | None]:
        """Some audio for each of several streams, at once where the way has an "at once"."""
        ...

    def end_all(self, ends: Sequence[End]) -> list[Hypothesis]: ...


def stream_options(engine: HearingEngine, **changes: object) -> StreamOptions:
    return StreamOptions(**{"session_id": "test", "language": engine.description.languages[0], **changes})


class PlainCalls:
    def __init__(self, engine: HearingEngine) -> None:
        self._engine = engine

    def open(self, **options: object) -> HearingStream:
        return self._engine.open(stream_options(self._engine, **options))

    def accept_all(self, audio: Sequence[Audio]) -> list[Hypothesis | None]:
        return [stream.accept(*rest) for stream, *rest in audio]

    def end_all(self, ends: Sequence[End]) -> list[Hypothesis]:
        return [stream.end_segment(*rest) for stream, *rest in ends]


class HostedCalls:
    """The engine in the host's loop, which runs in a thread; a pipe there and a pipe back, as between processes."""

    def __init__(self, engine: HearingEngine, requests: int, replies: int) -> None:
        self._engine = engine
        self._requests, self._replies = requests, replies
        self._ids = itertools.count(1)
        self._decoder = FrameDecoder()
        self._received: defaultdict[int, list[HostReply]] = defaultdict(list)

    def open(self, **options: object) -> "HostedStream":
        stream = HostedStream(self, next(self._ids))
        self.send(Open(stream.id, stream_options(self._engine, **options)))
        assert isinstance(self.answer(stream.id), Opened)
        return stream

    def accept_all(self, audio: Sequence[Audio]) -> list[Hypothesis | None]:
        for stream, *rest in audio:
            stream.post_audio(*rest)
        return [stream.heard() for stream, *_ in audio]

    def end_all(self, ends: Sequence[End]) -> list[Hypothesis]:
        for stream, *rest in ends:
            stream.post_end(*rest)
        return [stream.final() for stream, *_ in ends]

    def send(self, request: HostRequest) -> None:
        frame = memoryview(encode_frame(request))
        while frame:
            frame = frame[os.write(self._requests, frame) :]

    def answer(self, stream_id: int) -> HostReply:
        """The next reply for a stream, as the worker would read it: a refusal is raised."""
        while not self._received[stream_id]:
            assert select.select([self._replies], [], [], ANSWER_TIMEOUT)[0], "the engine does not answer"
            data = os.read(self._replies, 1 << 16)
            assert data, "the host's loop has ended: the engine raised where it must not, see above"
            for reply in self._decoder.feed(data):
                if not isinstance(reply, Ready | Running):  # which run together: for who has to find who crashed them
                    self._received[reply.stream_id].append(reply)
        reply = self._received[stream_id].pop(0)
        if isinstance(reply, Refused):
            raise (WorkerRejected if reply.rejected else WorkerUnavailable)(reply.message)
        return reply


class HostedStream:
    """A `HearingStream`, in which each call is a request and its reply."""

    def __init__(self, calls: HostedCalls, stream_id: int) -> None:
        self.id = stream_id
        self._calls = calls
        self._prompt: str | None = None

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        self._prompt = initial_prompt

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        self.post_audio(segment_id, start_sample, pcm)
        return self.heard()

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        self.post_end(segment_id, end_sample)
        return self.final()

    def post_audio(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        prompt, self._prompt = self._prompt, None
        self._calls.send(Accept(self.id, segment_id, start_sample, pcm, prompt))

    def post_end(self, segment_id: int, end_sample: int) -> None:
        self._calls.send(EndSegment(self.id, segment_id, end_sample))

    def heard(self) -> Hypothesis | None:
        reply = self._calls.answer(self.id)
        assert isinstance(reply, Heard)
        return reply.hypothesis

    def final(self) -> Hypothesis:
        heard = self.heard()
        assert heard is not None
        return heard

    def close(self) -> None:
        """Also while an answer is owed: it is for nobody, then."""
        self._calls.send(Close(self.id))
        with contextlib.suppress(WorkerRejected, WorkerUnavailable):
            while not isinstance(self._calls.answer(self.id), Closed):
                pass


@contextlib.contextmanager
def hosted(engine: HearingEngine) -> Iterator[HostedCalls]:
    requests_out, requests_in = os.pipe()
    replies_out, replies_in = os.pipe()

    def run() -> None:
        try:
            EngineHost(engine, requests_out, replies_in).run()
        finally:
            os.close(replies_in)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield HostedCalls(engine, requests_in, replies_out)
    finally:
        os.close(requests_in)
        thread.join(ANSWER_TIMEOUT)
        for pipe in (requests_out, replies_out):
            os.close(pipe)


def hear(
    stream: HearingStream, pcm: bytes, *, segment_id: int = 0, start: int = 0, piece: int = PIECE_SAMPLES
) -> tuple[list[Hypothesis], Hypothesis]:
    """One segment in pieces of `piece` samples: its partials and its final."""
    heard = [
        stream.accept(segment_id, start + offset // 2, pcm[offset : offset + 2 * piece])
        for offset in range(0, len(pcm), 2 * piece)
    ]
    partials = [partial for partial in heard if partial is not None]
    check_partials(partials, segment_id, start, start + len(pcm) // 2)
    final = stream.end_segment(segment_id, start + len(pcm) // 2)
    check_final(final, segment_id, start, start + len(pcm) // 2)
    return partials, final


def check_partials(partials: Sequence[Hypothesis], segment_id: int, start: int, end: int) -> None:
    for partial in partials:
        assert not partial.final
        assert partial.segment_id == segment_id
        assert start <= partial.consumed_sample <= end
        check_words(partial, start, end)
        assert 0 <= partial.stable_words <= len(partial.words)
    for one, other in pairwise(partials):
        assert one.consumed_sample < other.consumed_sample
        assert one.stable_words <= other.stable_words
        kept = [word.text for word in one.words[: one.stable_words]]
        assert [word.text for word in other.words[: one.stable_words]] == kept


def check_final(final: Hypothesis, segment_id: int, start: int, end: int) -> None:
    assert final.final
    assert final.segment_id == segment_id
    assert final.consumed_sample == end
    assert final.stable_words == len(final.words)
    check_words(final, start, end)


def check_words(heard: Hypothesis, start: int, end: int) -> None:
    """Times lie inside the segment and go on; a word is a word; a confidence is a probability."""
    assert heard.confidence is None or 0 <= heard.confidence <= 1
    for word in heard.words:
        assert start <= word.start_sample < word.end_sample <= end
        assert word.text.strip() == word.text != ""
        assert len(word.text.split()) == 1
        assert word.confidence is None or 0 <= word.confidence <= 1
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(heard.words))
