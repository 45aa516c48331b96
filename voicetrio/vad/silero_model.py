"""Silero's voice detector as a pure function of a window of audio and the state after the window before.

The model is the ONNX file that faster-whisper's package brings: a short-time Fourier transform and four convolutions
over a window, then one LSTM cell of 128 units. As it comes, its first axis is the time of one recording. Here that axis
becomes the sessions, one window of each: the convolutions do not mind, and the LSTM is told so by another order of
its input's axes. What comes out for a window does not depend on what it shares a batch with.

Source: Silero Team, "Silero VAD", github.com/snakers4/silero-vad (MIT), version 6.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicetrio.core.ring import SAMPLE_BYTES
from voicetrio.settings import ConfigError

WINDOW_SAMPLES = 512
"""32 ms at 16 kHz: the model was trained on windows of this length."""

CONTEXT_SAMPLES = 64
"""4 ms before each window that it sees once more."""

WINDOW_BYTES = (CONTEXT_SAMPLES + WINDOW_SAMPLES) * SAMPLE_BYTES

_MODEL = Path("assets", "silero_vad_v6.onnx")
_UNITS = 128
_STATES = ("h", "c", "hn", "cn")

_TIME_FIRST = [0, 2, 1]
"""How the encoder's output (window, unit, 1) becomes an LSTM's input (time, batch, unit) in the file ..."""
_SESSIONS_SECOND = [2, 0, 1]
"""... and here."""

State = npt.NDArray[np.float32]
"""Of the LSTM after a window: output and cell, shape (2, 128)."""

FIRST_STATE: State = np.zeros((2, _UNITS), np.float32)
FIRST_STATE.flags.writeable = False


class SileroModel:
    """One per process. `run` may be called from several threads at once."""

    def __init__(self, model: bytes) -> None:
        """`model` is what `with_a_batch_axis` has made."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a window takes 0.1 ms: handing it to other threads would take longer
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors: warnings about the graph are of no use to an operator
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, windows: Sequence[bytes], states: Sequence[State]) -> tuple[list[float], list[State]]:
        """The probability, 0 to 1, of speech in each window, and the states after them. Blocks for some 0.06 ms a window.

        Windows are 16-bit PCM at 16 kHz, `WINDOW_BYTES` with their context; at least one. `states` are left unchanged.
        """
        samples = np.frombuffer(b"".join(windows), np.int16).reshape(len(windows), -1)
        before = np.stack(states, axis=1)
        feeds = {"input": samples * np.float32(1 / 32_768), "h": before[:1], "c": before[1:]}
        voice, outputs, cells = self._session.run(("speech_probs", "hn", "cn"), feeds)
        # Copied: a view would keep the whole batch alive for as long as its slowest session.
        after = [np.concatenate((outputs[:, index], cells[:, index])) for index in range(len(windows))]
        return voice.tolist(), after


def load_model() -> SileroModel:
    """Imports what it needs and reads the file: blocks for about half a second.

    Raises:
        ConfigError: a package is missing, or the model is another one than this code knows.
    """
    missing = [name for name in ("faster_whisper", "onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise _unusable(f"needs packages that are not installed here ({', '.join(missing)})")
    spec = find_spec("faster_whisper")  # found, not imported: it would bring the whole of CTranslate2 into the gateway
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        try:
            model = Path(folder, _MODEL).read_bytes()
        except OSError:
            continue
        try:
            return SileroModel(with_a_batch_axis(model))
        except ImportError as error:
            raise _unusable(f"cannot import {error.name or 'one of its packages'}") from error
        except Exception as error:  # protobuf, onnx and onnxruntime each have their own
            raise _unusable(f"does not know this {_MODEL.name} of faster-whisper's ({type(error).__name__})") from error
    raise _unusable(f"finds no {_MODEL.name} in faster-whisper's package")


def _unusable(why: str) -> ConfigError:
    return ConfigError(
        [
            f"session.vad: silero {why}: run `python -m pip install onnxruntime onnx faster-whisper`, "
            "or set session.vad to webrtc"
        ]
    )


def with_a_batch_axis(model: bytes) -> bytes:
    """The same model, with windows of different sessions on the axis that had those of one recording.

    Raises: ValueError, where it is not built as expected; onnx's own errors for what is no model.
    """
    import onnx

    loaded = onnx.load_from_string(model)
    graph = loaded.graph
    lstms = [node for node in graph.node if node.op_type == "LSTM"]
    if len(lstms) != 1:
        raise ValueError(f"{len(lstms)} LSTMs, not one")
    makers = {output: node for node in graph.node for output in node.output}
    order = makers[lstms[0].input[0]]
    if order.op_type != "Transpose" or list(order.attribute[0].ints) != _TIME_FIRST:
        raise ValueError("the LSTM's input is not the encoder's output")
    order.attribute[0].ints[:] = _SESSIONS_SECOND
    for value in (*graph.input, *graph.output):
        if value.name in _STATES:
            value.type.tensor_type.shape.dim[1].dim_param = "sessions"
    return loaded.SerializeToString()
