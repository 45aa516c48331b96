"""What must be true of every run, whatever happened in it. Pure functions over the trace: they say what is broken.

A checker trusts the session in nothing that it can know otherwise: it reads the table of legal moves from the
specification, not from the code, and what was said from the caller's tape.
"""

from collections.abc import Callable, Iterator

from tests.simulation.checkers.arrivals import check_arrivals
from tests.simulation.checkers.barging import check_barging
from tests.simulation.checkers.bounds import check_bounds
from tests.simulation.checkers.conversation import check_conversation
from tests.simulation.checkers.delays import check_delays
from tests.simulation.checkers.dialogue import check_dialogue
from tests.simulation.checkers.engines import check_engines
from tests.simulation.checkers.fleet import check_fleet
from tests.simulation.checkers.hearing import check_hearing
from tests.simulation.checkers.listening import check_listening
from tests.simulation.checkers.loudspeaker import check_loudspeaker
from tests.simulation.checkers.memory import check_memory
from tests.simulation.checkers.patience import check_patience
from tests.simulation.checkers.pressure import check_pressure
from tests.simulation.checkers.replies import check_replies
from tests.simulation.checkers.states import check_states
from tests.simulation.checkers.story import Story
from tests.simulation.checkers.utterances import check_utterances
from tests.simulation.run import Run

Checker = Callable[[Story], Iterator[str]]

CHECKERS: tuple[Checker, ...] = (
    check_bounds,
    check_states,
    check_conversation,
    check_pressure,
    check_utterances,
    check_hearing,
    check_delays,
    check_replies,
    check_loudspeaker,
    check_arrivals,
    check_dialogue,
    check_memory,
    check_patience,
    check_listening,
    check_barging,
    check_fleet,
    check_engines,
)


def judge(run: Run) -> list[str]:
    """Every rule that was broken, with the caller and the checker; empty: none."""
    problems = [f"{run.plan.seed}: tasks are left:\n{run.tasks_left}"] if run.tasks_left else []
    for caller in run.callers:
        story = Story(run, caller)
        problems += [f"{caller.plan.name}: {check.__name__}: {text}" for check in CHECKERS for text in check(story)]
    return problems
