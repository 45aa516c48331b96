"""Engines whose native code has faults: some audio, and some text, ends their process, stops it for good, or spins.

As a program it is the host of such an engine: python -m tests.fakes.fragile_engine hears|speaks, and what a host is told.
"""

import os
import signal
import sys
from collections.abc import Callable

from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker import engine_host, speaking_host
from voicetrio.worker.engines.contract import (
    HearingSetup,
    PieceRequest,
    SpeakingSetup,
    SpokenChunk,
    StreamOptions,
)
from voicetrio.worker.engines.instant import InstantHearing, InstantSpeaking, InstantStream
from voicetrio.worker.engines.registry import HEARING, SPEAKING, EngineEntry

POISON, STOPPER, SPINNER = (bytes([value, 0x7F]) * 100 for value in (1, 2, 3))
"""Audio that crashes the engine, stops it, or keeps it busy for ever."""
DEADLY, STOPPING = "crash", "stop"
"""Words of a text that do so."""

HEARS = EngineEntry(__name__, "open_fragile_hearing")
SPEAKS = EngineEntry(__name__, "open_fragile_speaking")


class FragileStream(InstantStream):
    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        if POISON in pcm:
            os.kill(os.getpid(), signal.SIGSEGV)
        if STOPPER in pcm:
            os.kill(os.getpid(), signal.SIGSTOP)
        while SPINNER in pcm:
            pass
        return super().accept(segment_id, start_sample, pcm)


class FragileHearing(InstantHearing):
    def open(self, options: StreamOptions) -> FragileStream:
        return FragileStream(partials=options.partials)


class FragileSpeaking(InstantSpeaking):
    """Fails in the middle of what it says."""

    def speak(self, request: PieceRequest, emit: Callable[[SpokenChunk], None]) -> None:
        def emit_until_it_fails(chunk: SpokenChunk) -> None:
            emit(chunk)
            said = chunk.marks[0].text_offset if chunk.marks else 0
            if request.text[said:].startswith(DEADLY):
                os.kill(os.getpid(), signal.SIGSEGV)
            if request.text[said:].startswith(STOPPING):
                os.kill(os.getpid(), signal.SIGSTOP)

        super().speak(request, emit_until_it_fails)


def open_fragile_hearing(setup: HearingSetup) -> FragileHearing:
    return FragileHearing()


def open_fragile_speaking(setup: SpeakingSetup) -> FragileSpeaking:
    return FragileSpeaking()


if __name__ == "__main__":
    HEARING["fragile"], SPEAKING["fragile"] = HEARS, SPEAKS
    host = engine_host if sys.argv[1] == "hears" else speaking_host
    sys.exit(host.main(*sys.argv[2:]))
