import pytest

from voicetrio.core.prompt import PROMPT_CHARACTERS_MAX, PROMPT_TOKENS, next_prompt


def test_a_short_final_is_the_prompt_as_it_is():
    assert next_prompt("Open the door, please.") == "Open the door, please."
    assert next_prompt("") == ""


def test_of_a_long_final_the_last_224_words_are_left():
    text = " ".join(f"w{number}" for number in range(1000))
    assert next_prompt(text).split() == [f"w{number}" for number in range(1000 - 224, 1000)]
    assert PROMPT_TOKENS == 224


def test_white_space_of_any_kind_is_one_space():
    assert next_prompt(" one\n two\t three  ") == "one two three"


@pytest.mark.parametrize("length", [36, 37, 100, 4095, 4096, 8191])
def test_no_prompt_is_longer_than_a_worker_takes_and_no_word_is_cut(length):
    prompt = next_prompt(" ".join(["x" * length] * 300))
    assert len(prompt) <= PROMPT_CHARACTERS_MAX
    assert set(prompt.split()) == {"x" * length}


def test_only_a_word_that_is_too_long_by_itself_is_cut():
    assert next_prompt("早" * 10_000 + "晚") == "早" * 8191 + "晚"
