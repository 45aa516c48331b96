"""What is said about model files before the library sees them: it would end the process."""

import shutil
from pathlib import Path

import pytest

from voicetrio.worker.engines.contract import HearingSetup
from voicetrio.worker.engines.sherpa import open_sherpa
from voicetrio.worker.engines.sherpa.model_files import find_model
from voicetrio.worker.engines.sherpa.onnx_metadata import read_onnx_metadata
from voicetrio.worker.errors import SetupError

MODEL = Path(__file__).parents[1] / "models" / "tiny-wenet-ctc"


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(MODEL, tmp_path / "model"))


def fault(folder: Path | str, compute_type: str = "auto") -> str:
    with pytest.raises(SetupError) as caught:
        find_model(str(folder), compute_type)
    return str(caught.value)


def change_tokens(folder: Path, old: str, new: str) -> None:
    tokens = folder / "tokens.txt"
    text = tokens.read_text(encoding="utf-8")
    assert old in text
    tokens.write_text(text.replace(old, new, 1), encoding="utf-8")


def varint(value: int) -> bytes:
    more = []
    while value > 0x7F:
        more.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*more, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx(notes: dict[str, str]) -> bytes:
    """A file with a version, a graph that nobody looks into, and notes."""
    pairs = (field(1, key.encode()) + field(2, value.encode()) for key, value in notes.items())
    return b"\x08\x08" + field(7, bytes(300_000)) + b"".join(field(14, pair) for pair in pairs)


def test_the_model_says_what_it_is():
    model = find_model(str(MODEL), "auto")
    assert (model.name, model.model.name, model.blank) == ("tiny-wenet-ctc", "model.onnx", 0)
    assert (len(model.pieces), model.pieces[32], model.pieces[2]) == (123, " a", "cel")
    assert model.frame_samples == 640


def test_no_model_comes_with_the_engine():
    assert "stt.model" in fault("")
    with pytest.raises(SetupError, match=r"set stt\.model to the folder"):
        open_sherpa(HearingSetup())


def test_what_is_missing_is_named(folder, tmp_path):
    assert "there is no folder" in fault(tmp_path / "nowhere")
    (folder / "tokens.txt").unlink()
    assert "tokens.txt" in fault(folder)
    (folder / "model.onnx").unlink()
    assert "*.onnx" in fault(folder)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 30, b"\x3a\xff\xff\xff\xff\x0f", b"\x3a", bytes(100)])
def test_what_is_no_onnx_file_is_named(folder, content):
    (folder / "model.onnx").write_bytes(content)
    assert "model.onnx: " in fault(folder)


def test_a_model_that_was_cut_off_is_named(folder):
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])
    assert "goes on after the end" in fault(folder)


def test_models_for_whole_recordings_are_passed_over(folder):
    notes = {"model_type": "wenet_ctc", "vocab_size": "123", "subsampling_factor": "4"}
    (folder / "a.onnx").write_bytes(onnx(notes))
    (folder / "b.onnx").write_bytes(onnx({**notes, "model_type": "zipformer2"}))
    assert find_model(str(folder), "auto").model.name == "model.onnx"
    (folder / "model.onnx").unlink()
    assert "a.onnx: its metadata lack head, num_blocks" in fault(folder)
    assert "b.onnx: its model_type is zipformer2" in fault(folder)


def test_the_compute_type_chooses_between_two_files(folder):
    assert "int8" in fault(folder, "int8")
    assert "stt.compute_type" in fault(folder, "float16")
    shutil.copy(folder / "model.onnx", folder / "model.int8.onnx")
    assert find_model(str(folder), "auto").model.name == "model.int8.onnx"
    assert find_model(str(folder), "int8").model.name == "model.int8.onnx"
    assert find_model(str(folder), "float32").model.name == "model.onnx"
    shutil.copy(folder / "model.onnx", folder / "other.onnx")
    assert "which one of model.onnx, other.onnx" in fault(folder, "float32")


def test_tokens_have_to_fit_the_model(folder):
    change_tokens(folder, "cel 2\n", "")
    assert "each id from 0 to 122" in fault(folder)
    change_tokens(folder, "chen 3\n", "chen x\n")
    assert "line 3 of" in fault(folder)


def test_tokens_without_a_blank_are_not_of_a_ctc_model(folder):
    change_tokens(folder, "<blank>", "<start>")
    assert "none of <blk>, <eps>, <blank>" in fault(folder)


def test_tokens_have_to_be_utf_8(folder):
    (folder / "tokens.txt").write_bytes(b"\xff\xfe 0\n")
    assert "UTF-8" in fault(folder)


def test_what_the_library_does_not_like_is_a_setup_error_too(folder):
    """The notes are right and the graph is not."""
    (folder / "model.onnx").write_bytes(onnx(read_onnx_metadata(MODEL / "model.onnx")))
    for score in (0.0, 1.5):
        with pytest.raises(SetupError, match=r"stt\.model: .* cannot load"):
            open_sherpa(HearingSetup(str(folder), options={"hot_words_score": score}))


def test_all_wrong_options_are_told_at_once():
    wrong = {"chunk_size": 0, "num_left_chunks": -1, "language": "English", "hot_words_score": -1}
    with pytest.raises(SetupError) as caught:
        open_sherpa(HearingSetup(str(MODEL), options=wrong))
    assert all(f"stt.options.{name}" in str(caught.value) for name in wrong)
    with pytest.raises(SetupError, match="beam: the engine 'sherpa-onnx' has no such option"):
        open_sherpa(HearingSetup(str(MODEL), options={"beam": 5}))
