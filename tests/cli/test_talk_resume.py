"""Calls whose connection is cut, in virtual time: nothing is said, heard, reported or shown twice, and nothing is lost."""

import json
from itertools import pairwise

import pytest
import trio

from voicetrio.cli import replay
from voicetrio.cli.native_errors import ConnectionLost, SessionGone
from voicetrio.cli.player import Stretch
from voicetrio.cli.replay import AudioGone
from voicetrio.cli.talk_conversation import SETTLE_S
from voicetrio.cli.talk_microphone import FRAME_BYTES

from .talking import LIMITS, RATE, Line, Result, hold

TOLD = "the connection was lost; going on over another one"
BYTES_PER_MS = 32
BACK_S = 0.2
"""Seconds from a cut to the next connection: nothing but the wait before the first attempt takes time."""


async def ask_and_be_cut(line: Line) -> None:
    """Asked after 1 s, answered at once with 1.5 s of sound, of which 1 s comes; cut when 0.6 s of it was played."""
    await line.begin(limits=LIMITS)
    await trio.sleep(1.0)
    line.hear("tell me a story")
    line.speak("Once upon a time")
    line.sound(1.0, 7)
    line.tell("tts.speaking_text", request_id="u", text="there was a fox.", offset_ms=700)
    line.tell("transcript.partial", text="of the next segment")
    await trio.sleep(0.6)
    line.cut()


def go_on(line: Line, *, next_audio_ms: int = 1600) -> None:
    line.back(next_audio_ms)
    line.tell("tts.speaking_resumed", request_id="u", sample_rate=RATE, start_sample=RATE)
    line.sound(0.5, 8)


async def finish(line: Line) -> None:
    await line.heard(1500)
    await line.goodbye()


async def come_back(line: Line) -> None:
    go_on(line)
    await finish(line)


def sent_audio(result: Result, *begins_ms: int) -> bytes:
    """As the server puts it together: each connection after the first begins there."""
    audio = bytearray(result.line.audio)
    for line, begin_ms in zip(result.connections[1:], begins_ms, strict=True):
        del audio[begin_ms * BYTES_PER_MS :]
        audio += line.audio
    return bytes(audio)


async def test_a_cut_in_the_middle_of_an_answer_is_not_heard(autojump_clock):
    result = await hold(ask_and_be_cut, come_back)
    assert (result.error, result.told) == (None, [TOLD])
    assert result.call.player.heard == [
        Stretch(result.call.player.heard[0].at, RATE, bytearray(b"\7\0" * RATE + b"\10\0" * (RATE // 2)))
    ]
    assert result.heard == [(1.0, 1.5)]
    assert result.lines == [
        "  0.00  microphone: question.wav (0.5 s)",
        "  1.00  you    tell me a story",
        "  1.00  agent  Once upon a time",
        "  1.70  agent  there was a fox.",  # while there was no connection
        "  2.50         heard to the end (1.50 s)",
    ]
    assert (result.call.conversation.answered, result.call.conversation.faults) == (1, 0)


async def test_who_comes_back_says_what_it_has(autojump_clock):
    result = await hold(ask_and_be_cut, come_back)
    first, second = result.connections
    assert first.query == {}
    # session.configured, three of the question, three of the answer and of the ear; none is session.created.
    assert second.query == {"resume": "secret", "received": "7", "utterance": "u", "samples": str(RATE)}
    assert [message["type"] for _, message in second.messages if "playback" not in message["type"]] == ["session.close"]


async def test_what_was_heard_is_reported_again_and_then_goes_on(autojump_clock):
    result = await hold(ask_and_be_cut, come_back)
    reports = [(at, fields["played_ms"]) for at, fields in result.sent("playback.progress")]
    after = [report for report in reports if report[0] >= 1.6 + BACK_S]
    assert after[0] == (1.8, 800)  # at once, and true: it was played on meanwhile
    assert all(played_ms == pytest.approx((at - 1.0) * 1000, abs=1.1) for at, played_ms in reports[:-1])
    assert after[-1] == (pytest.approx(2.5, abs=0.02), 1500)
    assert [played_ms for _, played_ms in reports] == sorted(played_ms for _, played_ms in reports)


async def test_an_end_that_was_heard_while_nobody_listened_is_reported(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin(limits=LIMITS)
        await trio.sleep(1.0)
        line.hear("hello")
        line.speak("Hello.")
        line.sound(0.5)
        line.tell("tts.speaking_end", request_id="u", duration_ms=500, cancelled=False)
        await line.wait_heard("u", 500)
        line.cut()  # and the report was lost with it

    async def back(line: Line) -> None:
        line.back(1500)
        line.tell("tts.speaking_resumed", request_id="u", sample_rate=RATE, start_sample=RATE // 2)
        await line.wait_heard("u", 500)
        line.tell("playback.completed", request_id="u", heard_ms=500)
        line.tell("turn.ended", turn_id="t", outcome="completed")
        await line.goodbye()

    result = await hold(script, back)
    assert result.error is None
    reported = [at for at, fields in result.sent("playback.progress") if fields["played_ms"] == 500]
    assert reported[:2] == [1.5, 1.5 + BACK_S]


async def test_sound_that_runs_out_while_nobody_is_there_leaves_a_gap_and_no_more(autojump_clock):
    async def back(line: Line) -> None:
        await trio.sleep(1.0)
        await come_back(line)

    result = await hold(ask_and_be_cut, back)
    assert result.error is None
    assert result.heard == [(1.0, 1.0), (1.6 + BACK_S + 1.0, 0.5)]
    assert bytes(result.call.player.heard[1].pcm) == b"\10\0" * (RATE // 2)


async def test_an_answer_of_which_nothing_had_come_is_heard_from_its_beginning(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin(limits=LIMITS)
        await trio.sleep(1.0)
        line.hear("hello")
        await trio.sleep(0.1)
        line.cut()

    async def back(line: Line) -> None:
        line.back(1100)
        line.speak("Hello.")
        line.tell("tts.speaking_resumed", request_id="u", sample_rate=RATE, start_sample=0)
        line.sound(0.5)
        await line.heard(500)
        await line.goodbye()

    result = await hold(script, back)
    assert (result.error, result.heard) == (None, [(1.3, 0.5)])
    assert result.call.conversation.answered == 1


async def test_the_recording_goes_on_where_the_server_says(autojump_clock):
    async def back(line: Line) -> None:
        go_on(line, next_audio_ms=1234)
        await finish(line)

    result = await hold(ask_and_be_cut, back, seconds=2.0)
    audio = sent_audio(result, 1234)
    assert audio.startswith(result.recording.pcm)
    assert not any(audio[len(result.recording.pcm) :])
    assert len(result.connections[1].audio) % FRAME_BYTES == 0


async def test_the_microphone_keeps_its_time_and_catches_up_no_quicker_than_the_server_takes(autojump_clock):
    async def back(line: Line) -> None:
        go_on(line, next_audio_ms=1600)
        await finish(line)

    result = await hold(ask_and_be_cut, back, seconds=4.0)
    times = [at - result.opened_at for at in result.connections[1].frame_times]
    assert times[0] == pytest.approx(1.6 + BACK_S)
    assert min(b - a for a, b in pairwise(times)) == pytest.approx(0.02 / (1.2 * 0.97))
    assert times[-1] == pytest.approx(1.6 + 0.02 * (len(times) - 1))  # as if nothing had been


@pytest.mark.parametrize("next_audio_ms", [2000, 2500])
async def test_a_call_is_not_over_before_what_was_missed_has_been_told(autojump_clock, next_audio_ms):
    """The recording ended long ago, all turns that we know of have ended, and a question was asked meanwhile, or in what
    has to be sent again."""

    async def script(line: Line) -> None:
        await line.begin(limits=LIMITS)
        await trio.sleep(1.0)
        line.hear("hello", "t1")
        line.speak("Hello.", request_id="u1", turn_id="t1")
        line.sound(0.5)
        await line.heard(500, request_id="u1", turn_id="t1")
        await trio.sleep(SETTLE_S)
        line.cut()

    async def back(line: Line) -> None:
        await trio.sleep(5.0)
        line.back(next_audio_ms)
        await trio.sleep(SETTLE_S / 2)  # the network takes its time
        line.tell("vad.speech_start", timestamp_ms=2000)
        line.hear("one more", "t2", end_ms=2400)
        line.speak("Yes.", request_id="u2", turn_id="t2")
        line.sound(0.5)
        await line.heard(500, request_id="u2", turn_id="t2")
        await line.goodbye()

    result = await hold(script, back, seconds=2.4)
    assert (result.error, result.call.conversation.answered) == (None, 2)


async def test_the_end_of_a_recording_that_is_sent_again_is_one_event(autojump_clock):
    async def back(line: Line) -> None:
        go_on(line, next_audio_ms=300)
        await finish(line)

    result = await hold(ask_and_be_cut, back, output_format="json")
    assert result.error is None
    assert sent_audio(result, 300).startswith(result.recording.pcm)
    values = [json.loads(line) for line in result.lines]
    assert [value["event"]["type"] for value in values] == [
        "microphone.opened",
        "microphone.silent",
        "vad.speech_end",
        "transcript.final",
        "turn.started",
        "tts.speaking_start",
        "tts.speaking_text",
        "transcript.partial",
        "tts.speaking_resumed",
        "tts.speaking_end",
        "playback.completed",
        "turn.ended",
        "session.closed",
    ]
    assert [value["at"] for value in values] == sorted(value["at"] for value in values)
    assert "secret" not in result.out


async def test_a_call_survives_several_cuts(autojump_clock):
    async def again(line: Line) -> None:
        line.back(1600)
        line.tell("tts.speaking_resumed", request_id="u", sample_rate=RATE, start_sample=RATE)
        line.sound(0.25, 8)
        await trio.sleep(0.1)
        line.cut()

    async def back(line: Line) -> None:
        line.back(1700)
        line.tell("tts.speaking_resumed", request_id="u", sample_rate=RATE, start_sample=RATE + RATE // 4)
        line.sound(0.25, 9)
        await finish(line)

    result = await hold(ask_and_be_cut, again, back)
    assert (result.error, result.told) == (None, [TOLD, TOLD])
    assert b"".join(stretch.pcm for stretch in result.call.player.heard) == (
        b"\7\0" * RATE + b"\10\0" * (RATE // 4) + b"\11\0" * (RATE // 4)
    )


async def test_an_answer_that_cannot_go_on_is_told_and_the_call_goes_on(autojump_clock):
    async def back(line: Line) -> None:
        line.back(1600)
        line.tell("playback.interrupted", request_id="u", heard_ms=600, heard_text="Once upon", reason="disconnected")
        line.tell("turn.ended", turn_id="t", outcome="interrupted")
        await line.goodbye()

    result = await hold(ask_and_be_cut, back)
    assert (result.error, result.heard) == (None, [(1.0, 0.8)])
    assert result.lines[-1].endswith("interrupted after 0.60 s (disconnected): heard “Once upon”")


async def test_settings_that_were_lost_are_sent_again(autojump_clock):
    async def script(line: Line) -> None:
        line.tell("session.created", session_id="s", resume_token="secret", limits=LIMITS)
        await line.wait_for("session.configure")
        line.cut()

    async def back(line: Line) -> None:
        await line.begin(resumed=True, limits=LIMITS, next_audio_ms=0)
        await trio.sleep(1.0)
        line.hear("hello")
        line.speak("Hello.")
        line.sound(0.5)
        await line.heard(500)
        await line.goodbye()

    result = await hold(script, back)
    assert (result.error, result.heard) == (None, [(1.0, 0.5)])
    assert result.connections[1].audio.startswith(result.recording.pcm)


async def converse(line: Line) -> None:
    await line.begin(limits=LIMITS)
    await trio.sleep(1.0)
    line.hear("hello")
    line.speak("Hello.")
    line.sound(0.5)
    await line.heard(500)
    await line.wait_for("session.close")
    line.cut()


async def test_a_goodbye_that_was_lost_is_said_again(autojump_clock):
    async def back(line: Line) -> None:
        line.back(1500)
        await line.goodbye()

    result = await hold(converse, back)
    assert result.error is None
    assert result.connections[1].audio == b""


async def test_who_has_hung_up_does_not_mind_that_the_session_is_gone(autojump_clock):
    async def gone(line: Line) -> None:
        await trio.lowlevel.checkpoint()
        line.end(SessionGone("the server does not have the session any more"))

    assert (await hold(converse, gone)).error is None


async def test_a_session_that_is_gone_ends_the_call(autojump_clock):
    async def gone(line: Line) -> None:
        await trio.lowlevel.checkpoint()
        line.end(SessionGone("the server does not have the session any more"))

    result = await hold(ask_and_be_cut, gone)
    assert isinstance(result.error, SessionGone)
    assert result.heard == [(1.0, 0.8)]


async def test_a_session_that_ended_meanwhile_ends_the_call(autojump_clock):
    async def over(line: Line) -> None:
        await trio.lowlevel.checkpoint()
        line.back(1600)
        line.tell("session.closed", reason="timeout")
        line.end()

    result = await hold(ask_and_be_cut, over)
    assert str(result.error) == "the server ended the call (timeout)"


async def test_a_server_that_stays_away_is_waited_for_as_long_as_it_would_wait(autojump_clock):
    result = await hold(ask_and_be_cut)
    assert isinstance(result.error, ConnectionLost)
    assert str(result.error) == "the connection to the server was lost, and could not be resumed in time"
    assert result.ended_at - result.opened_at <= 1.6 + 15.0
    assert result.heard == [(1.0, 1.0)]  # all that had come
    assert "there was a fox." in result.out


async def test_a_session_that_has_failed_is_not_come_back_to(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin(limits=LIMITS)
        line.tell("error", code="internal", message="a fault", recoverable=False)
        line.cut()

    result = await hold(script, come_back)
    assert str(result.error) == "the connection to the server was lost: the call is over"
    assert result.told == ["internal: a fault"]
    assert len(result.connections) == 1


async def test_audio_that_is_asked_for_and_not_kept_ends_the_call(autojump_clock, monkeypatch):
    monkeypatch.setattr(replay, "KEEP_EXTRA_S", -25.0)  # so that none is kept

    async def back(line: Line) -> None:
        await trio.lowlevel.checkpoint()
        line.back(100)

    result = await hold(ask_and_be_cut, back)
    assert isinstance(result.error, AudioGone)
