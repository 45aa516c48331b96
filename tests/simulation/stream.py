"""One stream to a simulated worker: it reads the words out of the audio, and answers as its worker's plan and dice say.

A stream has no task of its own: its answers lie in a heap by the time at which they are due, and `receive` waits.
"""

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from tests.simulation.dice import Dice
from tests.simulation.plan import WorkerPlan
from tests.simulation.tape import BYTES_PER_MS, Misaligned, Piece, pad_first, read_pieces
from tests.simulation.trace import Trace
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.core.hypothesis import Draining, Hypothesis, Word, Working

if TYPE_CHECKING:
    from tests.simulation.fleet import Worker

BELIEVED = 2.0
"""Seconds for which a worker says that an engine works which does nothing any more."""

WORKING_INTERVAL = 0.5
"""Seconds between signs of life, as the real worker gives them."""


@dataclass(frozen=True, slots=True)
class Poison:
    values: tuple[int, ...] = ()
    hangs: bool = False


@dataclass(slots=True)
class _Heard:
    """What came of one segment."""

    start: int
    stop: int
    pieces: list[Piece] = field(default_factory=list)
    messages: int = 0
    rest: bytes = b""
    """Audio that is not read yet: where a client's frames are cut anywhere, less than a millisecond, or a segment's
    beginning that does not yet tell where milliseconds begin."""
    aligned: bool = False


class Stream:
    def __init__(
        self,
        worker: "Worker",
        plan: WorkerPlan,
        dice: Dice,
        caller: str,
        trace: Trace,
        *,
        alone: bool,
        poison: Poison,
        cut: bool,
    ) -> None:
        """`poison`: what an engine dies of when it hears it here. `cut`: segments may begin within a millisecond."""
        self._worker = worker
        self._plan = plan
        self._dice = dice
        self._caller = caller
        self._trace = trace
        self._heard: dict[int, _Heard] = {}
        self._replies: list[tuple[float, int, Hypothesis | Working | Draining]] = []
        self._count = 0
        self._last_final_due = 0.0
        self._news = trio.Event()
        self._broken: WorkerUnavailable | None = None
        self._dying = False
        """Whether it has had something that its engine dies of."""
        self._poisoned_id = 0
        self.alone = alone
        self._poison = poison
        self._cut = cut
        self._owed: set[int] = set()
        self._delivered = 0

    @property
    def worker(self) -> str:
        return "simulated:1"

    @property
    def model(self) -> str:
        return "simulated"

    @property
    def architecture(self) -> str:
        return self._plan.architecture

    @property
    def owes(self) -> bool:
        """Whether a segment's end has come, and its final has not gone out."""
        return bool(self._owed)

    def wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def drain(self, seconds: float) -> None:
        self._reply(0.0, Draining(seconds))

    def cut(self) -> None:
        """The worker ends, and this stream is still there."""
        self._trace.note(self._caller, "cut by drain")
        self.break_off()

    def break_off(self, why: WorkerUnavailable | None = None) -> None:
        self._broken = why or WorkerUnavailable("the worker is gone")
        self.wake()

    def note_poisoned(self) -> None:
        """The engine has got to what it dies of."""
        self._trace.note(self._caller, "poisoned", self._poisoned_id)

    @property
    def busy(self) -> bool:
        """Whether there is audio of a segment that has not had its final."""
        return any(segment_id > self._delivered for segment_id in self._heard)

    def engine_hangs(self) -> None:
        """What it would have said it does not say; for a while, its worker believes that it works."""
        self._replies = [one for one in self._replies if isinstance(one[2], Draining)]
        heapq.heapify(self._replies)
        if self.busy:
            for number in range(1, int(BELIEVED / WORKING_INTERVAL) + 1):
                self._reply(number * WORKING_INTERVAL, Working(max(self._heard)))

    # -- the session's side -----------------------------------------------------------------------------------------

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        await self._take()
        self._trace.note(self._caller, "prompt", (segment_id, len(initial_prompt.split())))
        if initial_prompt and self._plan.architecture != "encoder-decoder":
            self._trace.note(self._caller, "anomaly", f"a prompt for a {self._plan.architecture} engine")

    async def send_audio(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        await self._take()
        heard = self._heard.setdefault(segment_id, _Heard(start_sample, start_sample))
        if start_sample != heard.stop:
            text = f"segment {segment_id}: audio at {start_sample} does not follow {heard.stop}"
            self._trace.note(self._caller, "anomaly", text)
        heard.stop = start_sample + len(pcm) // 2
        heard.messages += 1
        self._trace.note(self._caller, "audio", (segment_id, start_sample, heard.stop))
        self._read(heard, heard.rest + pcm)
        if self._dying:
            return
        if any(piece.first <= value < piece.stop for piece in heard.pieces for value in self._poison.values):
            self._dying = True
            self._poisoned_id = segment_id
            self._worker.poisoned(self, after=self._last_final_due, hangs=self._poison.hangs)
            await trio.lowlevel.checkpoint()
            return
        every = self._plan.partial_every
        if every and heard.messages % every == 0:
            self._reply(0.02, self._hypothesis(segment_id, heard, final=False))
        if self._dice.chance(self._plan.bogus):
            self._reply(self._dice.seconds(0, 0.5), self._bogus(segment_id, heard))

    def _read(self, heard: _Heard, pcm: bytes) -> None:
        if self._cut and not heard.aligned:
            padded = pad_first(pcm)
            heard.aligned, pcm = padded is not None, padded or pcm
        whole = len(pcm) - len(pcm) % BYTES_PER_MS if heard.aligned or not self._cut else 0
        heard.rest = pcm[whole:]
        try:
            read_pieces(pcm[:whole], heard.stop - len(pcm) // 2, heard.pieces)
        except Misaligned as error:
            self._trace.note(self._caller, "anomaly", str(error))

    async def end_segment(self, segment_id: int, end_sample: int) -> None:
        await self._take()
        heard = self._heard.setdefault(segment_id, _Heard(end_sample, end_sample))
        if end_sample != heard.stop:
            text = f"segment {segment_id}: ends at {end_sample}, its audio at {heard.stop}"
            self._trace.note(self._caller, "anomaly", text)
        delay = self._dice.seconds(*self._plan.final_delay)
        due = trio.current_time() + delay
        if not self._dice.chance(self._plan.disorder):
            due = self._last_final_due = max(due, self._last_final_due)
        delay = due - trio.current_time()
        if self._plan.working:
            for number in range(1, int(delay / WORKING_INTERVAL) + 1):
                self._reply(number * WORKING_INTERVAL, Working(segment_id))
        self._owed.add(segment_id)
        final = self._hypothesis(segment_id, heard, final=True)
        self._reply(delay, final)
        if self._dice.chance(self._plan.twice):
            self._reply(delay + self._dice.pick((0.0, self._dice.seconds(0, 5))), final)

    async def receive(self) -> Hypothesis | Working | Draining:
        await trio.lowlevel.checkpoint()
        while not self._broken:
            now = trio.current_time()
            due = self._replies[0][0] if self._replies else None
            if due is None or self._worker.silent:
                await self._news.wait()
            elif due > now:
                news = self._news
                with trio.move_on_at(due):
                    await news.wait()
            else:
                reply = heapq.heappop(self._replies)[2]
                if isinstance(reply, Hypothesis) and reply.final and reply.segment_id in self._heard:
                    self._delivered = reply.segment_id
                    self._owed.discard(reply.segment_id)
                return reply
        raise self._broken

    # -- the worker's side ------------------------------------------------------------------------------------------

    async def _take(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._worker.stuck and not self._broken:
            await self._news.wait()
        if self._broken:
            raise self._broken

    def _reply(self, delay: float, reply: Hypothesis | Working | Draining) -> None:
        if self._worker.engine_hung and isinstance(reply, Hypothesis):
            return
        self._count += 1
        heapq.heappush(self._replies, (trio.current_time() + delay, self._count, reply))
        self.wake()

    def _hypothesis(self, segment_id: int, heard: _Heard, *, final: bool) -> Hypothesis:
        words = tuple(Word(p.text, p.start_sample, p.end_sample, 0.9) for p in heard.pieces)
        stable = 0 if self._plan.architecture == "encoder-decoder" else max(0, len(words) - 1)
        return Hypothesis(segment_id, final, heard.stop, words, len(words) if final else stable, 0.9, "en")

    def _bogus(self, segment_id: int, heard: _Heard) -> Hypothesis:
        """About a segment that never was, or that has had its final; or a final before it was asked for."""
        if self._dice.chance(0.2):
            return self._hypothesis(segment_id, heard, final=True)
        words = (Word("bogus", heard.start, heard.stop, 0.1),)
        # A final that overtook another one was not taken, and its segment is still to be answered: no lies about that.
        answered = 0 if self._plan.disorder else self._delivered
        claimed = self._dice.pick((0, segment_id + 1000, answered))
        final = claimed != answered and self._dice.chance(0.7)
        return Hypothesis(claimed, final, heard.stop, words, 1, 0.1, "en")
