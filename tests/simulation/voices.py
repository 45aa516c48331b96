"""A caller's synthesiser: the fake of the session's tests, told by the plan how to fail."""

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
    )
