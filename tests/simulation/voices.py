"""A caller's synthesiser: the fake of the session's tests, told by the plan how to fail.

Its sound tells whose it is: every sample of a word has a value that the word alone decides, and spaces are silence.
"""

from zlib import crc32

from tests.fakes.synthesizer import FakeSynthesizer
from tests.simulation.plan import VoicePlan
from voicetrio.core.errors import WorkerBusy, WorkerError, WorkerRejected, WorkerUnavailable

_REFUSALS: dict[str, type[WorkerError]] = {
    "busy": WorkerBusy,
    "away": WorkerUnavailable,
    "rejected": WorkerRejected,
}


def make_voice(plan: VoicePlan) -> FakeSynthesizer:
    return FakeSynthesizer(
        refuse=_REFUSALS[plan.refuse](plan.refuse) if plan.refuse else None,
        seconds_per_char=plan.seconds_per_char,
        fail_after_chars=plan.fail_after_chars,
        hang_after_chars=plan.hang_after_chars,
        crash_after_chars=plan.crash_after_chars,
        rate=plan.rate,
        marks_inside=True,
        sound_of=sound_of,
    )


def sound_of(text: str, at: int) -> int:
    """The value of the samples of the character there."""
    if text[at] == " ":
        return 0
    start = text.rfind(" ", 0, at) + 1
    return 1 + crc32(text[start:].split(" ", 1)[0].encode()) % 32_000
