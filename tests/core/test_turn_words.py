"""An utterance is kept open only where English rules out that it is over."""

import pytest

from voicetrio.core.turn_words import DANGLING, LIKELY, MARKED, end_of_turn_probability

OPEN = """
    um | so um | uhhh | i want to book a | put it in the | and | i like it but | because | my name is | i'd
    like to | i want to | tell me about | a cup of | i'm going to | it's | What is | could you | Well, | I
    think - | I was... | I was… | i want to go from | i'd like a pizza with | but i | my phone number is | how
    about | take me to the um | Hello. I want to | i would like | as soon as | either you or
"""

COMPLETE = """
    turn it on | what for | i know what it is | yes | no | i'd love to | i don't want to | where are you from
    | who should i talk to | what are you listening to | come in | what's up | turn it off | it's over | i
    think so | i like that | mm-hmm | uh huh | uh-huh | just because | plan a | you can if you want to | who
    is it | i don't know why | my brother is | yes i am | let's | what is it made of | kind of | something to
    play with | i haven't seen him since | once in a while | take me to the er | what's that about | it is |
    there is | I am | as you like it | i don't have any | that's his | thank you | i know where my phone is |
    nothing but | what's the problem | 42 | whoever that is | good idea | is that all there is | i can | the
    one i told you about
"""


def table(text):
    return [" ".join(entry.split()) for entry in text.split("|")]


@pytest.mark.parametrize("text", table(OPEN))
def test_who_stops_here_has_not_finished(text):
    for language in ("", "en", "en-GB"):
        assert end_of_turn_probability(text, language) <= DANGLING
        assert end_of_turn_probability(text.upper(), language) <= DANGLING
        assert end_of_turn_probability(f' "{text}" ', language) <= DANGLING


@pytest.mark.parametrize("text", table(COMPLETE))
def test_who_stops_here_may_well_have_finished(text):
    assert end_of_turn_probability(text, "en") >= LIKELY
    assert end_of_turn_probability(text.upper(), "") >= LIKELY


@pytest.mark.parametrize("text", ["I want to.", "My name is?", "And!", '"The."', "", "   ", "?"])
def test_punctuation_decides_and_nothing_is_not_waited_for(text):
    assert end_of_turn_probability(text, "en") == MARKED


@pytest.mark.parametrize(
    "text", ["what is it made of", "What\u2019s your name? i want to go", "Who is it? it\u2019s over"]
)
def test_a_word_that_may_end_a_question_may_end_it_here(text):
    assert end_of_turn_probability(text, "en") == LIKELY


def test_only_the_last_sentence_says_what_its_preposition_belongs_to():
    assert end_of_turn_probability("Where are you? I come here with", "en") == DANGLING


@pytest.mark.parametrize("language", ["de", "fr-FR", "ru"])
def test_other_languages_are_not_judged(language):
    assert end_of_turn_probability("und the", language) == MARKED


def test_a_very_long_text_is_judged_by_its_end():
    assert end_of_turn_probability("word " * 100_000 + "and the", "en") < LIKELY
