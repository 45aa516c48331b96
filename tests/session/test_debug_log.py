"""What log.level = "debug" tells of a session: what happened and what was decided, and nothing that was said."""

import structlog.testing

from tests.fakes.agent import FakeAgent
from tests.fakes.client import open_client
from voicetrio.core.config import SessionConfig


async def test_a_spoken_turn_can_be_followed(autojump_clock):
    with structlog.testing.capture_logs() as logs:
        async with open_client(
            agent=FakeAgent([["Hello", " there."]]), config=SessionConfig(agent="on", speak_replies=True)
        ) as client:
            await client.say(1, 2)
            await client.be_silent(1.0)
            await client.wait_for("playback.completed")
            await client.wait_for("turn.ended")
    lines = [entry for entry in logs if entry["log_level"] == "debug"]
    assert sorted({str(entry["event"]) for entry in lines}) == [
        "segment_final",
        "speech_end",
        "speech_start",
        "state",
        "turn_started",
        "utterance_started",
        "worker_stream_opened",
    ]
    assert [(entry["before"], entry["state"]) for entry in lines if entry["event"] == "state"][:2] == [
        ("init", "active"),
        ("active", "silence"),
    ]
    assert next(entry["words"] for entry in lines if entry["event"] == "segment_final") == 2
    assert all(entry["session_id"] for entry in lines)
    assert len(lines) < 20, "some for each sentence, and none for each frame"
    for said in ("w1", "w2", "Hello", "there"):
        assert said not in str(logs)
