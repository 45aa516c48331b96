"""What a recogniser says, as the rest of the house sees it. Positions are samples of the session's audio clock."""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["encoder-decoder", "ctc", "streaming"]
"""How an engine hears, and all that a session knows of it. Encoder-decoder: each partial is a new pass over the whole
segment, and a segment can have a prompt. The others' partials grow natively, and they take no prompt."""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_sample: int
    end_sample: int
    confidence: float | None = None
    """Probability, 0 to 1; None: the engine does not know."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    segment_id: int
    final: bool
    consumed_sample: int
    """Audio before this sample is covered by this hypothesis."""
    words: tuple[Word, ...]
    stable_words: int = 0
    """So many leading words will not be taken back by a later partial. All of them, in a final."""
    confidence: float | None = None
    language: str | None = None
    gated: tuple[str, ...] = ()
    """Why text that the model gave was thrown away as a hallucination, such as "no_speech"; one for each piece of text."""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def confidence_or_mean(self) -> float | None:
        """The engine's confidence in the whole, else the mean of its words', else None: it knows neither."""
        if self.confidence is not None:
            return self.confidence
        known = [word.confidence for word in self.words if word.confidence is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Working:
    """The worker is alive and busy with this segment, and has nothing to say yet."""

    segment_id: int


@dataclass(frozen=True, slots=True)
class Draining:
    """The worker is about to end: the next segment should go to another one."""

    remaining: float
    """Seconds until it cuts what is still open."""
