"""Markup is not read aloud, wherever the stream is split."""
# ruff: noqa: RUF001 - the letters of other scripts are meant

import random
import re
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from voicetrio.core.speech_fence import LINE_MAX, TAIL_MAX
from voicetrio.core.speech_inline import HIDDEN_MAX, LINK_TEXT_MAX, TAG_MAX
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
    ("Sure: ```python\nprint(1)\n```\nThat prints.", "Sure:\nThat prints."),
    ("Sure: ```\nprint(1)\n\nx = 2``` That prints. ```y``` *too*", "Sure:\nThat prints. y too"),
    ("Use ``` or ```` here, x ```y``` z", "Use or here, x y z"),
    ("a\n```md\n```py\nx\n```\nmore\n```\nb", "a\nb"),
    ("a\n```py\nx = 1\n\nThis is what it does. Is that all?", "a\nThis is what it does. Is that all?"),
    (
        "a\n```\nThis is what it does.\n- One thing\n\nThat was it, I believe.",
        "a\nThis is what it does.\nOne thing\nThat was it, I believe.",
    ),
    (
        "a: ```py\nx(1).\n# This is a comment of it.\nThis *is* what it does. Is `x` all?",
        "a:\nThis is what it does. Is x all?",
    ),
    ("a\n```py\nx = 1\n\n就是这样，你还想知道什么吗？", "a\n就是这样，你还想知道什么吗？"),
    ('a\n```py\nprint("This is no sentence of ours.")\nreturn x', "a"),
    *((text, text) for text in ("3 * 4 * 5", "2*3*4", "a_b_c", "I <3 you", "x < y and y > z", "#1", "C#", "5.")),
    (
        "List<String> and <T>, type <name> here, a <- b -> c => d",
        "List<String> and <T>, type <name> here, a <- b -> c => d",
    ),
    ("AT&T, Q&A, R&D; &foo; & so", "AT&T, Q&A, R&D; &foo; & so"),
    ("a &amp; b &lt;3 c&nbsp;d &#39;e&#x27; &#128512; f &#0; `&lt;`", "a & b <3 c d 'e' f \ufffd &lt;"),
    ("&#42;&#42;so&#42;&#42; &lt;b&gt;", "**so** <b>"),
    ("a<script>if (1 < 2) {\n\n}</script>b<style>x{}</style>c<PRE><code>d\n</code></PRE>e", "abce"),
    ("a <!-- b\n\n# c --> d <?xml version='1'?><!DOCTYPE html>e", "a d e"),
    ("a<!-- b is not closed", "a b is not closed"),
    ("<details open><summary>A</summary>b</details> <input type=text disabled>c", "A\nb\nc"),
    ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th><th>d</th></tr></table>", "a, b\nc, d"),
    ("<a\n href='x'\n>b</a>\n# c\n<img src=x alt='A &lt; B'> H<sub>2</sub>O", "b\nc\nA < B H2O"),
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
    "opening", ["[", "![", "<a ", "*", "**", "`", "~~", "_", "[text](", "<b x=", "| ", "> ", "```x `"]
)
def test_markup_that_is_never_closed_holds_back_only_so_much(opening):
    markup = SpeechMarkup()
    said = markup.push(opening)
    for word in range(1000):
        said += markup.push(f"word{word} ")
        assert markup.held <= max(LINK_TEXT_MAX, TAG_MAX, HIDDEN_MAX) + 3
    said += markup.finish()
    assert "word2 " in said
    assert said.endswith("word999\n")


def test_code_is_dropped_as_it_comes():
    markup = SpeechMarkup()
    markup.push("```\n")
    for _ in range(1000):
        assert markup.push("code and ``` more\n\n- x") == ""
        assert markup.held < 50
    for _ in range(1000):
        assert markup.push("A sentence that is kept.\n" + "long " * 1000 + "\nAnother that is kept.\n") == ""
        assert markup.held <= LINE_MAX + TAIL_MAX + 1


def test_hostile_markup_never_holds_much_and_loses_no_letter_of_plain_words():
    signs = "*_~`#[]<>|\\-+=!()\"'.,: \n"
    for seed in range(200):
        dice = random.Random(seed)
        text = "".join(dice.choice(signs) for _ in range(500))
        markup = SpeechMarkup()
        for c in text:
            markup.push(c)
            assert markup.held <= TAG_MAX + LINK_TEXT_MAX + HIDDEN_MAX + LINE_MAX, seed
        markup.finish()
        assert markup.held == 0, seed


@pytest.mark.parametrize("opening", ["<!--", "<script>", "<pre>", "<svg x='y'>"])
def test_what_is_hidden_and_never_ends_does_not_swallow_the_rest(opening):
    assert plain(opening + " short and not closed").endswith("short and not closed")
    assert plain(opening + " word" * 5000 + " the end.").endswith(" the end.")


# -- beside a library that does all of CommonMark ------------------------------------------------------------------------

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon"]
INLINE = [
    "{}",
    "{}",
    "{}",
    "*{}*",
    "**{}**",
    "`{}`",
    "[{}](https://x.org/a_b)",
    "***{}***",
    "_{}_",
    r"\*{}",
    "{} &amp;",
    "a_{}_b",
]
BLOCKS = [
    "{}",
    "# {}",
    "- {}\n- {}",
    "1. {}\n2. {}",
    "> {}",
    "```py\n{}\n```",
    "~~~\n{}\n\n{}\n~~~",
    "---",
    "{}\n{}",
    "* {}\n  * {}",
]


def spoken_by_the_library(text: str) -> list[str]:
    """The words of all texts that CommonMark has in it; what is in blocks of code is not read aloud."""
    words: list[str] = []
    for token in MarkdownIt("commonmark").parse(text):
        words.extend(" " if child.type.endswith("break") else child.content for child in token.children or ())
        words.append(" ")
    return "".join(words).split()


@pytest.mark.parametrize("first_seed", range(0, 1000, 250))
def test_documents_are_read_as_commonmark_reads_them(first_seed):
    for seed in range(first_seed, first_seed + 250):
        dice = random.Random(seed)
        blocks = []
        for _ in range(dice.randint(1, 6)):
            block = dice.choice(BLOCKS)
            lines = [
                " ".join(dice.choice(INLINE).format(dice.choice(WORDS)) for _ in range(dice.randint(1, 6)))
                for _ in range(block.count("{}"))
            ]
            blocks.append(block.format(*lines))
        text = "\n\n".join(blocks)
        ours = [word for word in plain(text).split() if not re.fullmatch(r"\d\.", word)]
        assert ours == spoken_by_the_library(text), f"seed {seed}"
        cuts = sorted(dice.choices(range(len(text) + 1), k=8))
        assert plain(text, [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]) == plain(text), f"seed {seed}"
