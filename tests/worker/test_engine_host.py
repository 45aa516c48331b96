"""The host's loop with an engine that decodes in batches. One thread: what happens in the middle of a run, a hook does."""

import fcntl
import os
from collections.abc import Callable, Sequence

import pytest

from tests.fakes.batched_engine import FAILING, SEGMENT_SECONDS_MAX, FakeBatched
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engine_host import EngineHost
from voicetrio.worker.engines.contract import HearingEngine, StreamOptions
from voicetrio.worker.engines.instant import InstantHearing, word_for
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

RATE = 16_000
PIPE_BYTES = 1 << 20
"""Room for all that a test posts before anybody reads it."""
HALF_SECOND = bytes(range(250)) * (RATE // 250)
WORD = word_for(0, HALF_SECOND)


class Host(EngineHost):
    """A host in this thread. Requests are written before it runs, in its engine's runs, and when it has replied."""

    def __init__(self, engine: HearingEngine) -> None:
        requests_out, self._requests_in = os.pipe()
        fcntl.fcntl(self._requests_in, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        replies_out, replies_in = os.pipe()
        self._descriptors = [requests_out, replies_out, replies_in]
        self._ended = False
        self._answers: list[HostReply] = []
        self.announced: list[set[int]] = []
        """What it said that it works on, one after the other."""
        self._reader = FrameDecoder()
        self.on_reply: Callable[[HostReply], None] = lambda reply: None
        super().__init__(engine, requests_out, replies_in)

    def post(self, *requests: HostRequest) -> None:
        for request in requests:
            os.write(self._requests_in, encode_frame(request))

    def end(self) -> None:
        """The worker is gone."""
        if not self._ended:
            self._ended = True
            os.close(self._requests_in)

    def replies(self) -> list[HostReply]:
        """Run until the requests end: all replies after `Ready`."""
        try:
            self.run()
        finally:
            self.end()
            for pipe in self._descriptors:
                os.close(pipe)
        assert isinstance(self._answers[0], Ready)
        return self._answers[1:]

    def _reply(self, reply: HostReply) -> None:
        super()._reply(reply)
        [read] = self._reader.feed(os.read(self._descriptors[1], 1 << 16))
        if isinstance(read, Running):
            self.announced.append(set(read.stream_ids))
        else:
            self._answers.append(read)
            self.on_reply(read)


def converse(host: Host, asked: dict[int, list[HostRequest]]) -> None:
    """As workers do: one request of a stream at a time; when all are answered, the worker goes."""
    owed = {stream_id: len(requests) for stream_id, requests in asked.items()}

    def go_on(reply: HostReply) -> None:
        if isinstance(reply, Ready):
            return
        owed[reply.stream_id] -= 1
        if asked[reply.stream_id]:
            host.post(asked[reply.stream_id].pop(0))
        if not any(owed.values()):
            host.end()

    host.on_reply = go_on
    for requests in asked.values():
        host.post(requests.pop(0))


def opened(stream_id: int, *hot_words: str, alone: bool = False) -> Open:
    return Open(stream_id, StreamOptions(f"s{stream_id}", "en", hot_words, alone=alone))


def audio(stream_id: int, start: int = 0, pcm: bytes = HALF_SECOND) -> Accept:
    return Accept(stream_id, 0, start, pcm)


def end(stream_id: int, at: int = RATE // 2) -> EndSegment:
    return EndSegment(stream_id, 0, at)


def of(replies: Sequence[HostReply], stream_id: int) -> list[HostReply]:
    return [reply for reply in replies if reply.stream_id == stream_id]


def texts(replies: Sequence[HostReply]) -> dict[int, str]:
    """What each stream's final says."""
    heard = {reply.stream_id: reply.hypothesis for reply in replies if isinstance(reply, Heard)}
    return {stream_id: hypothesis.text for stream_id, hypothesis in heard.items() if hypothesis and hypothesis.final}


def batches_of(engine: FakeBatched, *steps: Callable[[], None]) -> list[list[str]]:
    """What each run takes, from now on. In each run one of the steps is done."""
    batches: list[list[str]] = []
    waiting = list(steps)

    def on_run(batch: list[str]) -> None:
        batches.append(batch)
        if waiting:
            waiting.pop(0)()

    engine.on_run = on_run
    return batches


def test_all_that_has_come_is_decoded_in_one_run():
    engine = FakeBatched(batch_max=8, final_runs=1)
    host = Host(engine)
    batches = batches_of(engine, host.end)
    host.post(*(opened(n) for n in (1, 2, 3)), *(audio(n) for n in (1, 2, 3)))
    replies = host.replies()
    assert batches == [["s1", "s2", "s3"]]
    assert [reply.hypothesis.text for reply in replies if isinstance(reply, Heard)] == [WORD] * 3


def test_a_stream_that_comes_in_the_middle_of_a_run_is_in_the_next():
    engine = FakeBatched(batch_max=8, final_runs=1)
    host = Host(engine)
    batches = batches_of(engine, lambda: host.post(opened(2), audio(2)), host.end)
    host.post(opened(1), audio(1))
    replies = host.replies()
    assert batches == [["s1"], ["s2"]]
    assert [(type(reply), reply.stream_id) for reply in replies] == [(Opened, 1), (Heard, 1), (Opened, 2), (Heard, 2)]


def test_it_runs_only_while_there_is_work():
    """Else streams that are silent for a minute would keep a processor busy."""
    engine = FakeBatched(final_runs=1)
    host = Host(engine)
    batches = batches_of(engine)
    converse(host, {1: [opened(1), Close(1)], 2: [opened(2)], 3: [opened(3), audio(3), end(3)]})
    assert texts(host.replies()) == {3: WORD}
    assert batches == [["s3"], ["s3"]]


def test_each_request_has_one_answer_in_its_streams_order():
    engine = FakeBatched(batch_max=2, final_runs=3)
    host = Host(engine)
    batches = batches_of(engine)
    streams = range(1, 6)
    converse(host, {n: [opened(n), audio(n), audio(n, RATE // 2), end(n, RATE), Close(n)] for n in streams})
    replies = host.replies()
    for stream_id in streams:
        answers = of(replies, stream_id)
        assert [type(reply) for reply in answers] == [Opened, Heard, Heard, Heard, Closed]
        final = answers[3].hypothesis
        assert final == Hypothesis(0, True, RATE, final.words, 2, 1.0, "en")
        assert final.text == f"{WORD} {word_for(1, HALF_SECOND)}"
    assert max(map(len, batches)) == 2


def test_audio_is_answered_at_once_and_an_end_when_its_final_is_there():
    engine = FakeBatched(batch_max=8, final_runs=4)
    host = Host(engine)
    batches = batches_of(engine)
    converse(host, {1: [opened(1), audio(1), end(1)], 2: [opened(2), *(audio(2, n * RATE // 2) for n in range(9))]})
    replies = host.replies()
    assert texts(replies) == {1: WORD}
    final = next(place for place, reply in enumerate(replies) if isinstance(reply, Heard) and reply.hypothesis.final)
    assert len(of(replies[:final], 2)) == 1 + 4, "while one final is made, the other stream goes on"
    assert batches[:5] == [["s1", "s2"]] * 5


def test_none_waits_for_ever_for_those_that_never_pause():
    """With room for one stream in a run: a final that needs two runs has them while three others talk on and on."""
    engine = FakeBatched(batch_max=1, final_runs=2)
    host = Host(engine)
    batches = batches_of(engine)
    talking = {n: [opened(n), *(audio(n, at * RATE // 2) for at in range(20))] for n in (1, 2, 3)}
    converse(host, {**talking, 4: [opened(4), audio(4), end(4)]})
    assert texts(host.replies()) == {4: WORD}
    own = [place for place, batch in enumerate(batches) if batch == ["s4"]]
    assert len(own) <= 3
    assert own[-1] <= 4 * 3


def test_what_a_stream_left_behind_is_not_decoded():
    engine = FakeBatched(batch_max=8, final_runs=3)
    host = Host(engine)
    batches = batches_of(engine, lambda: None, lambda: host.post(Close(1)))
    converse(host, {1: [opened(1), audio(1), end(1)], 2: [opened(2), audio(2), end(2)]})

    def until_both_are_over(reply: HostReply) -> None:
        go_on(reply)
        if isinstance(reply, Heard) and reply.hypothesis.final:
            host.end()

    go_on, host.on_reply = host.on_reply, until_both_are_over
    replies = host.replies()
    assert [type(reply) for reply in of(replies, 1)] == [Opened, Heard, Closed], "its final is for nobody"
    assert texts(replies) == {2: WORD}
    assert batches == [["s1", "s2"]] * 2 + [["s2"]] * 2


def test_a_close_overtakes_what_waits_of_its_stream():
    engine = FakeBatched(final_runs=1)
    host = Host(engine)
    batches = batches_of(engine, lambda: host.post(audio(2), end(2), Close(2), opened(3)))
    host.on_reply = lambda reply: host.end() if reply == Opened(3) else None
    host.post(opened(1), opened(2), audio(1))
    replies = host.replies()
    assert [type(reply) for reply in of(replies, 2)] == [Opened, Closed]
    assert batches == [["s1"]]


def test_a_stream_that_fails_in_a_run_does_not_disturb_the_others(capsys):
    engine = FakeBatched(batch_max=8, final_runs=2)
    host = Host(engine)
    converse(host, {n: [opened(n, *([FAILING] if n == 2 else [])), audio(n), end(n)] for n in (1, 2, 3)})
    replies = host.replies()
    assert texts(replies) == {1: WORD, 3: WORD}
    assert of(replies, 2)[1:] == [Refused(2, False, "the engine failed on this stream")] * 2
    assert "out of memory" in capsys.readouterr().err


def test_a_refusal_is_its_own_streams(capsys):
    engine = FakeBatched(batch_max=8, final_runs=1)
    host = Host(engine)
    long = [audio(2, at * 10 * RATE, bytes(2 * 10 * RATE)) for at in range(SEGMENT_SECONDS_MAX // 10 + 1)]
    unknown = Open(3, StreamOptions("s3", "tlh"))
    converse(
        host, {1: [opened(1), audio(1), end(1)], 2: [opened(2), *long], 3: [unknown], 4: [opened(4), audio(4), end(4)]}
    )
    replies = host.replies()
    assert texts(replies) == {1: WORD, 4: WORD}
    assert of(replies, 2)[-1] == Refused(2, True, f"segment 0 is longer than {SEGMENT_SECONDS_MAX} s")
    [refused] = of(replies, 3)
    assert isinstance(refused, Refused)
    assert refused.rejected
    assert "knows: en" in refused.message
    assert capsys.readouterr().err == "", "a client's mistake is not a failure of the engine"


def test_a_stream_is_closed_with_what_it_holds():
    engine = FakeBatched(batch_max=1, final_runs=1)
    host = Host(engine)
    batches = batches_of(engine, lambda: host.post(Close(2)))
    host.on_reply = lambda reply: host.end() if isinstance(reply, Closed) else None
    host.post(opened(1), opened(2), audio(1), audio(2))
    host.replies()
    assert (batches, engine.waiting) == ([["s1"]], [])


@pytest.mark.parametrize("engine", [InstantHearing(), FakeBatched(final_runs=1)], ids=["one by one", "batched"])
def test_requests_that_make_no_sense_end_no_other_stream(engine, capsys):
    host = Host(engine)
    converse(host, {1: [opened(1), audio(1), end(1)], 7: [audio(7)], 8: [Close(8)]})
    replies = host.replies()
    assert texts(replies) == {1: WORD}
    assert of(replies, 7) == [Refused(7, False, "the engine failed on this stream")]
    assert of(replies, 8) == [Closed(8)]
    assert "KeyError" in capsys.readouterr().err


def test_one_that_may_crash_it_is_decoded_when_nothing_else_is():
    engine = FakeBatched(batch_max=8, final_runs=1)
    host = Host(engine)
    announced: list[set[int]] = []
    batches: list[list[str]] = []

    def on_run(batch: list[str]) -> None:
        batches.append(batch)
        announced.append(host.announced[-1])
        if len(batches) == 2:
            host.end()

    engine.on_run = on_run
    host.post(*(opened(n, alone=n == 2) for n in (1, 2, 3)), *(audio(n) for n in (1, 2, 3)))
    host.replies()
    assert [batch for batch in batches if "s2" in batch] == [["s2"]]
    assert ["s1", "s3"] in batches
    assert announced[batches.index(["s2"])] == {2}
    assert announced[batches.index(["s1", "s3"])] == {1, 3}
