"""One body of tests for every engine that hears, and one for every engine that speaks, in plain calls."""

import random
import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import (
    HearingEngine,
    HearingSetup,
    PieceRequest,
    SpeakingEngine,
    SpeakingSetup,
    SpokenChunk,
    StreamOptions,
)
from voicetrio.worker.engines.registry import HEARING, SPEAKING, load_hearing, load_speaking
from voicetrio.worker.errors import SetupError

RECORDINGS = Path(__file__).parents[1] / "recordings" / "english"
RATE = 16_000
SLOW = {"pocketsphinx"}
OTHERS = {"faster-whisper", "sherpa-onnx", "piper"}
TESTED = sorted(HEARING.keys() - OTHERS)
STREAMING = {"pocketsphinx", "instant"}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in sorted(HEARING.keys() - OTHERS)
    ],
)
def hearing(request) -> HearingEngine:
    return load_hearing(request.param, HearingSetup())


@pytest.fixture(scope="module", params=sorted(SPEAKING.keys() - OTHERS))
def speaking(request) -> SpeakingEngine:
    return load_speaking(request.param, SpeakingSetup())


def recording(name: str) -> bytes:
    with wave.open(str(RECORDINGS / name)) as file:
        return file.readframes(file.getnframes())


def noise(seconds: float, amplitude: float, seed: int = 1) -> bytes:
    dice = random.Random(seed)
    return array("h", (round(dice.gauss(0, amplitude)) for _ in range(round(RATE * seconds)))).tobytes()


def options(**changes) -> StreamOptions:
    return StreamOptions(**{"session_id": "test", "language": "en", **changes})


def hear(stream, pcm: bytes, *, segment_id=0, start=0, chunk_ms=60) -> tuple[list[Hypothesis], Hypothesis]:
    step = 2 * RATE * chunk_ms // 1000
    partials = [
        stream.accept(segment_id, start + offset // 2, pcm[offset : offset + step])
        for offset in range(0, len(pcm), step)
    ]
    final = stream.end_segment(segment_id, start + len(pcm) // 2)
    check_final(final, segment_id, start, start + len(pcm) // 2)
    return [partial for partial in partials if partial is not None], final


def check_final(final: Hypothesis, segment_id: int, start: int, end: int) -> None:
    assert final.final
    assert final.segment_id == segment_id
    assert final.consumed_sample == end
    assert final.stable_words == len(final.words)
    for word in final.words:
        assert start <= word.start_sample < word.end_sample <= end
        assert word.text.strip() == word.text != ""
        assert word.confidence is None or 0 <= word.confidence <= 1
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(final.words))


@pytest.mark.parametrize("pcm", [bytes(4 * RATE), noise(2, 1), noise(2, 30), noise(2, 3000)])
def test_silence_and_noise_are_segments_like_any_other(hearing, pcm):
    hear(hearing.open(options()), pcm, start=12_345)


@pytest.mark.parametrize("samples", [0, 1, 159, 400, 1599, 1601])
def test_a_segment_may_be_as_short_as_nothing(hearing, samples):
    stream = hearing.open(options())
    _, final = hear(stream, noise(1, 1000)[: 2 * samples])
    assert samples > 0 or final.words == ()
    hear(stream, noise(0.5, 1000), segment_id=1, start=samples)


def test_thirty_seconds_at_once(hearing):
    pcm = b"".join(recording("good-idea-rms.wav") for _ in range(8))[: 2 * 30 * RATE]
    _, final = hear(hearing.open(options()), pcm, chunk_ms=30_000)
    assert len(final.words) > 10


def test_a_stream_may_be_closed_in_mid_segment(hearing):
    pcm = recording("thank-you-slt.wav")
    stream = hearing.open(options())
    stream.accept(0, 0, pcm[:32_000])
    stream.close()
    expected = hear(hearing.open(options()), pcm)
    assert hear(hearing.open(options()), pcm) == expected


def test_interleaved_streams_do_not_hear_each_other(hearing):
    names = ["thank-you-slt.wav", "open-the-door-rms.wav", "good-idea-rms.wav"]
    pcms = [recording(name)[:64_000] for name in names]
    alone = [hear(hearing.open(options()), pcm) for pcm in pcms]
    streams = [hearing.open(options()) for _ in pcms]
    partials = [[] for _ in pcms]
    for offset in range(0, 64_000, 1920):
        for stream, pcm, heard in zip(streams, pcms, partials, strict=True):
            heard.append(stream.accept(0, offset // 2, pcm[offset : offset + 1920]))
    finals = [stream.end_segment(0, 32_000) for stream in streams]
    assert finals == [final for _, final in alone]
    assert [[p for p in heard if p is not None] for heard in partials] == [heard for heard, _ in alone]
    for stream in streams:
        stream.close()


def test_a_final_depends_on_its_own_audio_only(hearing):
    pcm = recording("good-idea-rms.wav")
    _, fresh = hear(hearing.open(options()), pcm)
    used = hearing.open(options())
    hear(used, noise(1, 5000))
    hear(used, recording("thank-you-slt.wav"), segment_id=1, start=16_000)
    _, late = hear(used, pcm, segment_id=2, start=100_000, chunk_ms=1000)
    shifted = [(w.text, w.start_sample - 100_000, w.end_sample - 100_000, w.confidence) for w in late.words]
    assert shifted == [(w.text, w.start_sample, w.end_sample, w.confidence) for w in fresh.words]


@pytest.mark.parametrize("chunk_ms", [20, 60, 100, 500, 1000])
def test_partials_grow_and_take_nothing_stable_back(hearing, chunk_ms):
    stream = hearing.open(options())
    hear(stream, noise(0.5, 100), chunk_ms=chunk_ms)
    partials, final = hear(stream, recording("good-idea-rms.wav"), segment_id=1, chunk_ms=chunk_ms)
    assert len(partials[-1].words) >= len(final.words) - 1
    for one, other in pairwise(partials):
        assert one.consumed_sample < other.consumed_sample
        assert one.stable_words <= other.stable_words <= len(other.words)
        kept = [word.text for word in one.words[: one.stable_words]]
        assert [word.text for word in other.words[: one.stable_words]] == kept


def test_nobody_asked_for_partials(hearing):
    partials, final = hear(hearing.open(options(partials=False)), recording("thank-you-slt.wav"))
    assert partials == []
    assert final.words


def test_engines_state_their_architecture(hearing):
    assert hearing.description.architecture in ("encoder-decoder", "ctc", "streaming")
    assert (hearing.description.engine in STREAMING) == (hearing.description.architecture == "streaming")


def test_a_prompt_is_nothing_to_engines_that_do_not_use_it(hearing):
    pcm = recording("thank-you-slt.wav")
    expected = hear(hearing.open(options()), pcm)
    stream = hearing.open(options())
    stream.begin_segment(0, "Open the door for me, please.")
    heard = hear(stream, pcm)
    if hearing.description.architecture != "encoder-decoder":
        assert heard == expected
    # A prompt is its own segment's.
    _, other = hear(stream, pcm, segment_id=1)
    assert other.text == expected[1].text


def test_languages_are_known_by_their_primary_tag(hearing):
    for language in ("", "en", "en-US", "EN-gb"):
        hearing.open(options(language=language)).close()
    with pytest.raises(WorkerRejected, match="en"):
        hearing.open(options(language="tlh"))


def speak(engine: SpeakingEngine, text: str, speed: float = 1.0, voice: str = "") -> list[SpokenChunk]:
    chunks: list[SpokenChunk] = []
    engine.speak(PieceRequest(text, engine.resolve_voice(voice), speed, True), chunks.append)
    return chunks


def samples_of(chunks: list[SpokenChunk]) -> int:
    return sum(len(chunk.pcm) for chunk in chunks) // 2


def test_marks_are_at_their_words_and_in_order(speaking):
    text = "Hello brave 😀 world, it costs 42 dollars. Über uns."
    chunks = speak(speaking, text)
    marks = [mark for chunk in chunks for mark in chunk.marks]
    spoken = [text[mark.text_offset : mark.text_offset + mark.text_length].strip(".,") for mark in marks]
    expected = ["Hello", "brave", "world", "it", "costs", "42", "dollars", "Über", "uns"]
    assert [word for word in spoken if word != "😀"] == expected
    assert all(one.start_sample <= other.start_sample for one, other in pairwise(marks))
    assert marks[-1].start_sample < samples_of(chunks)


def test_speed_changes_the_length(speaking):
    text = "the quick brown fox jumps over the lazy dog and runs away"
    usual = samples_of(speak(speaking, text))
    assert samples_of(speak(speaking, text, 2.0)) == pytest.approx(usual / 2, rel=0.15)
    assert samples_of(speak(speaking, text, 4.0)) == pytest.approx(usual / 4, rel=0.15)
    assert samples_of(speak(speaking, text, 0.5)) == pytest.approx(usual * 2, rel=0.15)


@pytest.mark.parametrize("text", ["", " ", "...", "<b>", "[[h@loU]]", "\0", "a\0b", "\ud800", "😀", "7" * 200, "\n\n"])
def test_any_text_can_be_spoken(speaking, text):
    speak(speaking, text)


def test_markup_is_read_out_and_not_obeyed(speaking):
    assert samples_of(speak(speaking, "<mark> [[h@loU]]")) > samples_of(speak(speaking, "mark"))


def test_what_emit_raises_stops_the_engine(speaking):
    calls = []

    def emit(chunk: SpokenChunk) -> None:
        calls.append(chunk)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        speaking.speak(PieceRequest("one two three four " * 10, speaking.resolve_voice(""), 1.0, True), emit)
    assert len(calls) == 1
    assert speak(speaking, "and on it goes")


def test_unknown_voices_are_answered_with_known_ones(speaking):
    with pytest.raises(WorkerRejected, match=speaking.description.default_voice[:2]):
        speaking.resolve_voice("nobody")
    for voice in speaking.description.voices:
        assert speaking.resolve_voice(voice.name)


def test_unknown_engines_name_the_setting_and_the_choice():
    with pytest.raises(SetupError, match=r"stt\.engine.*pocketsphinx.*none"):
        load_hearing("wisper", HearingSetup())
    with pytest.raises(SetupError, match=r"tts\.engine.*espeak-ng.*none"):
        load_speaking("", SpeakingSetup())


def test_a_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pocketsphinx", None)
    monkeypatch.delitem(__import__("sys").modules, "voicetrio.worker.engines.pocketsphinx", raising=False)
    with pytest.raises(SetupError, match="pip install pocketsphinx"):
        load_hearing("pocketsphinx", HearingSetup())


def test_a_missing_model_names_the_setting(tmp_path):
    with pytest.raises(SetupError, match=r"stt\.model"):
        load_hearing("pocketsphinx", HearingSetup(str(tmp_path / "nowhere")))
    with pytest.raises(SetupError, match="acoustic model"):
        load_hearing("pocketsphinx", HearingSetup(str(tmp_path)))
    with pytest.raises(SetupError, match=r"tts\.voice"):
        load_speaking("espeak-ng", SpeakingSetup("nobody"))
