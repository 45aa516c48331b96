"""sherpa-onnx: streaming CTC models of WeNet's kind. See `engine`."""

from voicetrio.worker.engines.sherpa.engine import open_sherpa

__all__ = ["open_sherpa"]
