"""What a model thinks is never said, wherever the pieces of its answer are cut."""

import random

import pytest

from voicetrio.agent.thinking import ThinkingFilter


def said(*pieces: str) -> str:
    thinking = ThinkingFilter()
    return "".join(thinking.feed(piece) for piece in pieces) + thinking.end()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a b</think>\n\nHello there.", "Hello there."),
        ("<think></think>Hello", "Hello"),
        ("Hello <think>hm</think> there", "Hello there"),
        ("Hello<think>hm</think> there", "Hello there"),
        ("<think>a</think> <think>b</think>\nHello", "Hello"),
        ("a < b <thin> <thinks> </thin>", "a < b <thin> <thinks> </thin>"),
        ("no end <think>of it", "no end "),
        ("half a tag <thi", "half a tag <thi"),
        ("half an end <think>a</thi", "half an end "),
        ("<think>a<think>b</think>c", "c"),
        ("</think>\n\nthe open one was in the prompt", "the open one was in the prompt"),
        ("<<think>a</think>b", "<b"),
        ("", ""),
        (" ", " "),
    ],
)
def test_thoughts_are_taken_out_wherever_the_text_is_cut(text, expected):
    assert said(text) == expected
    assert said(*text) == expected
    for seed in range(50):
        dice = random.Random(seed)
        cuts = sorted(dice.choices(range(len(text) + 1), k=3))
        pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert said(*pieces) == expected, f"seed {seed}"


def test_text_is_given_at_once_unless_it_may_become_a_tag():
    thinking = ThinkingFilter()
    assert [thinking.feed(piece) for piece in ("Hello", " <", "b", "<th", "ink>x", "</think>", " a")] == [
        "Hello",
        " ",
        "<b",
        "",
        "",
        "",
        " a",
    ]


def test_it_is_known_whether_there_was_a_thought():
    quiet, loud = ThinkingFilter(), ThinkingFilter()
    quiet.feed("a")
    loud.feed("<think>")
    assert (quiet.thought, loud.thought) == (False, True)
