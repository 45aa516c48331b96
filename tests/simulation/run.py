"""One run while it goes on, and all that checkers judge it by afterwards."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.plan import Plan
from tests.simulation.trace import Trace

if TYPE_CHECKING:
    from tests.simulation.caller import Caller
    from tests.simulation.door import Door
    from tests.simulation.fleet import Fleet


@dataclass
class Run:
    plan: Plan
    trace: Trace
    callers: list["Caller"] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Of the run as such: it hung, or a simulated part broke. There is nothing to judge then."""
    tasks_left: str = ""

    def __post_init__(self) -> None:
        self.door: Door
        self.fleet: Fleet
