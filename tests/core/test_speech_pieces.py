"""A reply is cut where a speaker would pause, early for the first piece, and however the stream is split."""
# ruff: noqa: RUF001 - the letters of other scripts are meant

import random
from unicodedata import category

import pytest

from voicetrio.core.sentence_marks import ends_sentence_alone
from voicetrio.core.speech_markup import SpeechMarkup
from voicetrio.core.speech_pieces import FIRST_MIN, PIECE_MAX, SpeechPieces


def cut(text, parts=None, **limits):
    pieces = SpeechPieces(**limits)
    out = [piece for part in parts or [text] for piece in pieces.push(part)]
    return out + pieces.finish()


def sentences(text):
    """The pieces after a first one, which is cut by other rules."""
    first, *rest = cut("Hi.\n" + text)
    assert first == "Hi."
    return rest


@pytest.mark.parametrize(
    "expected",
    [
        ["He did it, at last.", "Nobody knew why!", "Who could have known?", "Not me, but… well, no."],
        ["He had left him.", "“She knows (as ever.)”", '"But how come?"', "[It was nobody.]"],
        ['"Stop it now!" he said loudly.', "She did not.", "He asked (why?) and went."],
        ["Dr. Smith, Mrs. Jones vs. Prof. Lee etc. met on Jan. 5 and Mon. at 10:30 a.m. in St. Ives."],
        ["The U.S. Army, i.e. J. R. R. Tolkien and e.g. approx. 3 of No. 5 came by p.m. trains."],
        ["I said that: No.", "I really mean it."],
        ["It weighs 3.14 kg, costs 1,000 and runs 1.2.3 now.", "It was 1998.", "Then it was over."],
        ["Go to example.com or me@x.org, call foo.bar() and open a.txt.", "Then wait for it."],
        ["Well... I do think so... And you do not?!", "Certainly not."],
        ["1. First of all.", "2. Then 3. is next."],
        ["Er kommt z.B. am 3. Mai, d.h. bzw. usw. vgl. Nr. 5 u.a. nach Rom.", "Dort bleibt er."],
        ["M. Dupont et Mme. Sr. Lopez, p.ej. ahora, ¿vienen hoy?", "¡Claro que sí!"],
        ["Он любит чай, т.е. воду и т.д. и т.п."],
        ["क्या आप ठीक हैं।", "मैं ठीक हूँ।"],
        ["So it went on and on.", "Yes. That was all."],
    ],
)
def test_where_later_sentences_end(expected):
    assert sentences(" ".join(expected)) == expected


def test_wide_stops_need_no_space():
    expected = [
        "今天天气很好，我们去公园。",
        "「はい、そうです。」と言ったのです。",
        "好的。我们也去吧！",
        "「再见。」",
    ]
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes. It is so, as you said.", ["Yes.", "It is so, as you said."]),
        ("Sure, I can help with that, and more.", ["Sure, I can help with that,", "and more."]),
        ("Sure, of course, yes.", ["Sure, of course,", "yes."]),
        ("Well I would think — no.", ["Well I would think —", "no."]),
        ("On the other hand: no. Yes; it may be.", ["On the other hand:", "no. Yes; it may be."]),
        ("It costs 1,000,000 at 10:30 here.", ["It costs 1,000,000 at 10:30 here."]),
        ("今天天气很好，我们去。", ["今天天气很好，", "我们去。"]),
    ],
)
def test_the_first_piece_may_be_a_clause(text, expected):
    assert cut(text) == expected


def test_the_first_piece_is_out_before_its_sentence_ends():
    pieces = SpeechPieces()
    assert pieces.push("Sure, I can help with that,") == []
    assert pieces.push(" a") == ["Sure, I can help with that,"]
    assert pieces.held == 1
    with pytest.raises(AssertionError):
        SpeechPieces(first_min=0)


def test_who_asks_for_a_shorter_first_piece_gets_it():
    assert cut("Sure, I can.", first_min=5) == ["Sure,", "I can."]
    assert FIRST_MIN > 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Shopping\n- Milk\n- **Eggs**\n\n1. One\n2. Two", ["Shopping", "Milk", "Eggs", "1. One", "2. Two"]),
        ("| Name | Age |\n|---|---|\n| Ann | 7 |", ["Name, Age", "Ann, 7"]),
        ("See [the *docs*](http://a.b). Or https://www.x.org/y?z=1.", ["See the docs.", "Or x.org."]),
        ("Run this now:\n```\nrm\n```\nDone.", ["Run this now:", "Done."]),
        ("**Stop now.** *Or do not.* `a_b` is snake_case 😀.", ["Stop now.", "Or do not. a_b is snake_case."]),
    ],
)
def test_markup_is_not_spoken(text, expected):
    assert cut(text) == expected


@pytest.mark.parametrize("text", ["", " \n ", "...", "😀", "?! :)", "---\n***", "!" * 1000, "```\ncode"])
def test_what_nobody_can_say_is_no_piece(text):
    assert cut(text) == []


def test_mere_punctuation_joins_what_follows():
    assert cut("...\nThen :) so\n:) \n") == ["... Then :) so"]


def test_a_long_sentence_is_cut_at_a_clause_else_at_a_space_else_anywhere():
    assert sentences("word " * 30 + "end, " + "more " * 20) == [("word " * 30) + "end,", ("more " * 20).strip()]
    assert sentences("word " * 50) == [("word " * 40).strip(), ("word " * 10).strip()]
    assert sentences("a" * 450) == ["a" * 200, "a" * 200, "a" * 50]
    assert cut("e\u0301" * 30, piece_max=21) == ["e\u0301" * 10] * 3


def test_nothing_may_follow_the_end():
    pieces = SpeechPieces()
    pieces.finish()
    with pytest.raises(AssertionError):
        pieces.push("more")


@pytest.mark.parametrize(
    "expected",
    [
        ["यह पहला वाक्य है।", "यह दूसरा वाक्य है॥", "क्या तीसरा भी है?"],
        ["هذا سؤال طويل جدا؟", "نعم، هذا جواب طويل."],
        ["یہ پہلا جملہ ہے۔", "یہ دوسرا جملہ ہے۔"],
        ["ይህ የመጀመሪያው ነው።", "ሁለተኛው ደግሞ ይህ ነው፨"],
        ["Սա առաջին նախադասությունն է։", "Սա երկրորդն է։"],
        ["នេះជាប្រយោគទីមួយ។", "នេះជាប្រយោគទីពីរ៕"],
        ["Τι κάνεις σήμερα φίλε;", "Είμαι πολύ καλά, ευχαριστώ."],
        ["Is it so, I wonder‽", "It must be so⁈", "So it is."],
    ],
)
def test_sentences_end_with_the_marks_of_their_script(expected):
    assert sentences(" ".join(expected)) == expected


def test_scripts_without_spaces_need_none():
    expected = ["ဒါက ပထမစာကြောင်းပါ။", "ဒါက ဒုတိယစာကြောင်းပါ။"]
    assert sentences("".join(expected)) == expected


def test_every_mark_that_unicode_has_for_it_ends_a_sentence():
    marks = [c for c in map(chr, range(0x80, 0x20000)) if ends_sentence_alone(c) and category(c) != "Cn"]
    assert len(marks) > 100
    for mark in marks:
        assert sentences(f"One two three{mark}Four five six") == [f"One two three{mark}", "Four five six"], hex(
            ord(mark)
        )


PARTS = [
    *"abXYZ 19 .!?…,;:-—*_~`#[]()<>|\\\n\n \"'/=+&。，」hw\t\x07\u00ad\u0301\u200d\ud83d\ude00😀",
    *[
        "https://a.bc/x ",
        "**",
        "```",
        "~~~\n",
        "Dr. ",
        "<br>",
        "<a href='x'>",
        "](",
        "![",
        "word ",
        "one, two. ",
        "1. ",
        "&amp;",
        "&",
        ";",
        "<!--",
        "-->",
        "<pre>",
        "</pre>",
        "```py\n",
        "This is a sentence of it.\n",
        "<td>",
        "<img alt='a' ",
    ],
    *["| ", "\n- ", "क्", "好的。", "e.g. ", "Yes. "],
]


@pytest.mark.parametrize("first_seed", range(0, 400, 40))
def test_the_pieces_are_the_same_however_the_text_is_split(first_seed):
    for seed in range(first_seed, first_seed + 40):
        dice = random.Random(seed)
        text = "".join(dice.choices(PARTS, k=dice.randint(1, 300)))
        limits = {"piece_max": dice.choice([20, 60, PIECE_MAX])}
        whole = cut(text, **limits)
        assert cut(text, list(text), **limits) == whole, f"seed {seed}"
        places = sorted(dice.choices(range(len(text) + 1), k=dice.randint(0, 20)))
        split = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
        assert cut(text, split, **limits) == whole, f"seed {seed}"


def test_pieces_are_clean_lose_nothing_and_say_nothing_twice():
    for seed in range(300):
        dice = random.Random(seed)
        text = "".join(dice.choices(PARTS, k=300))
        markup = SpeechMarkup()
        plain = markup.push(text) + markup.finish()
        pieces = cut(text)
        for piece in pieces:
            assert piece == " ".join(piece.split()), f"seed {seed}"
            assert len(piece) <= PIECE_MAX, f"seed {seed}"
            assert any(map(str.isalnum, piece)), f"seed {seed}"
            assert not any(c < " " or "\ud800" <= c <= "\udfff" for c in piece), f"seed {seed}"
        assert list(filter(str.isalnum, "".join(pieces))) == list(filter(str.isalnum, plain)), f"seed {seed}"


@pytest.mark.parametrize(
    "unit", ["a", "a ", "a, ", "Dr. ", "!", "[", "<a ", "*", "`", "好", "e\u0301", "|-", "www.", "\ud83d"]
)
def test_what_is_held_is_bounded_whatever_comes(unit):
    pieces = SpeechPieces()
    most = 0
    for c in unit * (10_000 // len(unit)):
        pieces.push(c)
        most = max(most, pieces.held)
    assert most <= PIECE_MAX + 300 + 1000, "what may be hidden by HTML is longest"
    pieces.finish()
    assert pieces.held == 0
