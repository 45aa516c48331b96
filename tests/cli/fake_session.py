"""What a server keeps of one session while its connections come and go; for the scripts of `fake_server`.

    kept = FakeSession()
    async def script(peer):
        await kept.enter(peer)             # session.created, and what the client has not received
        await kept.send("transcript.final", ...)

It is strict where a client could be wrong: the token, the count of messages, the audio's bytes.
"""

import json
from typing import Any

from .fake_server import Peer

BYTES_PER_MS = 32


class FakeSession:
    def __init__(self, *, token: str = "the-token", grace_ms: int = 15_000, max_backlog_ms: int = 10_000) -> None:
        self.token = token
        self.limits = {"max_rate": 50.0, "max_backlog_ms": max_backlog_ms, "resume_grace_ms": grace_ms}
        self.audio = bytearray()
        """What has arrived, on the session's clock."""
        self.sent: list[str] = []
        """All text messages since the beginning but for `session.created`."""
        self.messages: list[dict[str, Any]] = []
        """What the client has sent."""
        self.received: list[int] = []
        """What the client said it had received, at each resume."""
        self._peer: Peer | None = None

    async def enter(self, peer: Peer, *, lost_ms: int = 0) -> None:
        """Let the client in. If it comes back: the last `lost_ms` of its audio never arrived."""
        self._peer = peer
        resumed = bool(peer.query)
        received = 0
        if resumed:
            assert peer.query["resume"] == self.token
            received = int(peer.query["received"])
            assert received <= len(self.sent), "it says it received what was never sent"
            self.received.append(received)
        at_ms = len(self.audio) // BYTES_PER_MS - (lost_ms if resumed else 0)
        del self.audio[at_ms * BYTES_PER_MS :]
        fields = {"resume_token": self.token, "limits": self.limits, "resumed": resumed, "next_audio_ms": at_ms}
        await peer.connection.send_message(json.dumps({"type": "session.created", "session_id": "s", **fields}))
        for text in self.sent[received:]:
            await peer.connection.send_message(text)

    async def send(self, kind: str, *, lost: bool = False, **fields: Any) -> None:
        """`lost`: it does not reach the client any more, by this connection."""
        self.sent.append(json.dumps({"type": kind, **fields}))
        if not lost:
            assert self._peer is not None
            await self._peer.connection.send_message(self.sent[-1])

    async def send_final(self, text: str, *, lost: bool = False) -> None:
        await self.send("transcript.final", text=text, segment_id=text, start_ms=0, end_ms=1000, lost=lost)

    async def receive(self) -> dict[str, Any] | bytes:
        assert self._peer is not None
        message = await self._peer.receive()
        if isinstance(message, bytes):
            self.audio += message
        else:
            self.messages.append(message)
        return message

    async def receive_audio(self, until_ms: int) -> None:
        while len(self.audio) < until_ms * BYTES_PER_MS:
            await self.receive()

    async def receive_until(self, kind: str) -> None:
        while True:
            message = await self.receive()
            if isinstance(message, dict) and message["type"] == kind:
                return

    async def end(self) -> None:
        await self.send("session.closed", reason="client_closed", total_duration_ms=0, segments_transcribed=0)
