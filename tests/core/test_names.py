"""How freely a client may write what it wants to be heard by, or spoken with."""

import pytest

from voicetrio.core.names import find_model, knows_voice

KNOWN = ("faster-whisper small", "faster-whisper large-v3", "sherpa-onnx org/streaming zipformer", "pocketsphinx en-us")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("faster-whisper large-v3", "faster-whisper large-v3"),
        ("faster-whisper/large-v3", "faster-whisper large-v3"),
        ("faster-whisper", "faster-whisper small"),
        ("large-v3", "faster-whisper large-v3"),
        ("  Pocketsphinx EN-US ", "pocketsphinx en-us"),
        ("org/streaming zipformer", "sherpa-onnx org/streaming zipformer"),
        ("sherpa-onnx/org/streaming zipformer", "sherpa-onnx org/streaming zipformer"),
        ("large", None),
        ("whisper", None),
        ("faster-whisper en-us", None),
        ("", None),
    ],
)
def test_a_model_is_found_by_its_engine_by_its_name_or_by_both(wanted, found):
    assert find_model(wanted, KNOWN) == found


def test_an_engine_without_a_model_is_found_by_its_name_only():
    assert find_model("instant", ("instant", "other")) == "instant"
    assert find_model("", ("instant",)) is None


def test_what_could_be_an_engine_or_a_model_is_the_engine():
    assert find_model("tiny", ("whisper tiny", "tiny large")) == "tiny large"


def test_a_voice_is_known_by_its_name_with_a_variant_or_by_its_language():
    known = ("en-us", "de", "en_US-lessac-medium")
    assert all(knows_voice(voice, known) for voice in ("en-us", "EN-US+f3", "en", "de", "en_US-lessac-medium"))
    assert not any(knows_voice(voice, known) for voice in ("fr", "us", "en-gb"))
