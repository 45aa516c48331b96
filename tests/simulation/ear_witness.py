"""How a caller reports what it has heard of an utterance: honestly, not at all, with lies, or until it loses interest."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from tests.simulation.dice import Dice

REPORT_INTERVAL = 0.2
"""Seconds between reports, as the protocol asks for."""


@dataclass(slots=True)
class _Sound:
    sample_rate: int
    begun_at: float
    samples: int = 0
    whole: bool = False
    """Whether all of it has come."""


class EarWitness:
    def __init__(self, manner: str, dice: Dice, tell: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        """`manner` is `none`, `honest`, `lying` or `stopping`."""
        self._manner = manner
        self._dice = dice
        self._tell = tell
        self._sounds: dict[str, _Sound] = {}
        self._playing = ""

    def hear(self, pcm: bytes) -> None:
        if self._playing in self._sounds:
            self._sounds[self._playing].samples += len(pcm) // 2

    def last_sound(self, request_id: str) -> None:
        if request_id in self._sounds:
            self._sounds[request_id].whole = True

    def forget(self, request_id: str) -> None:
        self._sounds.pop(request_id, None)

    def first_sound(self, request_id: str, sample_rate: int) -> None:
        self._sounds[request_id] = _Sound(sample_rate, trio.current_time())
        self._playing = request_id

    async def report(self, request_id: str) -> None:
        """Report about one utterance until it is over, or for as long as this witness does."""
        sound = self._sounds[request_id]
        if self._manner == "none":
            return
        for _ in range(200):  # 40 s: longer than any utterance here
            await trio.sleep(REPORT_INTERVAL)
            if request_id not in self._sounds:
                return
            await self._tell({"type": "playback.progress", **self._report(request_id, sound)})
            if self._manner == "stopping" and trio.current_time() - sound.begun_at > 0.5:
                return

    def _report(self, request_id: str, sound: _Sound) -> dict[str, object]:
        if self._manner == "lying":
            return {
                "request_id": self._dice.pick((request_id, request_id, "nobody")),
                "played_ms": self._dice.pick((0, 100, 10_000_000, self._dice.randrange(5000))),
            }
        played = min(sound.samples, int((trio.current_time() - sound.begun_at) * sound.sample_rate))
        return {"request_id": request_id, "played_ms": played * 1000 // sound.sample_rate}
