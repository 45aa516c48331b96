"""Finding and checking a streaming WeNet CTC model in a folder. The library ends the whole process when it does not like
a file, so all that it would stumble over is looked at before it.

folder/
  *.onnx        the model, as exported for sherpa-onnx, with its numbers in its metadata; one with "int8" in its name has
                integer weights. Published folders hold models for whole recordings too, which are passed over.
  tokens.txt    a piece of text and its id per line. A piece that begins a word has U+2581 in front.
"""

from dataclasses import dataclass
from pathlib import Path

from voicetrio.worker.engines.sherpa.onnx_metadata import read_onnx_metadata
from voicetrio.worker.errors import SetupError

SAMPLE_RATE = 16_000
FEATURE_SAMPLES = 160
"""The nets hear 10 ms at a time."""
NUMBERS = (
    "head",
    "num_blocks",
    "output_size",
    "cnn_module_kernel",
    "right_context",
    "subsampling_factor",
    "vocab_size",
)
"""What a streaming model must say of itself. Models for whole recordings say only some of it."""
BLANKS = ("<blk>", "<eps>", "<blank>")
"""Names of the CTC blank, in the order in which the library looks for them."""
WORD_START = "\u2581"
COMPUTE_TYPES = ("auto", "int8", "float32")


@dataclass(frozen=True, slots=True)
class SherpaModel:
    name: str
    model: Path
    tokens: Path
    pieces: tuple[str, ...]
    """By id; a piece that begins a word begins with a space, as in the library's results."""
    blank: int
    numbers: dict[str, int]
    """The model's own, by the names in NUMBERS."""

    @property
    def frame_samples(self) -> int:
        """Audio samples per row of probabilities."""
        return FEATURE_SAMPLES * self.numbers["subsampling_factor"]


def find_model(model: str, compute_type: str) -> SherpaModel:
    """`compute_type` is "int8", "float32", or "auto": integer weights where there are some, since they are quicker.

    Raises:
        SetupError: the folder or a file in it is missing, or is not what it should be.
    """
    if compute_type not in COMPUTE_TYPES:
        raise SetupError(f"stt.compute_type: sherpa-onnx has {', '.join(COMPUTE_TYPES)}, not {compute_type!r}")
    if not model:
        raise SetupError(
            "stt.model: sherpa-onnx comes with no model; set stt.model to the folder of a streaming WeNet CTC model, "
            "with its *.onnx file and tokens.txt"
        )
    folder = Path(model)
    if not folder.is_dir():
        raise SetupError(f"stt.model: there is no folder {model!r}; give the folder of a streaming WeNet CTC model")
    path, numbers = _find_onnx(folder, compute_type)
    tokens = folder / "tokens.txt"
    pieces = _read_tokens(tokens, numbers["vocab_size"])
    blank = next((pieces.index(name) for name in BLANKS if name in pieces), None)
    if blank is None:
        raise SetupError(f"stt.model: none of {', '.join(BLANKS)} is in {str(tokens)!r}: it is not of a CTC model")
    return SherpaModel(folder.resolve().name, path, tokens, pieces, blank, numbers)


def _find_onnx(folder: Path, compute_type: str) -> tuple[Path, dict[str, int]]:
    found: dict[Path, dict[str, int]] = {}
    faults = []
    for path in sorted(folder.glob("*.onnx")):
        try:
            found[path] = _numbers(read_onnx_metadata(path))
        except (OSError, ValueError) as error:
            faults.append(f"{path.name}: {error}")
    if not found:
        raise SetupError(
            f"stt.model: no streaming WeNet CTC model (*.onnx) in {str(folder)!r}" + "".join(f"; {f}" for f in faults)
        )
    with_int8 = [path for path in found if "int8" in path.name]
    without = [path for path in found if path not in with_int8]
    chosen = {"auto": with_int8 or without, "int8": with_int8, "float32": without}[compute_type]
    if not chosen:
        names = ", ".join(path.name for path in found)
        raise SetupError(f"stt.compute_type: no model of the type {compute_type!r} in {str(folder)!r}, only {names}")
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        raise SetupError(f"stt.model: which one of {names} in {str(folder)!r} is meant? Leave only one there")
    return chosen[0], found[chosen[0]]


def _numbers(notes: dict[str, str]) -> dict[str, int]:
    """Raises `ValueError`, with what is missing."""
    if notes.get("model_type") != "wenet_ctc":
        raise ValueError(f"its model_type is {notes.get('model_type', 'not given')[:40]}, not wenet_ctc")
    missing = [name for name in NUMBERS if not notes.get(name, "").isdecimal()]
    if missing:
        raise ValueError(f"its metadata lack {', '.join(missing)}, which streaming models have")
    numbers = {name: int(notes[name]) for name in NUMBERS}
    if 0 in (numbers["subsampling_factor"], numbers["head"], numbers["vocab_size"]):
        raise ValueError("its metadata have a 0 where none can be")
    return numbers


def _read_tokens(path: Path, vocabulary: int) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise SetupError(f"stt.model: there is no file {str(path)!r}; it comes with the model") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"stt.model: cannot read {str(path)!r} as UTF-8: {error}") from error
    pieces: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) > 2 or not fields[-1].isdecimal():
            raise SetupError(f"stt.model: line {number} of {str(path)!r} must be a piece of text and its id")
        # The library takes an id alone for a space.
        piece = fields[0] if len(fields) == 2 else WORD_START
        pieces[int(fields[-1])] = " " + piece[1:] if piece.startswith(WORD_START) else piece
    if sorted(pieces) != list(range(vocabulary)):
        raise SetupError(
            f"stt.model: {str(path)!r} must have each id from 0 to {vocabulary - 1}, the model's vocab_size, once"
        )
    return tuple(pieces[piece_id] for piece_id in range(vocabulary))
