"""sherpa-onnx: streaming CTC models of WeNet's kind. See `engine`."""

from voicetrio.worker.engines.sherpa.engine import check_hearing, open_sherpa

__all__ = ["check_hearing", "open_sherpa"]
