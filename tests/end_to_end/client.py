"""A client that notes what it is told, and when: `async with open_client(url) as client`, then a conversation.

What is true of every session, whatever happens in it, is checked when it is left.
"""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from copy import copy
from typing import Any

import trio

from voicetrio.cli.native_client import ConnectionLost, NativeSession, ResumeTicket, open_native_session

from .sound import RATE, resampled

BOUND_S = 60.0
"""Seconds for any conversation: many times what the longest one takes."""

Message = dict[str, Any]


class Client:
    def __init__(self, session: NativeSession, session_id: str, ticket: ResumeTicket) -> None:
        self.session = session
        self.session_id = session_id
        self.ticket = ticket
        """What it needs to come back."""
        self.messages: list[tuple[float, Message]] = []
        """With the time of each on trio's clock; of all connections of the session."""
        self.audio: list[tuple[float, bytes]] = []
        self.ended = trio.Event()
        self.lost: ConnectionLost | None = None
        """How the connection broke, if `session.closed` did not come before its end."""
        self._news = trio.Event()

    async def read(self) -> None:
        try:
            async for message in self.session:
                now = trio.current_time()
                if isinstance(message, bytes):
                    self.audio.append((now, message))
                else:
                    self.messages.append((now, message))
                self._tell()
        except ConnectionLost as error:
            self.lost = error
        self.ended.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    # -- to the server ----------------------------------------------------------------------------------------------

    async def send(self, kind: str, **fields: Any) -> None:
        await self.session.send_json({"type": kind, **fields})

    async def play(self, pcm: bytes, *, frame_ms: float = 20, rate: int = RATE, width: int = 2) -> None:
        """Send audio at real-time pace, each frame when it would have been recorded."""
        size = round(frame_ms * rate / 1000) * width
        await self.play_frames((pcm[start : start + size] for start in range(0, len(pcm), size)), rate * width)

    async def play_frames(self, frames: Iterable[bytes], bytes_per_second: int = 2 * RATE) -> None:
        due = trio.current_time()
        for frame in frames:
            due += len(frame) / bytes_per_second
            await trio.sleep_until(due)
            await self.session.send_audio(frame)

    async def pour(self, pcm: bytes) -> None:
        """Send audio as quickly as it is taken."""
        for start in range(0, len(pcm), 6400):
            await self.session.send_audio(pcm[start : start + 6400])

    async def cut(self) -> None:
        """Lose the connection: its socket is closed, and nobody says goodbye."""
        await trio.aclose_forcefully(self.session._connection._stream)
        await self.ended.wait()
        assert self.lost is not None

    async def ask_speech(self, text: str, **fields: Any) -> str:
        """Its request id."""
        request_id = f"say-{secrets.token_hex(4)}"
        await self.send("tts.speak", text=text, request_id=request_id, **fields)
        return request_id

    async def heard_all(self, request_id: str) -> None:
        """Tell the server that the utterance has been heard, so that nobody has to wait for it."""
        await self.send("playback.progress", request_id=request_id, played_ms=86_400_000)

    async def make_speech(self, text: str, **fields: Any) -> bytes:
        """What the server says, at 16 kHz; it is told that it was heard."""
        first = len(self.audio)
        request_id = await self.ask_speech(text, **fields)
        await self.wait_for("tts.speaking_end", request_id=request_id)
        pcm = b"".join(piece for _, piece in self.audio[first:])
        await self.heard_all(request_id)
        await self.wait_for("playback.completed", request_id=request_id)
        return resampled(pcm, 24_000, RATE)

    # -- from the server --------------------------------------------------------------------------------------------

    def got(self, *kinds: str, **fields: Any) -> list[Message]:
        """The messages of these kinds, or all, that have these fields."""
        return [message for _, message in self.timed(*kinds, **fields)]

    def timed(self, *kinds: str, **fields: Any) -> list[tuple[float, Message]]:
        return [
            (when, message)
            for when, message in self.messages
            if (not kinds or message["type"] in kinds) and fields.items() <= message.items()
        ]

    async def wait_for(self, *kinds: str, count: int = 1, **fields: Any) -> Message:
        """Wait until so many such messages have come; the last of them."""
        while len(found := self.got(*kinds, **fields)) < count:
            assert not self.ended.is_set(), f"waited for {kinds}, got {self.kinds()}, then {self.lost or 'the end'}"
            await self._news.wait()
        return found[count - 1]

    async def wait_audio(self) -> float:
        """When the first audio came."""
        while not self.audio:
            assert not self.ended.is_set()
            await self._news.wait()
        return self.audio[0][0]

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.got()]

    @property
    def text(self) -> str:
        """All finals."""
        return " ".join(message["text"] for message in self.got("transcript.final"))

    async def finish(self) -> str:
        """Close in order; what was transcribed, all in all."""
        await self.send("session.close")
        await self.ended.wait()
        assert self.got()[-1]["reason"] == "client_closed", self.got()[-1]
        assert self.session.close_code == 1000
        return self.text


@asynccontextmanager
async def open_client(
    url: str, session_id: str | None = None, *, earlier: Client | None = None, bound_s: float = BOUND_S
) -> AsyncIterator[Client]:
    """A session, for as long as the block runs, and `bound_s` at most.

    `earlier` is the client of another connection: this one comes back to its session, with what it was told there.
    """
    if earlier is None:
        session_id, ticket, known = session_id or f"test-{secrets.token_hex(6)}", ResumeTicket(), []
    else:
        # As they are now: what the other connection is told from here on, this one is told again.
        session_id, ticket, known = earlier.session_id, copy(earlier.ticket), list(earlier.messages)
    with trio.fail_after(bound_s):
        async with open_native_session(url, session_id, ticket=ticket) as session:
            client = Client(session, session_id, ticket)
            client.messages += known
            count = len(client.got("session.created"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.read)
                created = await client.wait_for("session.created", count=count + 1)
                assert created["session_id"] == session_id
                assert created["resumed"] == (earlier is not None)
                yield client
                nursery.cancel_scope.cancel(reason="the test has seen enough")
            check(client)


def check(client: Client) -> None:
    """What is true of every session."""
    kinds = client.kinds()
    assert kinds[0] == "session.created"
    if client.lost is None and client.ended.is_set():
        assert kinds[-1] == "session.closed", "the last message of every session"
    assert kinds.count("session.closed") <= 1
    finals = [message["segment_id"] for message in client.got("transcript.final")]
    assert finals == sorted(set(finals)), "each final once, in order"
    closed = client.got("session.closed")
    if closed:
        worded = [message for message in client.got("transcript.final") if message["words"]]
        assert closed[0]["segments_transcribed"] == len(worded)
    _check_partials(client)
    _check_speech_events(client)
    _check_words(client)
    starts = [message["request_id"] for message in client.got("tts.speaking_start")]
    ends = [message["request_id"] for message in client.got("playback.completed", "playback.interrupted")]
    assert len(starts) == len(set(starts))
    assert len(ends) == len(set(ends)), "one ending per utterance"
    if client.ended.is_set() and client.lost is None:
        assert set(starts) <= set(ends), "every utterance has an ending"


def _check_partials(client: Client) -> None:
    texts: dict[int, str] = {}
    settled: set[int] = set()
    for message in client.got("transcript.partial", "transcript.final"):
        segment = message["segment_id"]
        assert segment not in settled, "nothing follows a final"
        if message["type"] == "transcript.final":
            settled.add(segment)
        else:
            assert message["text"].startswith(texts.get(segment, "")), "partials only grow"
            texts[segment] = message["text"]


def _check_speech_events(client: Client) -> None:
    speaking, last_ms = False, 0
    for message in client.got("vad.speech_start", "vad.speech_end"):
        assert speaking == (message["type"] == "vad.speech_end"), "starts and ends take turns"
        assert message["timestamp_ms"] >= last_ms
        speaking, last_ms = not speaking, message["timestamp_ms"]


def _check_words(client: Client) -> None:
    """Words lie in their segment, one after the other, and segments do too."""
    last = 0.0
    for message in client.got("transcript.final"):
        assert message["text"] == " ".join(word["word"] for word in message["words"])
        assert 1000 * last <= message["start_ms"] + 1
        last = message["start_ms"] / 1000
        for word in message["words"]:
            assert last - 0.011 <= word["start"] < word["end"] <= message["end_ms"] / 1000 + 0.011, message
            last = word["end"]
        last = message["end_ms"] / 1000
