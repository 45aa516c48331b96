"""espeak-ng as an engine, without a worker around it."""

import pytest

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import PieceRequest, SpeakingSetup
from voicetrio.worker.engines.espeak import Espeak, open_espeak

TEXTS = {
    "en-us": "This is spoken as slowly as that",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund und geht dann nach Hause.",
    "cmn": "今天天气很好我们一起去公园散步吧。",
}


@pytest.fixture(scope="module")
def engine() -> Espeak:
    return open_espeak(SpeakingSetup())


def speak(engine: Espeak, text: str, voice: str, speed: float) -> tuple[int, list[tuple[int, int]]]:
    """Samples, and each mark's place in the text and in the sound."""
    samples, marks = 0, []

    def emit(chunk):
        nonlocal samples
        samples += len(chunk.pcm) // 2
        marks.extend((mark.text_offset, mark.start_sample) for mark in chunk.marks)

    engine.speak(PieceRequest(text, engine.resolve_voice(voice), speed, True), emit)
    return samples, marks


@pytest.mark.parametrize("voice", TEXTS)
def test_a_speed_is_what_it_says_over_its_whole_range(engine, voice):
    usual, marks = speak(engine, TEXTS[voice], voice, 1.0)
    for speed in (0.25, 0.3, 0.46, 0.5, 0.8, 1.25, 2.0, 2.5, 3.0, 4.0):
        samples, its_marks = speak(engine, TEXTS[voice], voice, speed)
        assert samples * speed == pytest.approx(usual, rel=0.04), speed
        assert [offset for offset, _ in its_marks] == [offset for offset, _ in marks]
        # A fast speaker shortens the pause at the end more than the words, and not all words alike.
        assert _places(its_marks) == pytest.approx(_places(marks), abs=0.1)


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("en-US", "gmw/en-US"),
        ("en_us+f3", "gmw/en-US+f3"),
        ("pt-PT", "roa/pt"),
        ("es-MX", "roa/es-419"),
        ("es-AR", "roa/es"),
        ("zh", "sit/cmn"),
        ("zh-HK", "sit/yue"),
        ("no", "gmq/nb"),
        ("ja-JP", "jpx/ja"),
        ("en-AU", "gmw/en"),
        ("en-gb-scotland", "gmw/en-GB-scotland"),
    ],
)
def test_a_voice_is_asked_for_by_any_tag_of_its_language(engine, wanted, file):
    assert engine.resolve_voice(wanted) == file


@pytest.mark.parametrize(
    ("wanted", "told"), [("xx", "unknown voice 'xx'"), ("en-uss", "there are en-us,"), ("en-us+ff", "there are f")]
)
def test_a_voice_that_there_is_not_is_refused_with_others(engine, wanted, told):
    with pytest.raises(WorkerRejected, match=told):
        engine.resolve_voice(wanted)


def _places(marks: list[tuple[int, int]]) -> list[float]:
    """Where each word begins between the first and the last one: 0 to 1."""
    return [at / marks[-1][1] for _, at in marks]
