"""The bug of `playback-session-id`, made impossible: its log, replayed to the millisecond.

18:31:12.260 the first chunk begins to play (248832 bytes, 2.592 s) · 12.424 the second comes (211968 bytes, 2.208 s) ·
12.426 the request is completed, and what the original then forgot is whose playback it was · 14.859 the first chunk has
been played, and the second was never heard.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.fakes.agent import FakeAgent
from tests.fakes.audio import word
from tests.fakes.client import open_client
from voicetrio.core.config import SessionConfig
from voicetrio.core.voices import KnownVoice
from voicetrio.session.ports import SpeechAudio, SpeechRequest

RATE = 48_000
CHUNKS = ((0.0, 248_832), (0.164, 211_968))
"""Seconds since the first, and bytes."""
REQUEST_COMPLETED = 0.166
HEARD = (248_832 + 211_968) / 2 / RATE
"""4.8 s."""

ALOUD = SessionConfig(agent="on", speak_replies=True, output_sample_rate=RATE)


class Replay:
    """Gives the chunks of the log at their times, and ends when the request did."""

    def __init__(self) -> None:
        self.open_calls = 0
        self.ended_at: list[float] = []

    def voices(self) -> tuple[KnownVoice, ...]:
        return ()

    @asynccontextmanager
    async def open_speech(self, request: SpeechRequest) -> AsyncIterator["Replay"]:
        self.open_calls += 1
        self._began = trio.current_time()
        self._left = list(CHUNKS)
        try:
            yield self
        finally:
            self.open_calls -= 1
            self.ended_at.append(trio.current_time())

    async def receive(self) -> SpeechAudio | None:
        if not self._left:
            await trio.sleep_until(self._began + REQUEST_COMPLETED)
            return None
        after, size = self._left.pop(0)
        await trio.sleep_until(self._began + after)
        return SpeechAudio(RATE, b"\x01\x00" * (size // 2))


async def reports_when_a_chunk_was_played(client, request_id):
    """As the player of the log did: 7 ms after the end of each chunk."""
    played = 0.0
    for _, size in CHUNKS:
        played += size / 2 / RATE
        await trio.sleep_until(played + 0.007)
        await client.send("playback.progress", request_id=request_id, played_ms=round(played * 1000))


@pytest.mark.parametrize("player", ["silent", "reporting"])
@pytest.mark.parametrize("asked_by", ["agent", "client"])
async def test_both_chunks_play_and_are_completed_once(autojump_clock, player, asked_by):
    agent = FakeAgent([["Both chunks are one sentence.\n", REQUEST_COMPLETED]])
    replay = Replay()
    async with open_client(agent=agent, synthesizer=replay, config=ALOUD) as client:
        if asked_by == "agent":
            await client.send("user_message", content="go")
        else:
            await client.send("tts.speak", text="Both chunks are one sentence.")
        start = await client.wait_for("tts.speaking_start")
        if player == "reporting":
            client.nursery.start_soon(reports_when_a_chunk_was_played, client, start["request_id"])
        await client.wait_for("playback.completed")
        if asked_by == "agent":
            await client.wait_for("turn.ended")
        await trio.sleep(20.0)
    sound = [(when, len(data)) for when, data in client.link.received if isinstance(data, bytes)]
    first, second = (sum(size for when, size in sound if when == pytest.approx(after)) for after, _ in CHUNKS)
    assert ((0.0, first), (0.164, second)) == CHUNKS, "both chunks were sent, each at once"
    assert replay.ended_at == [pytest.approx(REQUEST_COMPLETED)]
    assert client.at("tts.speaking_end") == [pytest.approx(REQUEST_COMPLETED)]
    expected = HEARD + (0.007 if player == "reporting" else 0.0)
    assert client.at("playback.completed") == [pytest.approx(expected, abs=1e-9)], "once, and not before it was heard"
    assert client.got("playback.completed")[0]["heard_ms"] == 4800
    assert client.got("playback.interrupted", "error") == []
    if asked_by == "agent":
        assert agent.left_at == [pytest.approx(REQUEST_COMPLETED)], "the request was over long before"
        assert client.at("turn.ended") == client.at("playback.completed")


async def test_nobody_is_heard_until_the_second_chunk_was(autojump_clock):
    agent = FakeAgent([["Both chunks are one sentence.\n", REQUEST_COMPLETED]])
    async with open_client(agent=agent, synthesizer=Replay(), config=ALOUD) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        for number in range(1, 13):  # 0.4 s each, up to the very end
            await client.play(word(number))
        await client.wait_for("playback.completed")
        await client.say(20)
        await client.be_silent(1.0)
    assert client.finals() == ["w20"]
    heard_from = client.got("vad.speech_start")[0]["timestamp_ms"]
    assert heard_from == 4800, "to the millisecond"


async def test_other_requests_that_come_and_go_meanwhile_change_nothing(autojump_clock):
    agent = FakeAgent([["Both chunks are one sentence.\n", REQUEST_COMPLETED], ["x\n"]])
    async with open_client(agent=agent, synthesizer=Replay(), config=ALOUD) as client:
        await client.send("user_message", content="go")
        start = await client.wait_for("tts.speaking_start")
        await client.send("tts.speak", text="Another one.", request_id="other")
        await client.send("tts.cancel", request_id="other")
        await client.send("playback.progress", request_id="nobody", played_ms=1)
        await client.send("session.configure", duplex="barge_in", voice="")
        await client.wait_for("playback.completed")
    assert client.got("playback.completed")[0]["request_id"] == start["request_id"]
    assert client.at("playback.completed") == [pytest.approx(HEARD, abs=1e-9)]
