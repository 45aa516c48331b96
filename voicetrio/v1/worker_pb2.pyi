from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Description(_message.Message):
    __slots__ = ("stt", "tts", "draining")
    STT_FIELD_NUMBER: _ClassVar[int]
    TTS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    stt: SpeechToTextDescription
    tts: TextToSpeechDescription
    draining: bool
    def __init__(self, stt: _Optional[_Union[SpeechToTextDescription, _Mapping]] = ..., tts: _Optional[_Union[TextToSpeechDescription, _Mapping]] = ..., draining: _Optional[bool] = ...) -> None: ...

class SpeechToTextDescription(_message.Message):
    __slots__ = ("engine", "model", "architecture", "languages", "sample_rate_hz", "slots", "slots_in_use")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_IN_USE_FIELD_NUMBER: _ClassVar[int]
    engine: str
    model: str
    architecture: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    sample_rate_hz: int
    slots: int
    slots_in_use: int
    def __init__(self, engine: _Optional[str] = ..., model: _Optional[str] = ..., architecture: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ..., sample_rate_hz: _Optional[int] = ..., slots: _Optional[int] = ..., slots_in_use: _Optional[int] = ...) -> None: ...

class TextToSpeechDescription(_message.Message):
    __slots__ = ("engine", "voices", "default_voice", "sample_rate_hz", "word_marks", "slots", "slots_in_use")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    VOICES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VOICE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    WORD_MARKS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_IN_USE_FIELD_NUMBER: _ClassVar[int]
    engine: str
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    default_voice: str
    sample_rate_hz: int
    word_marks: bool
    slots: int
    slots_in_use: int
    def __init__(self, engine: _Optional[str] = ..., voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ..., default_voice: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ..., word_marks: _Optional[bool] = ..., slots: _Optional[int] = ..., slots_in_use: _Optional[int] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("name", "language", "languages")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ...) -> None: ...

class TranscribeRequest(_message.Message):
    __slots__ = ("config", "segment_start", "audio", "segment_end")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_START_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_END_FIELD_NUMBER: _ClassVar[int]
    config: StreamConfig
    segment_start: SegmentStart
    audio: AudioChunk
    segment_end: SegmentEnd
    def __init__(self, config: _Optional[_Union[StreamConfig, _Mapping]] = ..., segment_start: _Optional[_Union[SegmentStart, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., segment_end: _Optional[_Union[SegmentEnd, _Mapping]] = ...) -> None: ...

class StreamConfig(_message.Message):
    __slots__ = ("session_id", "language", "hot_words", "partials", "alone")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    HOT_WORDS_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    ALONE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    language: str
    hot_words: _containers.RepeatedScalarFieldContainer[str]
    partials: bool
    alone: bool
    def __init__(self, session_id: _Optional[str] = ..., language: _Optional[str] = ..., hot_words: _Optional[_Iterable[str]] = ..., partials: _Optional[bool] = ..., alone: _Optional[bool] = ...) -> None: ...

class SegmentStart(_message.Message):
    __slots__ = ("segment_id", "initial_prompt")
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    INITIAL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    segment_id: int
    initial_prompt: str
    def __init__(self, segment_id: _Optional[int] = ..., initial_prompt: _Optional[str] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("segment_id", "start_sample", "pcm")
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    PCM_FIELD_NUMBER: _ClassVar[int]
    segment_id: int
    start_sample: int
    pcm: bytes
    def __init__(self, segment_id: _Optional[int] = ..., start_sample: _Optional[int] = ..., pcm: _Optional[bytes] = ...) -> None: ...

class SegmentEnd(_message.Message):
    __slots__ = ("segment_id", "end_sample")
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    segment_id: int
    end_sample: int
    def __init__(self, segment_id: _Optional[int] = ..., end_sample: _Optional[int] = ...) -> None: ...

class TranscribeReply(_message.Message):
    __slots__ = ("opened", "hypothesis", "working", "draining")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESIS_FIELD_NUMBER: _ClassVar[int]
    WORKING_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    opened: StreamOpened
    hypothesis: Hypothesis
    working: Working
    draining: Draining
    def __init__(self, opened: _Optional[_Union[StreamOpened, _Mapping]] = ..., hypothesis: _Optional[_Union[Hypothesis, _Mapping]] = ..., working: _Optional[_Union[Working, _Mapping]] = ..., draining: _Optional[_Union[Draining, _Mapping]] = ...) -> None: ...

class StreamOpened(_message.Message):
    __slots__ = ("engine", "model", "architecture", "language", "sample_rate_hz")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    engine: str
    model: str
    architecture: str
    language: str
    sample_rate_hz: int
    def __init__(self, engine: _Optional[str] = ..., model: _Optional[str] = ..., architecture: _Optional[str] = ..., language: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ...) -> None: ...

class Working(_message.Message):
    __slots__ = ("segment_id",)
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    segment_id: int
    def __init__(self, segment_id: _Optional[int] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("remaining_ms",)
    REMAINING_MS_FIELD_NUMBER: _ClassVar[int]
    remaining_ms: int
    def __init__(self, remaining_ms: _Optional[int] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("segment_id", "final", "consumed_sample", "words", "stable_words", "confidence", "language", "gated")
    SEGMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    STABLE_WORDS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    GATED_FIELD_NUMBER: _ClassVar[int]
    segment_id: int
    final: bool
    consumed_sample: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    stable_words: int
    confidence: float
    language: str
    gated: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, segment_id: _Optional[int] = ..., final: _Optional[bool] = ..., consumed_sample: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., stable_words: _Optional[int] = ..., confidence: _Optional[float] = ..., language: _Optional[str] = ..., gated: _Optional[_Iterable[str]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start_sample", "end_sample", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_sample: int
    end_sample: int
    confidence: float
    def __init__(self, text: _Optional[str] = ..., start_sample: _Optional[int] = ..., end_sample: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class SynthesizeRequest(_message.Message):
    __slots__ = ("text", "voice", "speed")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    text: str
    voice: str
    speed: float
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[str] = ..., speed: _Optional[float] = ...) -> None: ...

class SynthesizeReply(_message.Message):
    __slots__ = ("start_sample", "pcm", "marks", "sample_rate_hz", "failed")
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    PCM_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    start_sample: int
    pcm: bytes
    marks: _containers.RepeatedCompositeFieldContainer[WordMark]
    sample_rate_hz: int
    failed: TextRange
    def __init__(self, start_sample: _Optional[int] = ..., pcm: _Optional[bytes] = ..., marks: _Optional[_Iterable[_Union[WordMark, _Mapping]]] = ..., sample_rate_hz: _Optional[int] = ..., failed: _Optional[_Union[TextRange, _Mapping]] = ...) -> None: ...

class TextRange(_message.Message):
    __slots__ = ("offset", "length")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    offset: int
    length: int
    def __init__(self, offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class WordMark(_message.Message):
    __slots__ = ("text_offset", "text_length", "start_sample")
    TEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    text_offset: int
    text_length: int
    start_sample: int
    def __init__(self, text_offset: _Optional[int] = ..., text_length: _Optional[int] = ..., start_sample: _Optional[int] = ...) -> None: ...
