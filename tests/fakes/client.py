"""A client and its session in virtual time: `async with open_client() as client`, then a conversation."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from tests.fakes.audio import FakeDetector, silence, word
from tests.fakes.recognizer import FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer
from tests.fakes.telemetry import FakeTelemetry
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.session.endings import End
from voicetrio.session.session import Ports, Session


@dataclass
class FakeLink:
    """The server's end. `reading` false: the client has stopped reading."""

    inbox: trio.MemoryReceiveChannel[str | bytes]
    received: list[tuple[float, str | bytes]] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    reads: int = 0
    reading: trio.Event = field(default_factory=trio.Event)
    news: trio.Event = field(default_factory=trio.Event)

    async def receive(self) -> str | bytes | None:
        try:
            message = await self.inbox.receive()
        except trio.EndOfChannel:
            return None
        self.reads += 1
        return message

    async def send(self, message: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self.reading.wait()
        assert self.closed is None, "nothing follows a close frame"
        self.received.append((trio.current_time(), message))
        self.news.set()
        self.news = trio.Event()

    async def close(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = self.closed or (code, reason)


@dataclass
class FakeClient:
    session: Session
    link: FakeLink
    outbox: trio.MemorySendChannel[str | bytes]
    recognizer: FakeRecognizer
    synthesizer: FakeSynthesizer
    telemetry: FakeTelemetry
    scope: trio.CancelScope
    end: End | None = None
    ended_at: float = 0.0
    frame: float = 0.02
    """Seconds of audio in a message."""

    async def send(self, kind: str, **fields: object) -> None:
        await self.outbox.send(json.dumps({"type": kind, **fields}))

    async def play(self, pcm: bytes, *, pace: float = 1.0) -> None:
        """Send audio in frames, at real-time pace (`pace` 0: as quickly as it is taken)."""
        size = 2 * round(self.frame * 16_000)
        for start in range(0, len(pcm), size):
            part = pcm[start : start + size]
            await trio.sleep(pace * len(part) / 32_000)
            await self.outbox.send(part)

    async def say(self, *numbers: int) -> None:
        """Words of 0.4 s, without a pause between them."""
        await self.play(b"".join(word(number) for number in numbers))

    async def be_silent(self, seconds: float) -> None:
        await self.play(silence(seconds))

    def got(self, *kinds: str) -> list[dict]:
        return [message for _, message in self.timeline() if not kinds or message["type"] in kinds]

    def timeline(self) -> list[tuple[float, dict]]:
        return [(when, json.loads(text)) for when, text in self.link.received if isinstance(text, str)]

    def at(self, kind: str) -> list[float]:
        return [when for when, message in self.timeline() if message["type"] == kind]

    def audio(self) -> bytes:
        return b"".join(data for _, data in self.link.received if isinstance(data, bytes))

    def finals(self) -> list[str]:
        return [message["text"] for message in self.got("transcript.final")]

    async def wait_for(self, kind: str, count: int = 1) -> dict:
        """Wait until so many messages of this kind have come; the last of them."""
        while len(self.got(kind)) < count:
            await self.link.news.wait()
        return self.got(kind)[count - 1]

    def leave(self) -> None:
        """The socket is gone."""
        self.outbox.close()


@asynccontextmanager
async def open_client(
    *,
    recognizer: FakeRecognizer | None = None,
    synthesizer: FakeSynthesizer | None = None,
    config: SessionConfig | None = None,
    limits: SessionLimits | None = None,
    detector: type = FakeDetector,
    telemetry: Any = None,
) -> AsyncIterator[FakeClient]:
    """A session and its client. When the body ends, the client leaves; the session must then end by itself."""
    recognizer = recognizer or FakeRecognizer()
    synthesizer = synthesizer or FakeSynthesizer()
    telemetry = telemetry or FakeTelemetry()
    outbox, inbox = trio.open_memory_channel[str | bytes](10)
    link = FakeLink(inbox)
    link.reading.set()
    session = Session(
        "test",
        link,
        config=config or SessionConfig(),
        limits=limits or SessionLimits(),
        ports=Ports(recognizer, synthesizer, detector, telemetry),
    )
    client = FakeClient(session, link, outbox, recognizer, synthesizer, telemetry, trio.CancelScope())

    async def run() -> None:
        with client.scope:
            client.end = await session.run()
        client.ended_at = trio.current_time()
        inbox.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)  # noqa: ASYNC113 - the wait below is for its first message
        await client.wait_for("session.created")
        yield client
        client.leave()
    check_ending(client)


def check_ending(client: FakeClient) -> None:
    """What is true of every session that has ended, whatever happened in it."""
    assert client.recognizer.in_use == 0, "every slot is given back"
    assert client.synthesizer.open_calls == 0, "no synthesis goes on"
    assert not client.session._ear.muted, "always unmuted in the end"
    assert client.session.state.name == "CLOSED"
    if client.link.reading.is_set() and client.link.closed is not None:
        assert client.got()[-1]["type"] == "session.closed", "the last message of every session"
    ids = [message["segment_id"] for message in client.got("transcript.final")]
    assert ids == sorted(set(ids)), "each final once, in order"
    texts: dict[int, str] = {}
    for message in client.got("transcript.partial"):
        before = texts.get(message["segment_id"], "")
        assert message["text"].startswith(before), "partials only grow"
        texts[message["segment_id"]] = message["text"]
    starts = [m["request_id"] for m in client.got("tts.speaking_start")]
    ends = [m["request_id"] for m in client.got("playback.completed", "playback.interrupted")]
    assert len(ends) == len(set(ends)), "one ending per utterance"
    assert set(starts) <= set(ends), "every utterance has an ending"
