"""Piper's voices as files: NAME.onnx, the net, with NAME.onnx.json, its settings, beside it. Nothing is loaded here.

A voice with several speakers has its own name, which is its first speaker, and one name for each: "NAME#SPEAKER".
Clients choose among these names; what they send is looked up, and never becomes a path.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from piper import PiperConfig

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.voices import KnownVoice, distance, near, normal
from voicetrio.worker.errors import SetupError

SUFFIX = ".onnx"
EXAMPLE = "en_US-lessac-medium"
SAMPLE_RATE_MIN, SAMPLE_RATE_MAX = 8_000, 48_000
"""Hertz: what can be resampled. Piper's own voices have 16000 or 22050."""
VOICES_MAX = 2000
"""Names in all: a worker tells them to whoever asks. The largest voice has 904 speakers."""


@dataclass(frozen=True, slots=True)
class VoiceFile:
    name: str
    """The file's name without its ending, such as "en_US-lessac-medium"."""
    model: Path
    config: PiperConfig
    language: str
    """BCP 47, such as "en-us"."""
    speakers: dict[str, int]
    """Numbers of speakers by name; empty where there is only one."""

    @property
    def names(self) -> Iterator[tuple[str, int | None]]:
        """All names of the voice, with the number of their speaker; None: the net has only one."""
        yield self.name, self.config.default_speaker_id if self.speakers else None
        for speaker, number in self.speakers.items():
            yield f"{self.name}#{speaker}", number


class VoiceCatalogue:
    """All voices and speakers by name."""

    def __init__(self, files: list[VoiceFile]) -> None:
        self.speakers = {name: (file, number) for file in files for name, number in file.names}
        """Each name's file, and the speaker's number in it; None: it has only one."""
        self._by_tag = {normal(name): name for name in self.speakers}

    def resolve(self, wanted: str, default: str = "") -> str:
        """A name, whatever its case, or a language; of several voices that speak it the default, or the first by name.

        Raises:
            WorkerRejected: there is none.
        """
        if wanted in self.speakers:
            return wanted
        name = self._by_tag.get(normal(wanted)) or self._voice_for(wanted, default)
        if name is None:
            raise WorkerRejected(f"unknown voice {wanted[:64]!r}; there are {near(wanted, list(self.speakers))}")
        return name

    def _voice_for(self, language: str, default: str) -> str | None:
        spoken = {file.language for file, _ in self.speakers.values()}
        distances = {tag: distance(language, KnownVoice(tag, (tag,))) for tag in spoken}
        ranked = [
            (far, name != default, name)
            for name, (file, _) in self.speakers.items()
            if (far := distances[file.language]) is not None
        ]
        return min(ranked)[2] if ranked else None


def find_voices(model: str, voice: str) -> tuple[VoiceCatalogue, str]:
    """The voices, and the name of the default one.

    `model` is a folder, of which every voice is taken. `voice` is a name, perhaps with "#SPEAKER", or a language, or the
    path of a file ending in .onnx, which need not be in the folder; empty: the first by name.

    Raises:
        SetupError: a file or a folder is missing or is not what it should be. It tells of all of them.
    """
    path, sharp, speaker = _path_of(voice)
    paths = sorted(_folder(model).glob(f"*{SUFFIX}")) if model else []
    if path is not None:
        if not path.is_file():
            raise SetupError(f"tts.voice: there is no file {path}; {_where_from(path.parent, path.stem)}")
        paths = [other for other in paths if other.stem != path.stem] + [path]
        voice = path.stem + sharp + speaker
    if not paths:
        raise SetupError(
            f"tts.model: there is no voice in {model}; {_where_from(Path(model), voice)}"
            if model
            else f"tts.model: piper comes without voices; give a folder of them. {_where_from(Path('FOLDER'), voice)}"
        )
    files: list[VoiceFile] = []
    faults: list[str] = []
    for each in sorted(paths, key=lambda each: each.stem):
        try:
            files.append(_read(each))
        except SetupError as error:
            faults.append(str(error))
    names = sum(1 + len(file.speakers) for file in files)
    if names > VOICES_MAX:
        faults.append(
            f"tts.model: the folder {model} has {names} voices and speakers; {VOICES_MAX} are the most: "
            "give a folder with only those that are wanted"
        )
    if faults:
        raise SetupError("\n".join(faults))
    catalogue = VoiceCatalogue(files)
    try:
        return catalogue, catalogue.resolve(voice or files[0].name)
    except WorkerRejected as error:
        folder = Path(model).expanduser() if model else files[0].model.parent
        file = folder / f"{voice.partition('#')[0]}{SUFFIX}"
        raise SetupError(
            f"tts.voice: {error}. There is no file {file}, with {file.name}.json beside it. {_where_from(folder, voice)}"
        ) from error


def _path_of(voice: str) -> tuple[Path | None, str, str]:
    """The path in `tts.voice`, if it is one, a "#" if there is one, and the speaker."""
    for path, sharp, speaker in ((voice, "", ""), voice.rpartition("#")):
        if path.endswith(SUFFIX):
            return Path(path).expanduser(), sharp, speaker
    return None, "", ""


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise SetupError(
            f"tts.model: there is no folder {model}; it has to be the folder of piper's voices. "
            f"{_where_from(folder, EXAMPLE)}"
        )
    return folder


def _where_from(folder: Path, voice: str) -> str:
    name = voice.partition("#")[0] or EXAMPLE
    return f"Voices come with: python -m piper.download_voices {name} --download-dir {folder}"


def _read(model: Path) -> VoiceFile:
    path = model.with_name(f"{model.name}.json")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        config = PiperConfig.from_dict(settings)
        language = settings.get("language", {}).get("code") or config.espeak_voice
        speakers = _speakers(config)
        usable = SAMPLE_RATE_MIN <= config.sample_rate <= SAMPLE_RATE_MAX and language[:2].isalpha()
    except FileNotFoundError as error:
        raise SetupError(f"tts.model: {model} needs its settings beside it: the file {path} is missing") from error
    except OSError as error:
        raise SetupError(f"tts.model: {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(
            f"tts.model: {path} has no settings of a piper voice: {type(error).__name__}: {error}"
        ) from error
    if not usable:
        raise SetupError(
            f"tts.model: {path} has no language, or a sample rate outside {SAMPLE_RATE_MIN} to {SAMPLE_RATE_MAX} Hz"
        )
    return VoiceFile(model.stem, model, config, language.replace("_", "-").lower(), speakers)


def _speakers(config: PiperConfig) -> dict[str, int]:
    if config.num_speakers <= 1:
        return {}
    named = dict(config.speaker_id_map) or {str(number): number for number in range(config.num_speakers)}
    numbers = [*named.values(), config.default_speaker_id]
    if not all(type(number) is int and 0 <= number < config.num_speakers for number in numbers):
        raise ValueError("there is a speaker's number that the voice does not have")
    return named
