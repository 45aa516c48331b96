"""A client and its session in virtual time: `async with open_client() as client`, then a conversation."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing

from tests.fakes.agent import FakeAgent, FakeTurnDetector
from tests.fakes.audio import FakeDetector, silence, word
from tests.fakes.recognizer import FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer
from tests.fakes.telemetry import FakeTelemetry
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.session.endings import End
from voicetrio.session.line import Attachment, SpeechReceived
from voicetrio.session.ports import LinkLost, Ports
from voicetrio.session.session import Session


@dataclass
class FakeLink:
    """The server's end. `reading` false: the client has stopped reading."""

    inbox: trio.MemoryReceiveChannel[str | bytes]
    outbox: trio.MemorySendChannel[str | bytes]
    received: list[tuple[float, str | bytes]] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    gone: bool = False
    """The client has left: what is sent is lost."""
    pongs: bool = True
    """Whether it answers pings."""
    attachment: Attachment | None = None
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
        if self.gone:
            raise LinkLost("the client is gone")
        assert self.closed is None, "nothing follows a close frame"
        self.received.append((trio.current_time(), message))
        self.news.set()
        self.news = trio.Event()

    async def ping(self) -> bool:
        await trio.lowlevel.checkpoint()
        await self.reading.wait()
        if self.gone:
            raise LinkLost("the client is gone")
        if self.pongs and self.attachment is not None:
            self.attachment.pong()
        return True


def make_link(reading: bool = True) -> FakeLink:
    outbox, inbox = trio.open_memory_channel[str | bytes](10)
    link = FakeLink(inbox, outbox)
    if reading:
        link.reading.set()
    return link


@dataclass
class FakeClient:
    session: Session
    link: FakeLink
    nursery: trio.Nursery
    recognizer: FakeRecognizer
    synthesizer: FakeSynthesizer
    telemetry: FakeTelemetry
    agent: FakeAgent
    scope: trio.CancelScope
    over: trio.Event = field(default_factory=trio.Event)
    """Set when the session's task has ended."""
    earlier: list[tuple[float, str | bytes]] = field(default_factory=list)
    """What came over connections before this one."""
    end: End | None = None
    ended_at: float = 0.0
    frame: float = 0.02
    """Seconds of audio in a message."""

    @property
    def outbox(self) -> trio.MemorySendChannel[str | bytes]:
        return self.link.outbox

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
        return [(when, json.loads(text)) for when, text in self.earlier + self.link.received if isinstance(text, str)]

    def at(self, kind: str) -> list[float]:
        return [when for when, message in self.timeline() if message["type"] == kind]

    def audio(self) -> bytes:
        return b"".join(data for _, data in self.earlier + self.link.received if isinstance(data, bytes))

    def text_frames(self) -> int:
        """So many has the client, of those that count when it comes back."""
        return len([message for message in self.got() if message["type"] != "session.created"])

    def finals(self) -> list[str]:
        return [message["text"] for message in self.got("transcript.final")]

    def spoken(self) -> list[str]:
        """The pieces of speech that were announced."""
        return [message["text"] for message in self.got("tts.speaking_start", "tts.speaking_text")]

    async def wait_for(self, kind: str, count: int = 1) -> dict:
        """Wait until so many messages of this kind have come; the last of them."""
        while len(self.got(kind)) < count:
            await self.link.news.wait()
        return self.got(kind)[count - 1]

    def leave(self) -> None:
        """The socket is gone."""
        self.link.gone = True
        self.link.outbox.close()

    def connect(
        self, link: FakeLink, *, received: int | None = None, speech: SpeechReceived | None = None
    ) -> Attachment:
        """Over this connection from now on; what serves it closes it as the session says."""
        self.earlier += self.link.received if self.link is not link else []
        self.link = link
        attachment = link.attachment = self.session.attach(link, received=received, speech=speech)
        self.nursery.start_soon(self._serve, link, attachment)
        return attachment

    async def _serve(self, link: FakeLink, attachment: Attachment) -> None:
        await attachment.over.wait()
        if attachment.verdict is not None and not link.gone:
            link.closed = (attachment.verdict.code, attachment.verdict.reason)
        link.inbox.close()

    async def come_back(self, *, received: int | None = None, speech: SpeechReceived | None = None) -> dict:
        """Over a new connection; `session.created` is what it is welcomed with."""
        count = len(self.got("session.created"))
        self.connect(make_link(), received=received, speech=speech)
        return await self.wait_for("session.created", count + 1)


@asynccontextmanager
async def open_client(
    *,
    recognizer: FakeRecognizer | None = None,
    synthesizer: FakeSynthesizer | None = None,
    config: SessionConfig | None = None,
    limits: SessionLimits | None = None,
    detector: type = FakeDetector,
    telemetry: Any = None,
    agent: FakeAgent | None = None,
    turn_detector: FakeTurnDetector | None = None,
    session_id: str = "test",
    welcomed: bool = True,
) -> AsyncIterator[FakeClient]:
    """A session and its client. When the body ends, the client leaves, or waits for the end if the session closes; the
    session must then end by itself.
    """
    recognizer = recognizer or FakeRecognizer()
    synthesizer = synthesizer or FakeSynthesizer()
    telemetry = telemetry or FakeTelemetry()
    agent = agent or FakeAgent()
    session = Session(
        session_id,
        config=config or SessionConfig(),
        limits=limits or SessionLimits(),
        ports=Ports(recognizer, synthesizer, detector, telemetry, agent, turn_detector or FakeTurnDetector()),
        resume_token="secret",
    )

    async def run() -> None:
        with client.scope:
            client.end = await session.run()
        client.ended_at = trio.current_time()
        client.over.set()

    async with trio.open_nursery() as nursery:
        link = make_link()
        client = FakeClient(session, link, nursery, recognizer, synthesizer, telemetry, agent, trio.CancelScope())
        client.connect(link)
        nursery.start_soon(run)  # noqa: ASYNC113 - the wait below is for its first message
        if welcomed:
            await client.wait_for("session.created")
        yield client
        await trio.testing.wait_all_tasks_blocked()
        if client.session.closing:
            await client.over.wait()
            await trio.testing.wait_all_tasks_blocked()
        client.leave()
    check_ending(client)


def check_ending(client: FakeClient) -> None:
    """What is true of every session that has ended, whatever happened in it."""
    assert client.recognizer.in_use == 0, "every slot is given back"
    assert client.synthesizer.open_calls == 0, "no synthesis goes on"
    assert client.agent.open_calls == 0, "no agent is listened to"
    assert not client.session._body.ear.muted, "always unmuted in the end"
    assert client.session.state.name == "CLOSED"
    if client.link.closed is not None and client.link.reading.is_set():
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
    assert client.link.gone or set(starts) <= set(ends), "every utterance has an ending"
