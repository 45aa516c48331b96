"""Ten minutes of speech without a pause, through one session and as quickly as the server allows: nothing is lost, and
nothing is kept."""

import itertools
from dataclasses import dataclass

import pytest
import trio

from .client import Client, open_client
from .conftest import StartServer
from .processes import ServerProcess, memory_kb
from .sound import RATE, silence, speech
from .test_exactness import check_finals

pytestmark = pytest.mark.slow

SPEECH_S = 600.0
WARM_S = 120.0
"""Of audio, after which nothing more is to be kept: the ring has been filled twice, and every segment's way was gone."""
GROWTH_KB = 5_000
"""What a process may grow by after that; eight minutes of audio are 15 MB."""
SEGMENT_S = 10.0
FRAME_S = 0.1
RATE_MARGIN = 0.95
"""Of the largest rate that the server told us: what it measures is when frames arrive."""
BOUND_S = 300.0
"""For the session: twenty times what it takes on an idle machine."""

ENVIRONMENT = {
    "VOICETRIO_SESSION__MAX_RATE": "40",
    "VOICETRIO_SESSION__MAX_BACKLOG": "40",  # seconds; with the longest segment, less than the ring's 60
    "VOICETRIO_SESSION__MAX_SEGMENT": str(SEGMENT_S),
}


@dataclass(slots=True)
class Memory:
    """In kB."""

    gateway: int
    worker: int

    @classmethod
    def of(cls, server: ServerProcess) -> "Memory":
        return cls(memory_kb(server.process.pid), memory_kb(server.worker_pid()))


class Stream:
    """One client's audio, sent as the server wants it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._interval = FRAME_S / (RATE_MARGIN * client.got("session.created")[0]["limits"]["max_rate"])
        self._due = trio.current_time()
        self.pauses = 0

    async def send(self, pcm: bytes) -> None:
        size = round(FRAME_S * RATE) * 2
        for start in range(0, len(pcm), size):
            self._obey()
            self._due = max(self._due + self._interval, trio.current_time())
            await trio.sleep_until(self._due)
            await self._client.session.send_audio(pcm[start : start + size])

    def _obey(self) -> None:
        asked = self._client.timed("session.rate_limit")
        for when, message in asked[self.pauses :]:
            self._due = max(self._due, when + message["delay_ms"] / 1000)
        self.pauses = len(asked)


async def test_ten_minutes_of_speech_lose_nothing_and_leave_nothing(start_server: StartServer, record_property):
    server = start_server("config/bench.toml", environment=ENVIRONMENT)
    pcm = silence(0.5) + speech(SPEECH_S, seed=1) + silence(1.0)
    warm = round(WARM_S * RATE) * 2
    async with open_client(server.url, bound_s=BOUND_S) as client:
        began = trio.current_time()
        stream = Stream(client)
        await stream.send(pcm[:warm])
        before = await trio.to_thread.run_sync(Memory.of, server)
        await stream.send(pcm[warm:])
        after = await trio.to_thread.run_sync(Memory.of, server)
        await client.wait_for("vad.speech_end")
        await client.finish()
        seconds = trio.current_time() - began
        finals = check_finals(client, pcm)
        assert client.got("error", "session.frames_dropped") == []
        assert len(client.got("vad.speech_start")) == 1
    cuts = [(a["end_ms"], b["start_ms"]) for a, b in itertools.pairwise(finals)]
    assert all(end == start for end, start in cuts), "no gap, and nothing twice"
    assert len(finals) >= SPEECH_S / SEGMENT_S
    assert finals[0]["start_ms"] <= 500
    assert finals[-1]["end_ms"] >= (0.5 + SPEECH_S) * 1000
    record_property("600 s of audio", f"{seconds:.1f} s, {stream.pauses} pauses asked for")
    record_property(
        "memory after 120 s, and growth to the end",
        f"{before} kB, {after.gateway - before.gateway} and {after.worker - before.worker} kB",
    )
    assert after.gateway - before.gateway < GROWTH_KB
    assert after.worker - before.worker < GROWTH_KB
    server.stop()
