"""The model, asked in batches. What it computes is CTranslate2's, and what surrounds that is faster-whisper's.

faster-whisper makes features and knows tokens. The batches are our own: its own give every item the same prompt, and take
whole recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from voicetrio.worker.engines.contract import HearingSetup
from voicetrio.worker.engines.whisper.loading import load

Float32Array = npt.NDArray[np.float32]

_PREPENDED, _APPENDED = "\"'\u201c\u00bf([{-", "\"'.\u3002,\uff0c!\uff01?\uff1f:\uff1a\u201d)]}\u3001"
"""Punctuation that belongs to the next word, and to the word before; as faster-whisper has it."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What the model wrote for one window."""

    tokens: tuple[int, ...]
    """Text and timestamps, without the prompt."""
    mean_log_probability: float
    """Of a token, the end included."""
    no_speech: float
    """Probability that nobody speaks in the window, as the model sees it."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word and its seconds from the start of the window."""

    text: str
    start: float
    end: float
    probability: float


class WhisperModel:
    """Calls take float32 arrays; features are (bands, frames of 10 ms), encodings (frames of 20 ms, width)."""

    def __init__(self, setup: HearingSetup, device_index: int = 0) -> None:
        """`device_index`: which of several GPUs, from 0 on.

        Raises:
            SetupError: the model is not there or cannot be loaded; it names the setting.
        """
        self._model, self.name = load(setup, device_index)
        self._hann = np.hanning(self._model.feature_extractor.n_fft + 1)[:-1].astype(np.float32)
        self._tokenizers: dict[str, Tokenizer] = {}
        self.multilingual: bool = self._model.model.is_multilingual
        self.languages: tuple[str, ...] = tuple(self._model.supported_languages)
        self.context_max: int = self._model.max_length // 2 - 1
        """Tokens of context at the most: half of what the decoder can hold, as OpenAI does it."""

    def features(self, samples: Float32Array) -> Float32Array:
        """Log-mel features of 16 kHz audio, (bands, frames); of 30 s at most."""
        whole: Float32Array = self._model.feature_extractor(samples)
        return whole[:, : len(samples) // 160]

    def mel_power(self, samples: Float32Array) -> Float32Array:
        """The power in each mel band of frames of 400 samples, 160 apart: the middle step of `features`."""
        extractor = self._model.feature_extractor
        spectrum = extractor.stft(
            samples, extractor.n_fft, extractor.hop_length, window=self._hann, center=False, return_complex=True
        )
        power: Float32Array = extractor.mel_filters @ (np.abs(spectrum.astype(np.complex64)) ** 2)
        return power

    def log_mel(self, power: Float32Array) -> Float32Array:
        """The last step of `features`: 0 to about 2, nothing more than 80 dB below the loudest."""
        logarithm = np.log10(np.maximum(power, np.float32(1e-10)))
        scaled: Float32Array = (np.maximum(logarithm, logarithm.max() - np.float32(8)) + np.float32(4)) / np.float32(4)
        return scaled

    def encode(self, features: Float32Array) -> Float32Array:
        """(batch, bands, frames) to (batch, frames / 2, width), in memory of the CPU, where batches can be divided."""
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(features), to_cpu=True)
        array: Float32Array = np.asarray(encoded)
        return array

    def detect_languages(self, encoded: Float32Array) -> list[str]:
        """The likeliest language of each item."""
        return [item[0][0][2:-2] for item in self._model.model.detect_language(_view(encoded))]

    def tokens(self, text: str) -> list[int]:
        """Of a text that stands before or between others."""
        tokens: list[int] = self._tokenizer(self.languages[0]).encode(" " + text.strip())
        return tokens

    def prompt(self, context: Sequence[int], language: str) -> list[int]:
        """What the decoder begins with."""
        tokenizer = self._tokenizer(language)
        return [*([tokenizer.sot_prev, *context] if context else ()), *tokenizer.sot_sequence]

    def generate(
        self, encoded: Float32Array, prompts: Sequence[list[int]], *, beam_size: int, temperature: float
    ) -> list[Generated]:
        """Prompts must be of one length. At a temperature above 0 it samples, so that no two calls need be alike."""
        how: dict[str, Any] = (
            {"beam_size": beam_size}
            if temperature == 0
            else {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": temperature}
        )
        results = self._model.model.generate(
            _view(encoded),
            list(prompts),
            max_length=self._model.max_length,
            return_scores=True,
            return_no_speech_prob=True,
            length_penalty=1.0,
            **how,
        )
        generated = []
        for result in results:
            tokens = tuple(result.sequences_ids[0])
            # The score is the sum over the length; the end token counts too.
            mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
            generated.append(Generated(tokens, mean, result.no_speech_prob))
        return generated

    def segments(self, tokens: Sequence[int]) -> list[tuple[float, float | None, list[int]]]:
        """Text between timestamps: start and end in seconds of the window, and text tokens. None: it was left open."""
        begin = self._tokenizer(self.languages[0]).timestamp_begin
        segments: list[tuple[float, float | None, list[int]]] = []
        start, text = 0.0, list[int]()
        for token in tokens:
            if token < begin:
                text.append(token)
                continue
            at = (token - begin) * self._model.time_precision
            if text:
                segments.append((start, max(start, at), text))
            start, text = at, []
        if text:
            segments.append((start, None, text))
        return segments

    def stops_at(self, tokens: Sequence[int]) -> float | None:
        """Where it stopped with two timestamps, in seconds: there is more to hear behind it. None: it heard all."""
        begin = self._tokenizer(self.languages[0]).timestamp_begin
        if len(tokens) < 2 or tokens[-1] < begin or tokens[-2] < begin:
            return None
        return float((tokens[-1] - begin) * self._model.time_precision)

    def text(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer(self.languages[0]).decode(list(tokens))
        return text.strip()

    def align(
        self, encoded: Float32Array, texts: Sequence[list[int]], language: str, frames: Sequence[int]
    ) -> list[list[TimedWord]]:
        """Words with their times, by the decoder's attention (dynamic time warping). `frames`: of 10 ms, of each item
        without its padding. A text without tokens has no words.
        """
        alignments = self._model.find_alignment(
            self._tokenizer(language), list(texts), _view(encoded), [max(1, count) for count in frames]
        )
        words = []
        for alignment in alignments:
            merge_punctuations(alignment, _PREPENDED, _APPENDED)
            words.append(
                [
                    TimedWord(
                        part["word"].strip(), float(part["start"]), float(part["end"]), float(part["probability"])
                    )
                    for part in alignment
                    if part["word"].strip()
                ]
            )
        return words

    def _tokenizer(self, language: str) -> Tokenizer:
        tokenizer = self._tokenizers.get(language)
        if tokenizer is None:
            tokenizer = Tokenizer(self._model.hf_tokenizer, self.multilingual, task="transcribe", language=language)
            self._tokenizers[language] = tokenizer
        return tokenizer


def _view(encoded: Float32Array) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(encoded))
