"""Loading piper's voices, and keeping a few of them loaded. `piper.PiperVoice` does the loading and runs the net.

Where the net says how long each phoneme is, words have times. Voices as they are downloaded do not say it: piper patches
them, in memory when the package `onnx` is installed, or for good with `python -m piper.patch_voice_with_alignment`.
"""

import importlib.util
import logging
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
from piper import PhonemeType, PiperVoice, SynthesisConfig
from piper.const import EOS

from voicetrio.worker.engines.contract import Device
from voicetrio.worker.engines.piper_files import VoiceFile
from voicetrio.worker.engines.piper_text import literal
from voicetrio.worker.errors import SetupError

CUDA = "CUDAExecutionProvider"
SILENCE = 1e-8
"""A peak below this is not made louder."""

# Piper writes what it is to say into its log: all of it when debugging, in some languages also what it stumbles over.
logging.getLogger("piper").setLevel(logging.CRITICAL + 1)


def uses_cuda(device: Device) -> bool:
    """Raises:
    SetupError: CUDA is asked for, and this onnxruntime has none.
    """
    has_cuda = CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise SetupError(
            'tts.device: "cuda" needs an onnxruntime with CUDA, which this one has not; install the package '
            'onnxruntime-gpu in its place, or set "auto" or "cpu"'
        )
    return has_cuda and device != "cpu"


class LoadedVoice:
    """One net. Calls must not overlap."""

    def __init__(self, file: VoiceFile, device: Device) -> None:
        """Load it and say one word with it, so that nothing is missing later. Takes about a second.

        Raises:
            SetupError: the files are not a voice that can be loaded here.
        """
        self.file = file
        self.has_alignments: bool
        """Whether the net says how long each phoneme is."""
        if file.config.phoneme_type is PhonemeType.PINYIN and not (file.model.parent / "g2pW/g2pw.onnx").is_file():
            # Piper would get it from a web server, unasked, in the middle of a conversation.
            raise SetupError(
                f"tts.voice: {file.name} is Chinese and needs the model g2pW, in the folder {file.model.parent / 'g2pW'}; "
                f"speak one word with `python -m piper`, which downloads it, and move it there"
            )
        use_cuda = uses_cuda(device)
        try:
            self._voice = PiperVoice.load(
                file.model,
                use_cuda=use_cuda,
                download_dir=file.model.parent,
                include_alignments=importlib.util.find_spec("onnx") is not None,
            )
            word = next(iter(self.phonemize("a")), [])
            self.has_alignments = self.synthesize(word, SynthesisConfig()).starts is not None
        except Exception as error:
            # onnxruntime's errors have no common ancestor, and some languages need packages of their own.
            raise SetupError(
                f"tts.voice: the voice {file.model} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        if device == "cuda" and CUDA not in self._voice.session.get_providers():
            raise SetupError(
                'tts.device: "cuda" is set, but onnxruntime cannot use it here: look for its message above, which '
                "names the library that is missing or the driver that is too old"
            )

    def phonemize(self, text: str) -> list[list[str]]:
        """The phonemes of each sentence. The text is taken as it is written: piper's mark for phonemes is not obeyed."""
        return self._voice.phonemize(literal(text))

    def synthesize(self, phonemes: list[str], how: SynthesisConfig) -> "Said":
        """One run of the net: cannot be stopped, and takes a few percent of the time that its audio lasts."""
        ids = self._voice.phonemes_to_ids(phonemes)
        result = self._voice.phoneme_ids_to_audio(ids, how, include_alignments=True)
        audio, lengths = result if isinstance(result, tuple) else (result, None)
        samples = np.atleast_1d(audio).astype(np.float32)
        # As piper does: nets are quiet, and each in its own way.
        peak = float(np.max(np.abs(samples), initial=0.0))
        if peak > SILENCE:
            samples /= peak
        samples = np.clip(samples * how.volume, -1.0, 1.0)
        if lengths is None or len(lengths) != len(ids):
            return Said(samples, None)
        none = len(self._voice.phonemes_to_ids([]))
        first = none - len(self.file.config.phoneme_id_map[EOS])
        each = [len(self._voice.phonemes_to_ids([phoneme])) - none for phoneme in phonemes]
        before = np.cumsum([first, *each])[:-1]
        return Said(samples, np.concatenate(([0], np.cumsum(lengths)))[before])


@dataclass(frozen=True, slots=True)
class Said:
    samples: npt.NDArray[np.float32]
    """Of shape (n,), -1.0 to 1.0, at the voice's rate."""
    starts: npt.NDArray[np.int64] | None
    """At which of the samples each phoneme begins, of shape (phonemes,); None: the net does not say it."""

    def start_of(self, phoneme: int) -> int:
        return 0 if self.starts is None else min(int(self.starts[phoneme]), len(self.samples))


class LoadedVoices:
    """The voices spoken with last, each once, however many speakers it has. The one unused for longest makes room."""

    def __init__(self, device: Device, loaded_max: int) -> None:
        self._device = device
        self._loaded_max = loaded_max
        self._loaded: OrderedDict[str, LoadedVoice] = OrderedDict()

    def get(self, file: VoiceFile) -> LoadedVoice:
        """Loads it if need be. Raises `SetupError` as `LoadedVoice` does; nothing has changed then."""
        voice = self._loaded.get(file.name)
        if voice is None:
            voice = LoadedVoice(file, self._device)
            self._loaded[file.name] = voice
            while len(self._loaded) > self._loaded_max:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(file.name)
        return voice
