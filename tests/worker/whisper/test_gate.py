"""Which of Whisper's texts are thrown away."""

import pytest

from voicetrio.worker.engines.whisper.gate import Thresholds, compression_ratio, cut_repetition, find_fault

SENTENCE = "Please turn the light in the kitchen off before you leave the house."


def fault(text=SENTENCE, *, no_speech=0.01, log=-0.2, thresholds=None):
    return find_fault(thresholds or Thresholds(), text=text, no_speech=no_speech, mean_log_probability=log)


def test_a_plain_sentence_passes():
    assert fault() is None


def test_nothing_said_has_no_fault():
    assert fault("", no_speech=0.99, log=-9) is None


def test_improbable_text_is_a_guess():
    assert fault(log=-1.01) == "log_probability"
    assert fault(log=-0.99) is None


def test_improbable_text_where_nobody_speaks_is_no_speech():
    assert fault(log=-1.01, no_speech=0.61) == "no_speech"
    assert fault(log=-1.01, no_speech=0.59) == "log_probability"


def test_a_probable_text_is_kept_even_if_nobody_seems_to_speak():
    assert fault(log=-0.5, no_speech=0.99) is None


def test_a_text_that_repeats_itself_compresses_too_well():
    assert compression_ratio(SENTENCE) < 1.3
    assert fault("thank you for watching " * 12) == "compression"
    assert fault("thank you for watching " * 12, thresholds=Thresholds(compression=100)) is None


def test_the_ratio_of_nothing_is_zero():
    assert compression_ratio("") == 0


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("", 0),
        (SENTENCE, 13),
        ("no no no no", 4),
        ("my number is seven seven seven seven", 7),
        ("no " * 11, 11),
        ("no " * 12, 1),
        ("well " + "no " * 12 + "then", 2),
        ("I see. " * 6, 2),
        ("I see I see I see I see I see", 10),
        ("go on and then Thank you, thank you. THANK YOU thank you thank you thank you", 6),
        ("a b c d e f g h " * 3, 24),
        ("a b c d e f g h " * 4, 8),
        ("a b c d e f g h i " * 4, 36),
    ],
)
def test_loops_are_cut_after_their_first_time(words, kept):
    assert cut_repetition(words.split()) == kept
