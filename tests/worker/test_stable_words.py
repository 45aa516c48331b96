from voicetrio.core.hypothesis import Word
from voicetrio.worker.engines.stable_words import StableWords

RATE = 16_000


def words(text: str) -> list[Word]:
    """Words of 0.1 s each, one after the other."""
    return [Word(word, 1600 * place, 1600 * (place + 1)) for place, word in enumerate(text.split())]


def say(stability: StableWords, text: str, at_ms: int) -> tuple[str, int]:
    reported, stable = stability.update(words(text), at_ms * 16)
    return " ".join(word.text for word in reported), stable


def test_a_word_is_stable_when_it_stood_for_half_a_second_and_another_follows():
    stability = StableWords(RATE)
    assert say(stability, "she", 100) == ("she", 0)
    assert say(stability, "she said", 599) == ("she said", 0)
    assert say(stability, "she said", 600) == ("she said", 1)


def test_the_last_word_is_never_stable():
    stability = StableWords(RATE)
    say(stability, "yes", 0)
    assert say(stability, "yes", 60_000) == ("yes", 0)


def test_a_word_that_changes_waits_again_and_so_do_those_behind_it():
    stability = StableWords(RATE)
    say(stability, "a bee flew by", 0)
    say(stability, "a pea flew by", 400)
    assert say(stability, "a pea flew by", 500) == ("a pea flew by", 1)
    assert say(stability, "a pea flew by", 899) == ("a pea flew by", 1)
    assert say(stability, "a pea flew by", 900) == ("a pea flew by", 3)


def test_stable_words_stay_when_the_engine_changes_its_mind():
    stability = StableWords(RATE)
    say(stability, "she said that it", 0)
    assert say(stability, "she said that it", 500) == ("she said that it", 3)
    assert say(stability, "he sad cat is it", 600) == ("she said that is it", 3)
    assert say(stability, "", 700) == ("she said that", 3)
    assert say(stability, "she said that it was", 800) == ("she said that it was", 3)


def test_fewer_words_than_were_stable_are_filled_up():
    stability = StableWords(RATE)
    say(stability, "one two three four", 0)
    say(stability, "one two three four", 600)
    assert say(stability, "one two", 700) == ("one two three", 3)


def test_nothing_was_said_yet():
    assert say(StableWords(RATE), "", 1000) == ("", 0)
