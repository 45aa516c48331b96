"""How freely a client may write what it wants to be heard by, or spoken with."""

import pytest

from voicetrio.core.names import find_model

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
