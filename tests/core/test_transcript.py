"""What a client is told of a segment: words once confirmed stay."""

import random

import pytest

from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.core.transcript import Partial, SegmentTranscript


def hypothesis(text, *, stable, consumed=1_600, segment_id=3, final=False):
    words = tuple(Word(word, 0, 0) for word in text.split())
    return Hypothesis(segment_id, final=final, consumed_sample=consumed, words=words, stable_words=stable)


def advance(transcript, text, *, stable, interim=True, consumed=1_600):
    """(confirmed, tentative) of the news, or None."""
    news = transcript.advance(hypothesis(text, stable=stable, consumed=consumed), with_tentative=interim)
    return None if news is None else (news.confirmed, news.tentative)


def test_stable_words_are_confirmed_and_the_rest_is_tentative():
    transcript = SegmentTranscript(3)
    news = transcript.advance(hypothesis("open the tor", stable=2, consumed=8_000), with_tentative=True)
    assert news == Partial(3, "open the", "tor", 8_000)


def test_the_tail_stays_at_home_unless_it_is_asked_for():
    transcript = SegmentTranscript(3)
    assert advance(transcript, "open the", stable=0, interim=False) is None
    assert advance(transcript, "open the tor", stable=2, interim=False) == ("open the", "")


def test_nothing_is_told_twice():
    transcript = SegmentTranscript(3)
    assert advance(transcript, "open the tor", stable=2) == ("open the", "tor")
    assert advance(transcript, "open the tor", stable=2, consumed=9_999) is None
    assert advance(transcript, "open the door", stable=2) == ("open the", "door")
    assert advance(transcript, "open the door", stable=3) == ("open the door", "")
    assert advance(transcript, "open the door", stable=3) is None


def test_an_empty_hypothesis_is_no_news():
    assert advance(SegmentTranscript(3), "", stable=0) is None


def test_confirmed_words_stay_when_the_recogniser_calls_fewer_of_them_stable():
    transcript = SegmentTranscript(3)
    advance(transcript, "open the door", stable=2)
    assert advance(transcript, "open the door please", stable=1) == ("open the", "door please")
    assert advance(transcript, "open the door please", stable=3) == ("open the door", "please")


def test_a_replay_that_contradicts_what_was_confirmed_is_kept_back():
    transcript = SegmentTranscript(3)
    assert advance(transcript, "open the door", stable=2, interim=False) == ("open the", "")
    assert advance(transcript, "oh pen", stable=2, interim=False) is None
    assert advance(transcript, "oh pen the door", stable=4, interim=False) is None
    assert advance(transcript, "open the door now", stable=3, interim=False) == ("open the door", "")


def test_a_replay_that_has_not_got_so_far_yet_is_kept_back():
    transcript = SegmentTranscript(3)
    advance(transcript, "open the door", stable=3)
    assert advance(transcript, "open", stable=1) is None
    assert advance(transcript, "open the", stable=2) is None
    assert advance(transcript, "open the door now", stable=3) == ("open the door", "now")


def test_a_contradiction_takes_the_tail_back_but_no_confirmed_word():
    transcript = SegmentTranscript(3)
    assert advance(transcript, "open the tor", stable=2) == ("open the", "tor")
    assert advance(transcript, "oh pen the door", stable=4) == ("open the", "")


@pytest.mark.parametrize("seed", range(100))
def test_whatever_a_recogniser_says_the_confirmed_words_only_grow(seed):
    rng = random.Random(seed)
    transcript = SegmentTranscript(3)
    interim = rng.random() < 0.5
    told = []
    before = None
    for _ in range(100):
        words = [rng.choice("abc") if rng.random() < 0.1 else "a" for _ in range(rng.randint(0, 12))]
        stable = rng.randint(0, len(words))
        news = transcript.advance(hypothesis(" ".join(words), stable=stable), with_tentative=interim)
        if news is None:
            continue
        confirmed = news.confirmed.split()
        assert confirmed[: len(told)] == told
        assert news.tentative == "" or (interim and confirmed + news.tentative.split() == words)
        assert (news.confirmed, news.tentative) != before
        told, before = confirmed, (news.confirmed, news.tentative)


def test_a_final_or_another_segment_is_not_for_here():
    transcript = SegmentTranscript(3)
    with pytest.raises(AssertionError):
        transcript.advance(hypothesis("a", stable=1, final=True), with_tentative=True)
    with pytest.raises(AssertionError):
        transcript.advance(hypothesis("a", stable=1, segment_id=4), with_tentative=True)


def test_a_hypothesis_reads_as_its_words():
    assert hypothesis("open the door", stable=0).text == "open the door"
    assert hypothesis("", stable=0).text == ""


def confidence_of(*words: Word, of_all: float | None = None) -> float | None:
    return Hypothesis(1, True, 3, words, len(words), of_all).confidence_or_mean


def test_the_mean_confidence_is_of_the_words_that_have_one():
    assert confidence_of(Word("a", 0, 1, 0.5), Word("b", 1, 2, None), Word("c", 2, 3, 1.0)) == 0.75
    assert confidence_of(Word("a", 0, 1, 0.0), Word("b", 1, 2, 0.5)) == 0.25


def test_the_engines_own_confidence_in_the_whole_comes_first():
    assert confidence_of(Word("a", 0, 1, 0.5), of_all=0.0) == 0.0


def test_no_word_with_a_confidence_is_no_confidence():
    assert confidence_of() is None
    assert confidence_of(Word("a", 0, 1)) is None
