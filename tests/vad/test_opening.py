"""From the setting to a detector, and what is said where it cannot be had."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec

import onnx
import pytest

from tests.fakes.telemetry import FakeTelemetry
from tests.vad.listening import RECORDINGS, answers, frames, recorded
from voicetrio.settings import ConfigError
from voicetrio.vad import silero_model
from voicetrio.vad.opening import open_detectors
from voicetrio.vad.silero_model import load_model, with_a_batch_axis
from voicetrio.vad.webrtc import WebRtcDetector


async def test_webrtc_needs_no_room():
    async with open_detectors("webrtc", FakeTelemetry()) as make_detector:
        assert isinstance(make_detector("low"), WebRtcDetector)


async def test_silero_comes_with_its_room():
    pcm = recorded(RECORDINGS[0])[:64_000]
    async with open_detectors("silero", FakeTelemetry()) as make_detector:
        detector = make_detector("high")
        assert [detector.is_speech(frame) for frame in frames(pcm)] == answers(pcm, sensitivity="high")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "faster_whisper"])
async def test_a_missing_package_is_told_with_the_setting_and_the_command(monkeypatch, package):
    monkeypatch.setattr(silero_model, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(ConfigError) as failure:
        async with open_detectors("silero", FakeTelemetry()):
            pytest.fail("entered")
    (fault,) = failure.value.faults
    assert fault.startswith("session.vad: ")
    assert package in fault
    assert "python -m pip install onnxruntime onnx faster-whisper" in fault
    assert "webrtc" in fault


def in_package(monkeypatch, folder) -> None:
    """faster-whisper is there."""
    spec = ModuleSpec("faster_whisper", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    real = importlib.util.find_spec
    monkeypatch.setattr(silero_model, "find_spec", lambda name: spec if name == "faster_whisper" else real(name))


def test_a_package_without_the_model_is_told(monkeypatch, tmp_path):
    in_package(monkeypatch, tmp_path)
    with pytest.raises(ConfigError, match=r"session\.vad: silero finds no silero_vad_v6\.onnx") as failure:
        load_model()
    assert str(tmp_path) not in str(failure.value)


def other_model() -> bytes:
    value = onnx.helper.make_tensor_value_info
    tensors = [value(name, onnx.TensorProto.FLOAT, [1]) for name in ("input", "output")]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["input"], ["output"])], "other", tensors[:1], tensors[1:]
    )
    return onnx.helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize("content", [b"", b"<html>", other_model()])
def test_a_model_that_is_another_one_is_told(monkeypatch, tmp_path, content):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "silero_vad_v6.onnx").write_bytes(content)
    in_package(monkeypatch, tmp_path)
    with pytest.raises(ConfigError, match=r"session\.vad: silero does not know this silero_vad_v6\.onnx"):
        load_model()


def test_the_library_that_brings_the_model_is_not_imported(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("faster_whisper", "ctranslate2")]:
        monkeypatch.delitem(sys.modules, name)
    load_model()
    assert "faster_whisper" not in sys.modules


def test_only_an_encoder_that_feeds_the_lstm_is_given_another_axis():
    with pytest.raises(ValueError, match="0 LSTMs"):
        with_a_batch_axis(other_model())
