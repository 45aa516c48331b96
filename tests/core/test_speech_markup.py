"""Markup is not read aloud, wherever the stream is split."""
# ruff: noqa: RUF001 - the letters of other scripts are meant

import random

import pytest

from voicetrio.core.speech_inline import LINK_TEXT_MAX, TAG_MAX
from voicetrio.core.speech_markup import SpeechMarkup


def plain(text, parts=None):
    markup = SpeechMarkup()
    said = "".join(map(markup.push, parts or [text])) + markup.finish()
    assert markup.held == 0
    return said.removesuffix("\n")


SPOKEN = [
    ("**bold**, *it*, _it_, __b__, ***both***, ~~no~~", "bold, it, it, b, both, no"),
    ("**Note:** go **now.** Then", "Note: go now. Then"),
    ("un*believ*able 这是**粗体**文字", "un*believ*able 这是粗体文字"),
    (
        "snake_case 2 * 3 2 ** 3 2*3 a*b a < b C# #5 ~5 I <3 it",
        "snake_case 2 * 3 2 ** 3 2*3 a*b a < b C# #5 ~5 I <3 it",
    ),
    ("`a*b`, ``__x__`` and `foo.bar()`", "a*b, __x__ and foo.bar()"),
    (r"\*not\* C:\x 1\. a", "*not* C:\\x 1. a"),
    ("# Head\n## Head ##\n#tag", "Head\nHead\n#tag"),
    ("> a\n> > b\n\n\nc", "a\nb\nc"),
    ("- a\n* b\n  + c\n• d\n1. e\n2) f\n- - g\n-5", "a\nb\nc\nd\n1. e\n2) f\ng\n-5"),
    ("- [ ] open\n- [x] done\n* **bold** item", "open\ndone\nbold item"),
    ('[text](https://a.b/c_(d) "title") end', "text end"),
    ("[**a** `b`](u)! ![alt](u) [![pic](u)](v).", "a b! alt pic."),
    ("array[0] [1] [^2] [sic] (so)", "array[0] [1] [sic] (so)"),
    ("[open and (round", "[open and (round"),
    ("See https://www.example.com/a_b?c=d. Then (http://x.org/a), www.y.de!", "See example.com. Then (x.org), y.de!"),
    ("**https://x.com/a**, <https://y.org/b> me@x.org https://", "x.com, y.org me@x.org https://"),
    ("请看https://example.com/a。然后", "请看example.com。然后"),
    ("a\n```py\nx = 1\n```\nb\n~~~\ny\n```\n~~~\nc", "a\nb\nc"),
    ("a\n```\nnever closed", "a"),
    ("```ls``` lists", "ls lists"),
    ("```" + "long " * 40 + "``` lists", "long " * 40 + "lists"),
    ("| A | B |\n|---|:-:|\n| 1. | **2** |", "A, B\n1. 2"),
    ("a | b\n--- | ---\n1 | 2", "a, b\n1, 2"),
    ("a\n---\n* * *\n___\nb\n===", "a\nb"),
    ('<b>x</b><br/>y <a href="q r">z</a><!-- no > --> w', "x\ny z w"),
    ("a<b and c>d, x <y, z", "a<b and c>d, x <y, z"),
    ("👍🏽 Hi👋you 😀. ❤️ A 👨‍👩‍👧! 1️⃣ 20 °C", "Hi you. A! 1 20 °C"),
    ("a\x07b\u00adc\u200bd\ufeff\te\u00a0f\r\ng", "abcd e f\ng"),
    ("می\u200cخواهم", "می\u200cخواهم"),
    ("a\ud83db \udc00c \ud842\udfb7", "ab c 𠮷"),
]


@pytest.mark.parametrize(("text", "spoken"), SPOKEN)
def test_what_is_read_aloud_of_markup(text, spoken):
    assert plain(text) == spoken


@pytest.mark.parametrize(("text", "spoken"), SPOKEN)
def test_markup_split_between_any_two_characters_is_the_same(text, spoken):
    assert plain(text, list(text)) == spoken
    for cut in range(len(text)):
        assert plain(text, [text[:cut], text[cut:]]) == spoken


@pytest.mark.parametrize(
    "opening", ["[", "![", "<a ", "*", "**", "`", "~~", "_", "[text](", "<!-- ", "| ", "> ", "```x `"]
)
def test_markup_that_is_never_closed_holds_back_only_so_much(opening):
    markup = SpeechMarkup()
    said = markup.push(opening)
    for word in range(1000):
        said += markup.push(f"word{word} ")
        assert markup.held <= max(LINK_TEXT_MAX, TAG_MAX) + 3
    said += markup.finish()
    assert "word2 " in said
    assert said.endswith("word999\n")


def test_code_is_dropped_as_it_comes():
    markup = SpeechMarkup()
    markup.push("```\n")
    for _ in range(1000):
        assert markup.push("code and ``` more\n\n- x") == ""
        assert markup.held == 0


def test_hostile_markup_never_holds_much_and_loses_no_letter_of_plain_words():
    signs = "*_~`#[]<>|\\-+=!()\"'.,: \n"
    for seed in range(200):
        dice = random.Random(seed)
        text = "".join(dice.choice(signs) for _ in range(500))
        markup = SpeechMarkup()
        for c in text:
            markup.push(c)
            assert markup.held <= TAG_MAX + LINK_TEXT_MAX, seed
        markup.finish()
        assert markup.held == 0, seed
