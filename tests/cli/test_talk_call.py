"""Whole calls in virtual time, over a line that is no socket: what is sent, heard and printed, and exactly when."""

import json
from itertools import pairwise

import pytest
import trio

from voicetrio.cli.native_errors import ConnectionCut, ConnectionLost, SessionFailed
from voicetrio.cli.player import Stretch
from voicetrio.cli.talk_call import STALL_S
from voicetrio.cli.talk_microphone import FRAME_BYTES

from .talking import RATE, WAIT_S, Line, hold


async def answer(line: Line) -> None:
    """A question and its answer: asked after 1 s, answered after 1.2 s, in two pieces that take 0.5 s and 0.3 s."""
    await line.begin()
    await answer_only(line)


async def answer_only(line: Line) -> None:
    await trio.sleep(0.1)
    line.tell("vad.speech_start", timestamp_ms=0)
    await trio.sleep(0.9)
    line.hear("open the door")
    await trio.sleep(0.2)
    line.speak("You said:")
    line.sound(0.5)
    line.tell("turn.timings", turn_id="t", total_ms=700, endpointing_ms=500)
    line.tell("tts.speaking_text", request_id="u", text="open the door.", offset_ms=500)
    line.sound(0.3)
    await line.heard(800)
    await line.goodbye()


async def test_a_question_and_its_answer(autojump_clock):
    result = await hold(answer)
    assert (result.error, result.told) == (None, [])
    assert result.lines == [
        "  0.00  microphone: question.wav (0.5 s)",
        "  1.00  you    open the door",
        "  1.20  agent  You said:",
        "  1.70  agent  open the door.",
        "  2.00         heard to the end (0.80 s)",
        "        answer after 0.70 s: endpointing 0.50",
    ]
    assert result.call.conversation.answered == 1
    assert [(round(s.at - result.opened_at, 3), len(s.pcm)) for s in result.call.player.heard] == [
        (1.2, 0.8 * RATE * 2)
    ]


async def test_the_microphone_keeps_time_and_goes_on_silent(autojump_clock):
    result = await hold(answer, seconds=0.51)
    loud = result.recording.pcm
    assert bytes(result.line.audio[: len(loud)]) == loud
    assert not any(result.line.audio[len(loud) :])
    assert len(result.line.audio) == FRAME_BYTES * len(result.line.frame_times)
    times = [at - result.opened_at for at in result.line.frame_times]
    assert times == pytest.approx([0.02 * k for k in range(len(times))])
    (closed_at, _) = result.sent("session.close")[0]
    assert closed_at == pytest.approx(times[-1] + 0.02)
    assert 2.0 <= closed_at <= 2.04


async def test_what_is_heard_is_reported_while_it_is_heard(autojump_clock):
    result = await hold(answer)
    reports = result.sent("playback.progress")
    assert all(fields["request_id"] == "u" for _, fields in reports)
    # Honest to the millisecond: the sound began after 1.2 s.
    assert all(fields["played_ms"] == pytest.approx((at - 1.2) * 1000, abs=1.1) for at, fields in reports[:-1])
    times = [at for at, _ in reports]
    assert all(0.1 <= round(b - a, 3) <= 0.12 for a, b in pairwise(times[:-1]))
    assert reports[-1] == (2.0, {"request_id": "u", "played_ms": 800})


async def test_the_settings_are_asked_for_before_the_microphone_opens(autojump_clock):
    result = await hold(answer)
    assert result.line.messages[0][1] == {"type": "session.configure", "agent": "on"}
    assert result.line.messages[0][0] <= result.line.frame_times[0]


async def test_an_interruption_stops_the_player_where_it_is(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(1.0)
        line.hear("tell me a story")
        line.speak("Once upon a time")
        line.sound(5.0)
        line.tell("tts.speaking_text", request_id="u", text="there was a fox.", offset_ms=3000)
        await trio.sleep(1.0)
        line.tell("playback.paused", request_id="u", heard_ms=1000)
        await trio.sleep(0.5)
        line.tell("playback.resumed", request_id="u")
        await trio.sleep(0.25)
        line.tell("playback.paused", request_id="u", heard_ms=1250)
        await trio.sleep(0.2)
        line.tell("tts.speaking_end", request_id="u", duration_ms=5000, cancelled=True)
        line.tell("playback.interrupted", request_id="u", heard_ms=1250, heard_text="Once upon", reason="barge_in")
        line.tell("turn.ended", turn_id="t", outcome="interrupted")
        line.sound(1.0)  # was on its way
        await line.goodbye()

    result = await hold(script, seconds=3.0)
    assert result.error is None
    assert result.heard == [(1.0, 1.0), (2.5, 0.25)]
    assert result.lines[1:] == [
        "  1.00  you    tell me a story",
        "  1.00  agent  Once upon a time",
        "  2.00         paused after 1.00 s: somebody may be interrupting",
        "  2.50         goes on",
        "  2.75         paused after 1.25 s: somebody may be interrupting",
        "  2.95         interrupted after 1.25 s: heard “Once upon”",
    ]
    reported = [fields["played_ms"] for _, fields in result.sent("playback.progress")]
    assert max(reported) == 1250
    assert reported == sorted(set(reported))


async def test_several_turns_in_one_recording(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        for turn_id, request_id in (("t1", "u1"), ("t2", "u2")):
            await trio.sleep(1.0)
            line.hear("hello", turn_id)
            line.speak("Hello.", request_id=request_id, turn_id=turn_id)
            line.sound(0.5)
            await line.heard(500, request_id=request_id, turn_id=turn_id)
        await line.goodbye()

    result = await hold(script, seconds=4.0)
    assert (result.error, result.call.conversation.answered) == (None, 2)
    assert result.heard == [(1.0, 0.5), (2.5, 0.5)]
    assert result.sent("session.close")[0][0] == pytest.approx(5.0, abs=0.021)  # its end, and a moment


async def test_sound_that_comes_in_time_is_heard_without_a_gap_and_late_sound_with_one(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(1.0)
        line.hear("hello")
        line.speak("Hello.")
        for _ in range(5):
            line.sound(0.1)
            await trio.sleep(0.1)
        await trio.sleep(0.3)
        line.sound(0.1)
        await line.heard(600)
        await line.goodbye()

    result = await hold(script)
    assert result.heard == [(1.0, 0.5), (1.8, 0.1)]


async def test_a_recording_without_words_ends_after_the_wait(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await line.goodbye()

    result = await hold(script)
    assert (result.error, result.call.conversation.turns) == (None, {})
    assert result.sent("session.close")[0][0] == pytest.approx(0.5 + WAIT_S, abs=0.021)


async def test_a_slow_agent_is_waited_for(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(1.0)
        line.hear("hello")
        await trio.sleep(STALL_S)
        line.speak("Hm.")
        line.sound(0.5)
        await line.heard(500)
        await line.goodbye()

    result = await hold(script)
    assert (result.error, result.call.conversation.answered) == (None, 1)


async def test_a_server_that_hangs_is_given_up(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(1.0)
        line.hear("hello")

    result = await hold(script)
    assert isinstance(result.error, ConnectionLost)
    assert result.ended_at - result.opened_at < STALL_S + WAIT_S + 3.0


async def test_a_server_without_an_agent_is_told_before_anything_is_said(autojump_clock):
    async def script(line: Line) -> None:
        line.tell("session.created", session_id="s")
        await line.wait_for("session.configure")
        line.tell("error", code="unsupported", message="no agent", recoverable=True)

    result = await hold(script)
    assert isinstance(result.error, SessionFailed)
    assert str(result.error) == "unsupported: no agent"
    assert (result.opened_at, result.out, result.line.frame_times) == (None, "", [])


async def test_a_call_that_is_cut_and_that_the_server_does_not_keep_has_what_was_heard(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(1.0)
        line.hear("hello")
        line.speak("Hello.")
        line.sound(0.5)
        line.tell("turn.timings", turn_id="t", total_ms=700)
        await trio.sleep(0.2)
        line.cut()

    result = await hold(script)
    assert isinstance(result.error, ConnectionCut)
    assert result.heard == [(1.0, 0.2)]
    assert result.lines[-1] == "        answer after 0.70 s"


async def test_a_server_that_hangs_up_first_is_told(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(0.1)
        line.tell("error", code="stt_gone", message="no worker", recoverable=False)
        line.tell("session.closed", reason="error")
        line.end()

    result = await hold(script)
    assert str(result.error) == "the server ended the call (error)"
    assert result.told == ["stt_gone: no worker"]


async def test_a_close_code_of_trouble_is_a_failure(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await line.wait_for("session.close")
        line.tell("session.closed", reason="error")
        line.close_code = 1011
        line.end()

    result = await hold(script)
    assert "1011" in str(result.error)


async def test_errors_and_dropped_audio_are_told_and_the_call_goes_on(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        line.tell("error", code="agent_failed", message="try again", recoverable=True)
        line.tell("session.frames_dropped", dropped_ms=1250)
        await answer_only(line)

    result = await hold(script)
    assert result.error is None
    assert result.told == ["agent_failed: try again", "the server dropped 1.25 s of what was said"]
    assert (result.call.conversation.faults, result.call.conversation.answered) == (2, 1)


async def test_a_rate_limit_is_obeyed_and_reports_go_on(autojump_clock):
    async def script(line: Line) -> None:
        await line.begin()
        await trio.sleep(1.0)
        line.hear("hello")
        line.speak("Hello.")
        line.sound(1.0)
        line.tell("session.rate_limit", delay_ms=600, message="slow down")
        await line.heard(1000)
        await line.goodbye()

    result = await hold(script)
    times = [at - result.opened_at for at in result.line.frame_times]
    gaps = [(round(a, 2), round(b - a, 2)) for a, b in pairwise(times) if b - a > 0.03]
    assert gaps == [(1.0, 0.62)]
    during = [at for at, _ in result.sent("playback.progress") if 1.05 < at < 1.55]
    assert len(during) >= 4


async def test_the_servers_limits_bound_how_a_late_microphone_catches_up(autojump_clock):
    limits = {"max_rate": 2.0, "max_backlog_ms": 10_000, "resume_grace_ms": 0}

    class Slow(Line):
        async def send_audio(self, pcm: bytes) -> None:
            await super().send_audio(pcm)
            if len(self.frame_times) == 10:
                await trio.sleep(0.5)  # a network that stands still

    async def script(line: Line) -> None:
        await line.begin(limits=limits)
        await line.goodbye()

    result = await hold(script, seconds=2.0, wait_s=0.1, line_type=Slow)
    line = result.line
    gaps = [b - a for a, b in pairwise(line.frame_times)]
    assert max(gaps) == pytest.approx(0.5, abs=0.02)
    assert min(gaps) == pytest.approx(0.02 / (2.0 * 0.97))
    assert line.frame_times[99] - result.opened_at == pytest.approx(99 * 0.02)  # it has caught up


async def test_json_is_one_event_per_line_in_order(autojump_clock):
    result = await hold(answer, output_format="json")
    values = [json.loads(line) for line in result.lines]
    assert [value["event"]["type"] for value in values] == [
        "microphone.opened",
        "vad.speech_start",
        "microphone.silent",
        "vad.speech_end",
        "transcript.final",
        "turn.started",
        "tts.speaking_start",
        "turn.timings",
        "tts.speaking_text",
        "tts.speaking_end",
        "playback.completed",
        "turn.ended",
        "session.closed",
    ]
    assert [value["at"] for value in values] == sorted(value["at"] for value in values)
    assert values[2]["at"] == 0.5
    assert "secret" not in result.out


async def test_a_stretch_is_what_was_fed(autojump_clock):
    result = await hold(answer)
    assert result.call.player.heard == [Stretch(result.call.player.heard[0].at, RATE, bytearray(b"\7\0" * 6400))]
