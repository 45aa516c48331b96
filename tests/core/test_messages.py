"""Text from strangers: it becomes a checked value or a `RemoteError`, and never anything else."""

import json
import random

import pytest

from voicetrio.core.errors import RemoteError
from voicetrio.core.messages import (
    Cancel,
    CancelSpeech,
    CancelTurn,
    Close,
    Commit,
    Configure,
    PlaybackProgress,
    Speak,
    parse_client_message,
)

SECRET = "meine-PIN-ist-4711"


def parse(**message):
    return parse_client_message(json.dumps(message))


def parse_or_error(text):
    try:
        return parse_client_message(text)
    except RemoteError as error:
        return error


def refuse(text):
    """The error that this text is answered with."""
    with pytest.raises(RemoteError) as caught:
        parse_client_message(text)
    error = caught.value
    assert error.recoverable
    assert SECRET not in error.message
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, "a traceback would show the value"
    error.message.encode()
    return error


def refuse_field(**message):
    error = refuse(json.dumps(message))
    assert error.code == "invalid_field"
    assert error.message.endswith("Nothing was changed.")
    return error.message


def test_messages_without_fields():
    assert parse(type="input_audio_buffer.commit") == Commit(type="input_audio_buffer.commit")
    assert parse(type="session.close") == Close(type="session.close")
    assert parse(type="session.cancel") == Cancel(type="session.cancel")


def test_speak_with_everything():
    message = parse(type="tts.speak", text="Guten Tag", voice="anna", speed=1.25, request_id="r-1")
    assert message == Speak(type="tts.speak", text="Guten Tag", voice="anna", speed=1.25, request_id="r-1")


def test_speak_needs_only_its_text():
    message = parse(type="tts.speak", text="")
    assert (message.text, message.voice, message.speed, message.request_id) == ("", None, 1.0, None)


def test_cancel_speech_names_an_utterance_or_means_all():
    assert parse(type="tts.cancel") == CancelSpeech(type="tts.cancel", request_id=None)
    assert parse(type="tts.cancel", request_id="r-1").request_id == "r-1"
    assert parse(type="turn.cancel") == CancelTurn(type="turn.cancel")


def test_playback_progress():
    message = parse(type="playback.progress", request_id="r-1", played_ms=120.5)
    assert message == PlaybackProgress(type="playback.progress", request_id="r-1", played_ms=120.5)


def test_configure_with_everything():
    sent = {
        "language": "de-AT",
        "model": "faster-whisper/small",
        "input_sample_rate": 8000,
        "input_encoding": "pcmu",
        "output_sample_rate": 48_000,
        "output_encoding": "pcm_s16le",
        "vad_sensitivity": "low",
        "init_timeout_ms": 100,
        "silence_timeout_ms": 86_400_000,
        "hold_timeout_ms": 1000,
        "closing_timeout_ms": 500,
        "max_segment_duration_ms": 50_000,
        "hot_words": ["a", "b"],
        "enable_partial_transcripts": False,
        "interim": True,
        "duplex": "barge_in",
        "barge_in_min_ms": 60,
        "agent": "on",
        "speak_replies": True,
        "turn_min_delay_ms": 0,
        "turn_max_delay_ms": 10_000,
        "voice": "anna",
    }
    message = parse(type="session.configure", **sent)
    assert message.model_dump(mode="json", exclude={"type"}) == sent
    assert message.hot_words == ("a", "b")


def test_configure_of_nothing_says_nothing():
    message = parse(type="session.configure")
    assert message == Configure(type="session.configure")
    assert set(message.model_dump(exclude={"type"}).values()) == {None}


def test_false_zero_and_empty_are_values_and_not_missing():
    message = parse(type="session.configure", interim=False, hot_words=[], language="", voice="")
    assert (message.interim, message.hot_words, message.language, message.voice) == (False, (), "", "")
    assert parse(type="playback.progress", request_id="r", played_ms=0).played_ms == 0


def test_unknown_fields_are_ignored():
    assert parse(type="session.close", model_config=1, __class__=[{}], later={"a": 1}) == Close(type="session.close")


@pytest.mark.parametrize(
    "text", ["", " ", "hello", "{", '{"type":', "{'type': 'session.close'}", "\ufeff{}", "\x00", "{}{}"]
)
def test_what_is_not_json_is_refused_with_its_place(text):
    error = refuse(text)
    assert error.code == "invalid_json"
    assert "at line 1, column" in error.message


@pytest.mark.parametrize("text", ["[" * 100_000, '{"type":' * 100_000, "[" * 200_000 + "]" * 200_000])
def test_nesting_without_end_is_refused(text):
    assert refuse(text).code == "invalid_json"


def test_nesting_that_json_can_still_read_is_a_wrong_type_or_ignored():
    deep = "[" * 900 + "]" * 900
    assert refuse(f'{{"type": "tts.speak", "text": {deep}}}').code == "invalid_field"
    assert parse_client_message(f'{{"type": "session.close", "x": {deep}}}') == Close(type="session.close")


def test_a_number_too_long_to_read_is_refused():
    assert refuse(f'{{"type": "session.close", "x": {"9" * 10_000}}}').code == "invalid_json"


@pytest.mark.parametrize(
    "text", ["null", "1", "[]", '"session.close"', "{}", '{"type": null}', '{"type": ["session.close"]}']
)
def test_what_is_no_object_with_a_type_is_refused(text):
    assert refuse(text).code == "invalid_message"


@pytest.mark.parametrize("kind", ["", "Session.close", "session.close ", SECRET, "\ud800"])
def test_an_unknown_type_is_answered_with_the_known_ones(kind):
    error = refuse(json.dumps({"type": kind}))
    assert error.code == "unknown_type"
    for known in ("session.configure", "input_audio_buffer.commit", "tts.speak", "tts.cancel", "playback.progress"):
        assert known in error.message


BAD_FIELDS = [
    ("session.configure", "language", SECRET + "!"),
    ("session.configure", "language", "de\n"),
    ("session.configure", "language", "x" * 36),
    ("session.configure", "model", "x" * 301),
    ("session.configure", "model", 1),
    ("session.configure", "model", "\ud800"),
    ("session.configure", "input_sample_rate", 7_999),
    ("session.configure", "input_sample_rate", 48_001),
    ("session.configure", "input_sample_rate", 16_000.5),
    ("session.configure", "input_sample_rate", "16000"),
    ("session.configure", "input_encoding", SECRET),
    ("session.configure", "vad_sensitivity", SECRET),
    ("session.configure", "vad_sensitivity", {SECRET: [SECRET]}),
    ("session.configure", "init_timeout_ms", 99),
    ("session.configure", "silence_timeout_ms", 86_400_001),
    ("session.configure", "hold_timeout_ms", True),
    ("session.configure", "hold_timeout_ms", 10**4000),
    ("session.configure", "max_segment_duration_ms", 999),
    ("session.configure", "max_segment_duration_ms", 50_001),
    ("session.configure", "hot_words", SECRET),
    ("session.configure", "hot_words", {SECRET: 1}),
    ("session.configure", "hot_words", [""]),
    ("session.configure", "hot_words", [SECRET, 1]),
    ("session.configure", "hot_words", [SECRET * 10]),
    ("session.configure", "hot_words", [SECRET] * 201),
    ("session.configure", "enable_partial_transcripts", "true"),
    ("session.configure", "interim", 1),
    ("session.configure", "duplex", SECRET),
    ("session.configure", "agent", True),
    ("session.configure", "speak_replies", SECRET),
    ("session.configure", "voice", SECRET * 10),
    ("session.configure", "voice", "x" * 101),
    ("session.configure", "voice", "\ud800"),
    ("session.configure", "hot_words", ["x" * 101]),
    ("tts.speak", "text", None),
    ("tts.speak", "text", 4711),
    ("tts.speak", "text", [SECRET]),
    ("tts.speak", "text", SECRET + "\ud800"),
    ("tts.speak", "voice", SECRET * 10),
    ("tts.speak", "speed", 0.2499),
    ("tts.speak", "speed", 4.001),
    ("tts.speak", "speed", SECRET),
    ("tts.speak", "speed", True),
    ("tts.speak", "speed", 10**400),
    ("tts.speak", "speed", float("nan")),
    ("tts.speak", "speed", float("inf")),
    ("tts.speak", "voice", "x" * 101),
    ("tts.speak", "request_id", ""),
    ("tts.speak", "request_id", "x" * 129),
    ("tts.speak", "request_id", SECRET * 10),
    ("tts.speak", "request_id", 7),
    ("tts.cancel", "request_id", SECRET * 10),
    ("tts.cancel", "request_id", [SECRET]),
    ("playback.progress", "request_id", None),
    ("playback.progress", "request_id", "\udfff"),
    ("playback.progress", "played_ms", -0.001),
    ("playback.progress", "played_ms", 86_400_001),
    ("playback.progress", "played_ms", float("nan")),
    ("playback.progress", "played_ms", float("inf")),
    ("playback.progress", "played_ms", 10**400),
    ("playback.progress", "played_ms", SECRET),
    ("playback.progress", "played_ms", False),
]

GOOD = {
    "session.configure": {},
    "tts.speak": {"text": "hello"},
    "tts.cancel": {},
    "playback.progress": {"request_id": "r-1", "played_ms": 1},
}


@pytest.mark.parametrize(
    ("kind", "field", "value"), BAD_FIELDS, ids=[f"{index}-{case[1]}" for index, case in enumerate(BAD_FIELDS)]
)
def test_a_bad_field_is_named_and_its_value_is_not(kind, field, value):
    message = refuse_field(**{"type": kind, **GOOD[kind], field: value})
    assert message.startswith(f"{kind}: {field}")


@pytest.mark.parametrize(
    ("kind", "field"), [("tts.speak", "text"), ("playback.progress", "request_id"), ("playback.progress", "played_ms")]
)
def test_a_missing_field_is_named(kind, field):
    sent = {name: value for name, value in GOOD[kind].items() if name != field}
    assert f"{field}: Field required" in refuse_field(type=kind, **sent)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("session.configure", "input_sample_rate", 48_000),
        ("session.configure", "hot_words", ["x" * 100] * 200),
        ("session.configure", "language", "x" * 35),
        ("session.configure", "model", "x" * 300),
        ("session.configure", "max_segment_duration_ms", 1000),
        ("session.configure", "voice", "x" * 100),
        ("tts.speak", "speed", 0.25),
        ("tts.speak", "speed", 4),
        ("tts.speak", "request_id", "x"),
        ("tts.speak", "request_id", "x" * 128),
        ("tts.speak", "voice", "x" * 100),
        ("tts.speak", "text", "x" * 100_000),
        ("tts.speak", "text", "\U0001f600 grüß Gott"),
        ("tts.cancel", "request_id", "x" * 128),
        ("playback.progress", "played_ms", 86_400_000),
    ],
)
def test_the_limits_themselves_are_allowed(kind, field, value):
    message = parse(**{"type": kind, **GOOD[kind], field: value})
    assert getattr(message, field) == (tuple(value) if isinstance(value, list) else value)


def test_every_fault_is_told_at_once_but_not_without_end():
    message = refuse_field(type="session.configure", duplex=SECRET, interim=SECRET, agent=SECRET)
    assert all(f"{field}:" in message for field in ("duplex", "interim", "agent"))
    assert refuse_field(type="session.configure", hot_words=[1] * 200).count("hot_words.") == 8


def test_a_message_cannot_be_changed_after_it_was_checked():
    with pytest.raises(ValueError, match="frozen"):
        parse(type="tts.speak", text="hello").text = "goodbye"


STRINGS = ["", SECRET, SECRET * 20, "a", "16000", "low", "on", "mute", "\x00", "\ud800", "\U0001f600", "type"]
NUMBERS = [0, 1, -1, 16_000, 2**31, 2**63, 2**64, -(2**64), 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")]
TYPES = [*GOOD, "input_audio_buffer.commit", "session.close", "session.cancel"]
FIELDS = [*Configure.model_fields, *Speak.model_fields, *PlaybackProgress.model_fields, SECRET, "\ud800"]


def random_value(rng, depth=0):
    match rng.randrange(8 if depth < 4 else 4):
        case 0:
            return rng.choice([None, True, False])
        case 1:
            return rng.choice(NUMBERS)
        case 2 | 3:
            return rng.choice(STRINGS)
        case 4 | 5:
            return [random_value(rng, depth + 1) for _ in range(rng.randrange(5))]
        case _:
            return random_object(rng, depth + 1)


def random_object(rng, depth=0):
    return {rng.choice(FIELDS): random_value(rng, depth) for _ in range(rng.randrange(6))}


def random_text(rng):
    if rng.random() < 0.1:
        return json.dumps(random_value(rng))
    kind = rng.choice(TYPES)
    message = {**GOOD.get(kind, {}), **random_object(rng), "type": kind}
    text = json.dumps(message, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.2:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(["", "{", "]", '"', "\\", "\x00", "\ud800", "9" * 5000]) + text[place + 1 :]
    return text


@pytest.mark.parametrize("seed", range(200))
def test_random_json_is_a_message_or_a_remote_error_and_nothing_else(seed):
    rng = random.Random(seed)
    for _ in range(50):
        text = random_text(rng)
        outcome = parse_or_error(text)
        if isinstance(outcome, RemoteError):
            assert outcome.recoverable
            assert outcome.code in {"invalid_json", "invalid_message", "unknown_type", "invalid_field"}
            assert SECRET not in outcome.message
            outcome.message.encode()
        else:
            assert outcome.type in TYPES
            outcome.model_dump_json().encode()
