import io
import json

import pytest

from voicetrio.cli.talk_conversation import Conversation
from voicetrio.cli.talk_view import JsonView, TextView, new_view


class Printed:
    def __init__(self, output_format: str = "text") -> None:
        self.out = io.StringIO()
        self.view = new_view(output_format, self.out)
        self.conversation = Conversation(wait_s=10)

    def event(self, now: float, kind: str, **fields) -> None:
        message = {"type": kind, **fields}
        self.conversation.note(message, now=now)
        self.view.event(message, self.conversation, at=now)

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


@pytest.fixture
def printed():
    return Printed()


TIMINGS = {
    "turn_id": "t",
    "endpointing_ms": 500,
    "final_ms": 50,
    "turn_ms": 0,
    "agent_ms": 10,
    "piece_ms": 0,
    "audio_ms": 50,
    "total_ms": 610,
}


def speak(printed: Printed) -> None:
    printed.event(2.31, "turn.started", turn_id="t", text="please open the door", timestamp_ms=2300)
    printed.event(2.4, "tts.speaking_start", request_id="u", turn_id="t", sample_rate=24_000, text="You said: please")
    printed.conversation.sounded()
    printed.view.piece("You said: please", at=2.42)


def test_a_conversation_reads_like_one(printed):
    printed.view.opened("/some/where/open-the-door-slt.wav", 1.94)
    speak(printed)
    printed.event(2.43, "turn.timings", **TIMINGS)
    printed.event(4.9, "playback.completed", request_id="u", heard_ms=2480)
    printed.event(4.9, "turn.ended", turn_id="t", outcome="completed")
    printed.view.ended(printed.conversation, at=5.0)
    assert printed.lines == [
        "  0.00  microphone: open-the-door-slt.wav (1.9 s)",
        "  2.31  you    please open the door",
        "  2.42  agent  You said: please",
        "  4.90         heard to the end (2.48 s)",
        "        answer after 0.61 s: endpointing 0.50, final 0.05, turn 0.00, agent 0.01, piece 0.00, speech 0.05",
    ]


def test_a_recording_that_does_not_tell_its_length(printed):
    printed.view.opened("a.ogg", None)
    assert printed.lines == ["  0.00  microphone: a.ogg"]


def test_parts_that_are_not_known_are_left_out(printed):
    speak(printed)
    printed.event(2.5, "turn.timings", **(TIMINGS | {"turn_ms": None, "endpointing_ms": None, "new_ms": 5}))
    printed.event(3.0, "turn.ended", turn_id="t", outcome="completed")
    assert printed.lines[-1] == "        answer after 0.61 s: final 0.05, agent 0.01, piece 0.00, speech 0.05"


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"heard_text": "You said:", "reason": "barge_in"}, "interrupted after 1.20 s: heard “You said:”"),
        ({"heard_text": "", "reason": "barge_in"}, "interrupted after 1.20 s, before a word was heard"),
        ({"heard_text": "You", "reason": "cancelled"}, "interrupted after 1.20 s (cancelled): heard “You”"),
    ],
)
def test_an_interruption_says_what_was_heard(printed, fields, line):
    speak(printed)
    printed.event(3.0, "playback.paused", request_id="u", heard_ms=1100)
    printed.event(3.2, "playback.resumed", request_id="u")
    printed.event(3.5, "playback.interrupted", request_id="u", heard_ms=1200, **fields)
    assert printed.lines[2:] == [
        "  3.00         paused after 1.10 s: somebody may be interrupting",
        "  3.20         goes on",
        f"  3.50         {line}",
    ]


def test_an_answer_that_was_not_spoken_is_shown_all_the_same(printed):
    printed.event(1.0, "turn.started", turn_id="t", text="hello")
    printed.event(1.1, "assistant_message", token="Good ", is_final=False)
    printed.event(1.2, "assistant_message", token="day.", is_final=False)
    printed.event(1.3, "turn.ended", turn_id="t", outcome="completed")
    assert printed.lines[1:] == ["  1.30  agent  Good day.", "  1.30         not spoken"]


def test_the_whole_content_stands_for_its_tokens(printed):
    printed.event(1.0, "turn.started", turn_id="t", text="hello")
    printed.event(1.1, "assistant_message", token="Good ", is_final=False)
    printed.event(1.2, "assistant_message", content="Good day!", is_final=True)
    printed.event(1.3, "turn.ended", turn_id="t", outcome="failed")
    assert printed.lines[1:] == [
        "  1.30  agent  Good day!",
        "  1.30         not spoken",
        "  1.30         the answer failed",
    ]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("completed", "no answer"),
        ("interrupted", "no answer"),
        ("failed", "the answer failed"),
        ("cancelled", "the answer was cancelled"),
    ],
)
def test_a_turn_without_an_answer_says_so(printed, outcome, words):
    printed.event(1.0, "turn.started", turn_id="t", text="hello")
    printed.event(1.3, "turn.ended", turn_id="t", outcome=outcome)
    assert printed.lines[1:] == [f"  1.30         {words}"]


def test_the_end_tells_what_is_left(printed):
    speak(printed)
    printed.event(2.5, "turn.timings", **TIMINGS)
    printed.event(3.0, "transcript.final", text="and one more thing", end_ms=3000)
    printed.view.ended(printed.conversation, at=13.0)
    assert printed.lines[2].startswith("        answer after 0.61 s")
    assert printed.lines[3:] == [" 13.00  you    and one more thing", " 13.00         heard, and not asked"]


def test_words_cannot_command_the_terminal(printed):
    printed.event(1.0, "turn.started", turn_id="t", text="a\x1b[2Jb\nc - ü")
    assert printed.lines == ["  1.00  you    a [2Jb c - ü"]


def test_json_tells_every_event_but_the_secret():
    printed = Printed("json")
    printed.view.opened("/a.wav", 1.9)
    printed.event(0.1, "session.created", resume_token="secret")
    printed.event(0.12345, "assistant_message", token="ü", at="elsewhere")
    printed.view.silent(at=1.9)
    printed.view.piece("ü", at=2.0)
    printed.view.ended(printed.conversation, at=3.0)
    assert [json.loads(line) for line in printed.lines] == [
        {"at": 0.0, "event": {"type": "microphone.opened", "file": "/a.wav", "duration_s": 1.9}},
        {"at": 0.123, "event": {"type": "assistant_message", "token": "ü", "at": "elsewhere"}},
        {"at": 1.9, "event": {"type": "microphone.silent"}},
    ]


def test_the_formats_have_their_views():
    assert isinstance(new_view("text", io.StringIO()), TextView)
    assert isinstance(new_view("json", io.StringIO()), JsonView)
