"""What the net thinks of every piece in every frame. sherpa-onnx keeps it to itself: its streaming CTC results have no
probabilities, and with hot words it ends the process ("only transducer models support contextual biasing"). So where
they are wanted the net is run a second time, over the features that the recogniser has made, in step with it.

The interface is WeNet's (wenet/bin/export_onnx_cpu.py, with the batch of the convolution's cache): features, offset,
required_cache_size, attn_cache, conv_cache and attn_mask in; log probabilities and the next two caches out.
"""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from voicetrio.worker.engines.sherpa.model_files import SherpaModel
from voicetrio.worker.errors import SetupError

LogProbs = NDArray[np.float32]
"""Shape (frames, pieces), natural logarithms."""

FEATURES = 80
"""Mel bands per frame of 10 ms."""
INPUTS, OUTPUTS = 6, 3


class CtcNet:
    """The net, for all streams of the process. Loads the weights a second time."""

    def __init__(self, model: SherpaModel, *, chunk_size: int, left_chunks: int, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors: warnings are about how a model was exported, and change nothing
        try:
            self._session = onnxruntime.InferenceSession(str(model.model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise SetupError(f"stt.model: onnxruntime cannot load {str(model.model)!r}: {error}") from error
        self._inputs = [each.name for each in self._session.get_inputs()]
        if len(self._inputs) != INPUTS or len(self._session.get_outputs()) < OUTPUTS:
            raise SetupError(f"stt.model: {str(model.model)!r} has not the inputs of a streaming WeNet CTC model")
        numbers = model.numbers
        self.chunk_size, self.left_chunks = chunk_size, left_chunks
        self.shift = chunk_size * numbers["subsampling_factor"]
        """Feature frames from one chunk to the next."""
        self.window = (chunk_size - 1) * numbers["subsampling_factor"] + numbers["right_context"] + 1
        """Feature frames that a chunk's outcome depends on."""
        cached = chunk_size * left_chunks
        heads, width = numbers["head"], numbers["output_size"]
        self.attention = np.zeros((numbers["num_blocks"], heads, cached, width // heads * 2), np.float32)
        self.convolution = np.zeros((numbers["num_blocks"], 1, width, numbers["cnn_module_kernel"] - 1), np.float32)

    def run(self, *values: NDArray[Any]) -> list[Any]:
        """The inputs in the order of WeNet's interface."""
        outputs: list[Any] = self._session.run(None, dict(zip(self._inputs, values, strict=True)))
        return outputs


class CtcProbabilities:
    """Of one segment, chunk by chunk."""

    def __init__(self, net: CtcNet) -> None:
        self._net = net
        self._chunks = 0
        self._attention, self._convolution = net.attention, net.convolution

    def advance(self, features_of: Any) -> LogProbs:
        """The next chunk's. `features_of` is a sherpa-onnx stream that is ready for this chunk, before it decodes it: asked
        for frames that it does not have it would end the process.
        """
        net = self._net
        features = np.array(features_of.get_frames(self._chunks * net.shift, net.window), np.float32)
        cached = net.chunk_size * net.left_chunks
        # Of the cache's places those at the end are filled: none at first, one chunk more with every chunk.
        filled = min(self._chunks, net.left_chunks) * net.chunk_size
        mask = np.ones((1, 1, cached + net.chunk_size), bool)
        mask[..., : cached - filled] = False
        # WeNet counts the empty cache as audio.
        offset = np.array([cached + self._chunks * net.chunk_size], np.int64)
        log_probs, self._attention, self._convolution = net.run(
            features.reshape(1, net.window, FEATURES),
            offset,
            np.array([cached], np.int64),
            self._attention,
            self._convolution,
            mask,
        )[:OUTPUTS]
        self._chunks += 1
        return np.asarray(log_probs[0], np.float32)
