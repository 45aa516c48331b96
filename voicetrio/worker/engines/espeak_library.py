"""The parts of libespeak-ng's C interface that we use, by ctypes. Decides nothing; `speak_lib.h` is its reference.

The library has one state for the whole process: calls must not overlap. ctypes gives up the GIL while it synthesises.
"""

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import espeakng_loader

from voicetrio.worker.errors import SetupError

BUFFER_MS = 60
"""Audio per callback: small for a quick first sound, large enough that crossing threads costs nothing beside it."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_POSITION_CHARACTER = 1
_PARAMETER_RATE = 1
_CHARS_UTF8 = 1
_END_PAUSE = 0x1000
_EVENT_LIST_END = 0
_EVENT_WORD = 1
_OK = 0


class _EventId(ctypes.Union):
    _fields_: ClassVar[Any] = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_: ClassVar[Any] = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


class _Voice(ctypes.Structure):
    _fields_: ClassVar[Any] = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class WordEvent:
    text_position: int
    """Of the word's first character in the text, 1-based, in code points."""
    length: int
    """In code points."""
    sample: int


@dataclass(frozen=True, slots=True)
class InstalledVoice:
    identifier: str
    """The voice file, such as "gmw/en-US": what the library is given."""
    languages: tuple[tuple[str, int], ...]
    """Tags with their priority, the smallest first choice; the first tag is the voice's own."""


class _Kept:
    """Keeps what is raised in its block, `Cancelled` too, to be raised again on the other side of the C code."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.error = error
        return True


class EspeakLibrary:
    def __init__(self) -> None:
        """Load and initialize; once per process.

        Raises:
            SetupError: the library or its data cannot be loaded.
        """
        data = Path(espeakng_loader.get_data_path())
        try:
            self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise SetupError(f"tts.engine: libespeak-ng cannot be loaded: {error}") from error
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        self._lib.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
            *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
        ]
        self.sample_rate: int = self._lib.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, str(data).encode(), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise SetupError("tts.engine: espeak-ng cannot read its data; reinstall the package espeakng-loader")
        self.variants = frozenset(path.name for path in (data / "voices" / "!v").iterdir())
        # Kept, since the library keeps a pointer to it.
        self._callback = _Callback(self._called)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._emit: Callable[[bytes, list[WordEvent]], None] | None = None
        self._failure = _Kept()

    def voices(self) -> Iterator[InstalledVoice]:
        listed = self._lib.espeak_ListVoices(None)
        index = 0
        while listed[index]:
            voice = listed[index].contents
            yield InstalledVoice(voice.identifier.decode(), tuple(_languages(voice.languages)))
            index += 1

    def synthesize(
        self, text: str, voice: str, rate: int, *, end_pause: bool, emit: Callable[[bytes, list[WordEvent]], None]
    ) -> bool:
        """Speak `text`, literally, at `rate` words per minute; `emit` gets 16-bit PCM and events as they are made.

        What `emit` raises stops the synthesis and is raised here. Returns False when the library failed.
        """
        if self._lib.espeak_SetVoiceByName(voice.encode()) != _OK:
            return False
        self._lib.espeak_SetParameter(_PARAMETER_RATE, rate, 0)
        # A C string ends at its first zero, and the positions after it should stay what they are.
        encoded = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        self._emit, self._failure = emit, _Kept()
        flags = _CHARS_UTF8 | (_END_PAUSE if end_pause else 0)
        status: int = self._lib.espeak_Synth(encoded, len(encoded), 0, _POSITION_CHARACTER, 0, flags, None, None)
        self._emit = None
        if (error := self._failure.error) is not None:
            raise error
        return status == _OK

    def _called(self, samples: int | None, count: int, events: "ctypes._Pointer[_Event]") -> int:
        """The library's callback: 0 goes on, 1 stops. An exception must not get out of here: C could not pass it on."""
        if self._failure.error is not None:
            return 1
        with self._failure:
            words = []
            index = 0
            while events[index].type != _EVENT_LIST_END:
                event = events[index]
                if event.type == _EVENT_WORD:
                    words.append(WordEvent(event.text_position, event.length, event.sample))
                index += 1
            pcm = ctypes.string_at(samples, 2 * count) if samples and count > 0 else b""
            assert self._emit is not None
            self._emit(pcm, words)
        return 0 if self._failure.error is None else 1


def _languages(address: int) -> Iterator[tuple[str, int]]:
    """A list in memory: a byte of priority, a tag that ends with a zero byte, and so on until a priority of zero."""
    while priority := ctypes.string_at(address, 1)[0]:
        tag = ctypes.string_at(address + 1)
        yield tag.decode(), priority
        address += len(tag) + 2
