"""The nine of the specification, as a real session moves them, in virtual time. Words of 0.4 s; the end of speech is sure
23 frames, 0.46 s, after the last of them (see tests/session/test_hearing.py)."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.client import FakeClient, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.metrics.scrape import scrape
from voicetrio.core.config import SessionConfig
from voicetrio.metrics.prometheus import PrometheusTelemetry

END_SURE = 0.46
"""Seconds from the last sample of speech to the decision that it has ended."""


@pytest.fixture
def telemetry() -> PrometheusTelemetry:
    return PrometheusTelemetry()


def seconds(value: float):
    return pytest.approx(value, abs=1e-6)


async def say_and_hear(client: FakeClient, *words: int) -> None:
    await client.say(*words)
    await client.be_silent(1.0)


async def test_a_session_is_active_until_it_ends_and_then_has_a_duration(autojump_clock, telemetry):
    async with open_client(telemetry=telemetry) as client:
        await client.be_silent(3.0)
        during = scrape(telemetry)
    after = scrape(telemetry)
    assert [seen.value("stt_active_sessions") for seen in (during, after)] == [1, 0]
    assert [seen.value("stt_session_duration_seconds_count") for seen in (during, after)] == [0, 1]
    assert after.value("stt_session_duration_seconds_sum") == seconds(client.ended_at) == seconds(3.0)
    assert after.labels("voicetrio_sessions_ended_total")["disconnected"] == 1


async def test_each_start_and_end_of_speech_is_counted(autojump_clock, telemetry):
    async with open_client(telemetry=telemetry) as client:
        await say_and_hear(client, 1)
        await client.say(2)
        assert scrape(telemetry).labels("stt_vad_events_total") == {"speech_start": 2, "speech_end": 1}
        await client.be_silent(1.0)
    assert scrape(telemetry).labels("stt_vad_events_total") == {"speech_start": 2, "speech_end": 2}


async def test_the_first_partial_is_timed_from_the_start_of_speech_and_later_ones_are_not(autojump_clock, telemetry):
    async with open_client(telemetry=telemetry) as client:
        await client.be_silent(1.0)
        await say_and_hear(client, 1, 2, 3, 4)
    assert len(client.got("transcript.partial")) > 1
    told = client.at("transcript.partial")[0] - client.at("vad.speech_start")[0]
    seen = scrape(telemetry)
    assert seen.value("stt_ttfb_seconds_count") == 1
    assert seen.value("stt_ttfb_seconds_sum") == seconds(told)
    assert 0.3 < told < 0.6, "the first word is confirmed by the second"


async def test_the_final_delay_ends_when_a_client_that_reads_late_has_been_handed_the_final(autojump_clock, telemetry):
    async with open_client(
        telemetry=telemetry, recognizer=FakeRecognizer(default=Behaviour(final_delay=0.25))
    ) as client:
        await client.say(1, 2)
        ended_at = trio.current_time() + END_SURE
        client.link.reading = trio.Event()
        await client.be_silent(4.0)
        assert scrape(telemetry).value("stt_final_delay_seconds_count") == 0, "made, but not written"
        client.link.reading.set()
        await client.wait_for("transcript.final")
    written_at = client.at("transcript.final")[0]
    assert written_at == seconds(4.8)
    seen = scrape(telemetry)
    assert seen.value("stt_final_delay_seconds_count") == 1
    assert seen.value("stt_final_delay_seconds_sum") == seconds(written_at - ended_at)


async def test_the_final_delay_of_a_client_that_reads_is_the_workers(autojump_clock, telemetry):
    async with open_client(
        telemetry=telemetry, recognizer=FakeRecognizer(default=Behaviour(final_delay=0.25))
    ) as client:
        await say_and_hear(client, 1)
        await say_and_hear(client, 2)
    seen = scrape(telemetry)
    assert seen.value("stt_final_delay_seconds_count") == 2
    assert seen.value("stt_final_delay_seconds_sum") == seconds(2 * 0.25)


async def test_a_final_that_is_never_written_is_not_timed(autojump_clock, telemetry):
    async with open_client(telemetry=telemetry) as client:
        await client.say(1, 2)
        client.link.reading = trio.Event()
        await client.be_silent(1.0)
    assert client.finals() == []
    assert scrape(telemetry).value("stt_final_delay_seconds_count") == 0


async def test_the_confidence_of_each_final_is_noted(autojump_clock, telemetry):
    async with open_client(telemetry=telemetry) as client:
        await say_and_hear(client, 1)
        await say_and_hear(client, 2)
    seen = scrape(telemetry)
    assert seen.value("stt_confidence_avg_count") == 2
    assert seen.value("stt_confidence_avg_sum") == seconds(2 * 0.9)


async def test_a_ring_that_is_nearly_full_forces_a_commit(autojump_clock, telemetry):
    quiet = FakeRecognizer(default=Behaviour(partials=False))
    config = SessionConfig(max_segment_seconds=60.0)  # longer than the ring's 90 %, 54 s
    async with open_client(telemetry=telemetry, recognizer=quiet, config=config) as client:
        await client.say(*range(1, 133))  # 52.8 s
        before = scrape(telemetry)
        await client.say(*range(133, 141))  # 56 s
        await client.be_silent(1.0)
    assert before.value("stt_segments_force_committed_total") == 0
    assert scrape(telemetry).value("stt_segments_force_committed_total") == 1
    assert " ".join(dict.fromkeys(" ".join(client.finals()).split())) == " ".join(f"w{n}" for n in range(1, 141))


async def test_a_worker_that_breaks_is_a_recovery(autojump_clock, telemetry):
    broken = FakeRecognizer(behaviours=[Behaviour(break_after=8000), Behaviour(break_after=8000)])
    async with open_client(telemetry=telemetry, recognizer=broken) as client:
        await say_and_hear(client, 1, 2, 3)
    assert client.finals() == ["w1 w2 w3"]
    assert scrape(telemetry).value("stt_worker_recoveries_total") == 2


async def test_each_frame_that_comes_while_the_server_speaks_is_counted(autojump_clock, telemetry):
    async with open_client(telemetry=telemetry) as client:
        await client.send("tts.speak", text="one two three four")  # 1.8 s
        await client.be_silent(1.0)
        await wait_all_tasks_blocked()  # the last frame is on its way
        muted = scrape(telemetry).value("stt_muted_frames_total")
        await client.wait_for("playback.completed")
        await client.be_silent(1.0)
    assert muted == 50, "1 s in frames of 20 ms"
    seen = scrape(telemetry)
    assert seen.value("stt_muted_frames_total") == muted, "and none after it"
    assert seen.labels("voicetrio_utterances_total") == {"completed": 1, "interrupted": 0, "failed": 0}
    assert seen.value("voicetrio_tts_first_audio_seconds_count") == 1
