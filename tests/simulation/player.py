"""A caller's loudspeaker: plays what came, in real time, and reports it honestly, not at all, with lies, or for a while.

It stops where it is at `playback.paused` (unless it is an old one that knows no such thing), goes on at
`playback.resumed`, and throws the rest away when an utterance has had its end. What it really played, and when, is kept
for the checkers, whatever it reports.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from tests.simulation.dice import Dice
from voicetrio.session.line import SpeechReceived

REPORT_INTERVAL = 0.2
"""Seconds between reports, as the protocol asks for."""

STOPS_AFTER = 0.5
"""Seconds after which somebody who stops reporting has done so."""

Note = Callable[[str, object], None]


@dataclass(slots=True)
class Sound:
    """One utterance, as it came out of the loudspeaker."""

    sample_rate: int
    begun_at: float
    pcm: bytearray = field(default_factory=bytearray)
    played: float = 0.0
    """Samples, up to `played_at`."""
    played_at: float = 0.0
    paused: bool = False
    over: bool = False
    looks: list[tuple[float, float]] = field(default_factory=list)
    """At these times, so many samples had been played; in between, at most in real time."""

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2

    def advance(self) -> None:
        """Play up to now."""
        now = trio.current_time()
        if not self.paused and not self.over:
            self.played = min(float(self.samples), self.played + (now - self.played_at) * self.sample_rate)
        self.played_at = now
        self.looks.append((now, self.played))

    def played_by(self, when: float) -> float:
        """Samples that can have been played by then."""
        before, least = self.begun_at, 0.0
        for at, played in self.looks:
            if at >= when:
                return min(played, least + max(0.0, when - before) * self.sample_rate)
            before, least = at, played
        return least if self.over else least + (when - before) * self.sample_rate


class Player:
    def __init__(
        self, manner: str, *, pauses: bool, dice: Dice, tell: Callable[[dict[str, object]], Awaitable[None]], note: Note
    ) -> None:
        """`manner` is `none`, `honest`, `lying` or `stopping`."""
        self._manner = manner
        self._pauses = pauses
        self._dice = dice
        self._tell = tell
        self._note = note
        self.sounds: dict[str, Sound] = {}
        self._current = ""

    @property
    def audible(self) -> float:
        """Seconds that were played of what is being played; 0: nothing is."""
        sound = self.sounds.get(self._current)
        if sound is None or sound.over or not sound.samples:
            return 0.0
        sound.advance()
        return sound.played / sound.sample_rate

    def received(self) -> SpeechReceived | None:
        """What it has of the last utterance whose sound it got."""
        for request_id, sound in reversed(self.sounds.items()):
            if sound.samples:
                return SpeechReceived(request_id, sound.samples)
        return SpeechReceived(self._current, 0) if self._current else None

    def go_on(self, request_id: str, start_sample: int) -> None:
        """After a return, the sound that comes is of this utterance, from there on."""
        self._current = request_id
        sound = self.sounds.get(request_id)
        have = -1 if sound is None else sound.samples
        self._note("resumed", (request_id, start_sample, have))

    def begin(self, request_id: str, sample_rate: int) -> bool:
        """An utterance is announced. False: it was before, over a connection that was lost."""
        self._current = request_id
        if request_id in self.sounds:
            return False
        now = trio.current_time()
        self.sounds[request_id] = Sound(sample_rate, now, played_at=now)
        return True

    def hear(self, pcm: bytes) -> None:
        sound = self.sounds.get(self._current)
        if sound is None or sound.over:
            self._note("stray_sound", (self._current, len(pcm)))
            return
        sound.advance()
        sound.pcm += pcm

    def pause(self, request_id: str) -> None:
        sound = self.sounds.get(request_id)
        if sound is not None:
            sound.advance()
            sound.paused = self._pauses
            self._note("player_paused", (request_id, int(sound.played)))

    def resume(self, request_id: str) -> None:
        sound = self.sounds.get(request_id)
        if sound is not None:
            sound.advance()
            sound.paused = False
            self._note("player_resumed", (request_id, int(sound.played)))

    def end(self, request_id: str) -> None:
        """It was interrupted, or is taken to have been heard: whatever is left of it is thrown away."""
        sound = self.sounds.get(request_id)
        if sound is not None and not sound.over:
            sound.advance()
            sound.over = True
            self._note("played", (request_id, int(sound.played), sound.samples))

    async def report(self, request_id: str) -> None:
        """Report about one utterance until it is over, or for as long as this player does."""
        sound = self.sounds[request_id]
        if self._manner == "none":
            return
        while True:
            await trio.sleep(REPORT_INTERVAL)
            if sound.over:
                return
            report = self._report(request_id, sound)
            self._note("reports", (report["request_id"], report["played_ms"]))
            await self._tell({"type": "playback.progress", **report})
            if self._manner == "stopping" and trio.current_time() - sound.begun_at > STOPS_AFTER:
                return

    def _report(self, request_id: str, sound: Sound) -> dict[str, object]:
        if self._manner == "lying":
            return {
                "request_id": self._dice.pick((request_id, request_id, "nobody")),
                "played_ms": self._dice.pick((0, 100, 10_000_000, self._dice.randrange(5000))),
            }
        sound.advance()
        return {"request_id": request_id, "played_ms": int(sound.played) * 1000 // sound.sample_rate}
