"""Words of pieces, their places, and hot words in made-up probabilities."""

from itertools import pairwise

import numpy as np
import pytest

from voicetrio.worker.engines.sherpa.biasing import Biasing
from voicetrio.worker.engines.sherpa.hot_words import HotWords, Speller, align
from voicetrio.worker.engines.sherpa.model_files import SherpaModel
from voicetrio.worker.engines.sherpa.probabilities import LogProbs
from voicetrio.worker.engines.sherpa.words import CtcWord, join_pieces, place_words

FRAME = 640
PIECES = (
    "<blank>",
    "<unk>",
    " se",
    " seven",
    "ven",
    "ty",
    " for",
    " four",
    " the",
    " new",
    "york",
    " york",
    " yo",
    "rk",
)
MODEL = SherpaModel("test", None, None, PIECES, 0, {"subsampling_factor": 4})  # type: ignore[arg-type]


def heard(*frames: dict[str, float]) -> LogProbs:
    """Each frame's likely pieces; the rest of its probability goes to the blank."""
    rows = np.full((len(frames), len(PIECES)), 1e-9, np.float32)
    for row, frame in zip(rows, frames, strict=True):
        for piece, probability in frame.items():
            row[PIECES.index(piece)] = probability
        row[0] = max(1e-9, 1 - sum(frame.values()))
    return np.log(rows)


def greedy(log_probs: LogProbs) -> list[CtcWord]:
    best = [0, *log_probs.argmax(axis=1).tolist()]
    said = [(PIECES[best[at + 1]], at) for at in range(len(log_probs)) if best[at + 1] not in (0, best[at])]
    return join_pieces(said, spaced=True)


def biased(log_probs: LogProbs, *texts: str, bonus: float = 1.5) -> list[CtcWord]:
    biasing = Biasing(MODEL, HotWords(Speller(PIECES), texts, blank=0, bonus=bonus))
    biasing.add(log_probs)
    words, settled = biasing.update(greedy(log_probs), ended=True)
    assert settled == len(words)
    return words


def texts(words: list[CtcWord]) -> list[str]:
    return [word.text for word in words]


QUIET: dict[str, float] = {}
SETY = heard(
    QUIET, {" se": 0.6, " seven": 0.3}, QUIET, {"ven": 0.1}, {"ty": 0.9}, QUIET, {" four": 0.8, " for": 0.1}, QUIET
)


def test_pieces_become_words_and_unwritable_ones_are_left_out():
    pieces = [(" se", 3), ("ven", 5), ("<unk>", 6), ("ty", 8), (" four", 12), (" <unk>", 14)]
    assert join_pieces(pieces, spaced=True) == [CtcWord("seventy", (3, 5, 8)), CtcWord("four", (12,))]
    assert texts(join_pieces([("ven", 1), (" ", 2), ("ty", 3)], spaced=True)) == ["ven", "ty"]
    assert texts(join_pieces([("开", 1), ("门", 2)], spaced=False)) == ["开", "门"]


def test_words_reach_a_little_further_than_their_pieces_and_not_over_each_other():
    words = [CtcWord("a", (10, 12)), CtcWord("b", (13,)), CtcWord("c", (40,))]
    placed = place_words(words, 1000, 1000 + 60 * FRAME, FRAME)
    assert [(word.start_sample, word.end_sample) for word in placed] == [
        (1000 + 10 * FRAME - 2560, 1000 + 13 * FRAME),
        (1000 + 13 * FRAME, 1000 + 13 * FRAME + 2560),
        (1000 + 40 * FRAME - 2560, 1000 + 40 * FRAME + 2560),
    ]


def test_words_that_are_said_after_the_end_are_before_it():
    words = [CtcWord("a", (0,)), CtcWord("b", (8,)), CtcWord("c", (9, 10))]
    placed = place_words(words, 500, 500 + 3 * FRAME, FRAME)
    assert texts(placed) == ["a", "b", "c"]
    assert placed[0].start_sample == 500
    assert placed[-1].end_sample == 500 + 3 * FRAME
    for one, other in pairwise(placed):
        assert one.start_sample < one.end_sample <= other.start_sample


def test_there_is_no_room_for_more_words_than_samples():
    assert len(place_words([CtcWord("a", (0,)), CtcWord("b", (1,)), CtcWord("c", (2,))], 0, 2, FRAME)) == 2


def test_a_hot_word_is_spelled_with_few_pieces_in_the_models_own_case():
    speller = Speller(PIECES)
    word = speller.hot_word("SEVENTY")
    assert word is not None
    assert word.words == ("seventy",)
    assert [[PIECES[piece] for piece in way] for way in word.spellings] == [[" seven", "ty"], [" se", "ven", "ty"]]
    assert speller.hot_word("new  York").words == ("new", "york")
    for unwritable in ("", " ", "quux", "unk", "<unk>", "se" + "ven" * 30, "the the the the"):
        assert speller.hot_word(unwritable) is None


def test_what_is_nearly_as_likely_gives_way_to_a_hot_word():
    assert texts(greedy(SETY)) == ["sety", "four"]
    assert texts(biased(SETY, "seventy")) == ["seventy", "four"]
    assert biased(SETY, "seventy")[0].frames == (1, 4)
    assert biased(SETY, "seventy")[0].confidence == pytest.approx((0.3 * 0.9) ** 0.5, rel=0.01)


def test_what_is_much_less_likely_does_not():
    assert texts(biased(SETY, "the", "york")) == ["sety", "four"]
    assert texts(biased(SETY, "for", bonus=1.5)) == ["sety", "four"]
    assert texts(biased(SETY, "for", bonus=2.5)) == ["sety", "for"]


def test_a_word_that_is_itself_hot_is_left_alone():
    assert texts(biased(SETY, "for", "four", bonus=9)) == ["sety", "four"]


def test_pieces_may_follow_each_other_without_a_blank():
    assert texts(biased(heard(QUIET, {" se": 0.6, " seven": 0.3}, {"ty": 0.9}, QUIET), "seventy")) == ["seventy"]


def test_a_phrase_that_was_heard_is_left_alone():
    rows = heard(QUIET, {" new": 0.6, " the": 0.3}, QUIET, {" york": 0.6, " four": 0.3}, QUIET)
    assert texts(biased(rows, "the", "four")) == ["the", "four"]
    assert texts(biased(rows, "the", "four", "new york")) == ["new", "york"]
    longer = heard(QUIET, {" the": 0.6, " seven": 0.38}, {"ty": 0.49}, QUIET, {" four": 0.9}, QUIET)
    assert texts(biased(longer, "seventy four")) == ["seventy", "four"]
    assert texts(biased(longer, "seventy four", "the four")) == ["the", "four"]


def test_a_spelling_in_more_pieces_earns_no_more():
    rows = heard(QUIET, {" se": 0.9}, QUIET, {"ven": 0.03}, {"ty": 0.9}, QUIET)
    assert texts(biased(rows, "seventy", bonus=1.5)) == ["sety"]
    assert texts(biased(rows, "seventy", bonus=2.0)) == ["seventy"]


def test_phrases_take_the_place_of_as_many_words_or_fewer():
    split = heard(QUIET, {" new": 0.9}, QUIET, {" yo": 0.6, " york": 0.3}, QUIET, {"rk": 0.6}, QUIET, {" the": 0.9})
    assert texts(biased(split, "new york")) == ["new", "york", "the"]
    joined = heard(QUIET, {" new": 0.9}, QUIET, {"york": 0.6, " york": 0.4}, QUIET, {" the": 0.9})
    assert texts(biased(joined)) == ["newyork", "the"]
    assert texts(biased(joined, "new york")) == ["new", "york", "the"]


def test_a_hot_word_swallows_no_word_beside_it():
    rows = heard({" four": 0.8}, QUIET, {" se": 0.6, " seven": 0.4}, QUIET, {"ty": 0.9}, QUIET)
    assert texts(biased(rows, "seventy")) == ["four", "seventy"]
    assert texts(biased(rows, "seventy", "four seventy four")) == ["four", "seventy"]


def test_how_frames_come_changes_nothing_and_settled_words_stay():
    rows = np.concatenate([SETY] * 6)
    whole = biased(rows, "seventy")
    assert texts(whole) == ["seventy", "four"] * 6
    for step in (1, 3, 7):
        biasing = Biasing(MODEL, HotWords(Speller(PIECES), ["seventy"], blank=0, bonus=1.5))
        kept: list[CtcWord] = []
        for end in range(step, len(rows) + step, step):
            biasing.add(rows[end - step : end])
            words, settled = biasing.update(greedy(rows[:end]), ended=end >= len(rows))
            assert words[: len(kept)] == kept
            kept = words[:settled]
        assert kept == whole


def test_only_frames_that_can_still_matter_are_kept():
    biasing = Biasing(MODEL, HotWords(Speller(PIECES), ["seventy"], blank=0, bonus=1.5))
    rows = np.concatenate([SETY] * 100)
    for end in range(8, len(rows) + 8, 8):
        biasing.add(rows[end - 8 : end])
        biasing.update(greedy(rows[:end]), ended=False)
        biasing.add(heard())
        assert len(biasing._kept) < 60
    for _ in range(100):
        biasing.add(heard(*[QUIET] * 8))
        biasing.update(greedy(rows), ended=False)
    assert len(biasing._kept) < 8 * 100 + 60


def test_equal_pieces_need_a_blank_between_them():
    rows = heard({"ty": 0.9}, {"ty": 0.9}, {"ty": 0.9})
    assert align([5, 5], rows, 0) == (0, 2)
    assert align([5], rows, 0) == (0,)
    assert HotWords(Speller(PIECES), ["sety"], blank=0, bonus=0.1).match(heard({" se": 0.9}), 1) is None
