import random

import pytest

from voicetrio.worker.text_pieces import PIECE_MAX, text_pieces


def cut(text: str, piece_max: int) -> list[str]:
    return [piece.text for piece in text_pieces(text, piece_max)]


def test_a_text_that_fits_is_not_cut():
    assert cut("One. Two. Three.", 20) == ["One. Two. Three."]
    assert cut("", 20) == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One sentence. Another one here.", ["One sentence. ", "Another one here."]),
        ('He said "no!" And then he left.', ['He said "no!" ', "And then he left."]),
        ("First this, and then that again", ["First this, ", "and then that again"]),
        ("only words without any marks", ["only words without ", "any marks"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        ("Ask Dr. Smith, he knows it all", ["Ask Dr. Smith, ", "he knows it all"]),
        ("Pi is 3.14159 and e is 2.71828", ["Pi is 3.14159 and e ", "is 2.71828"]),
        ("今日は晴れです。明日は雨が降るでしょうか。", ["今日は晴れです。", "明日は雨が降るでしょうか。"]),
    ],
)
def test_cuts_are_where_a_speaker_would_breathe(text, pieces):
    assert cut(text, 20) == pieces


def test_a_pause_follows_a_sentence_and_not_a_space():
    assert [piece.pause_after for piece in text_pieces("One sentence. Another one", 20)] == [True, True]
    assert [piece.pause_after for piece in text_pieces("only words without any marks", 20)] == [False, True]


def test_a_combining_mark_stays_with_its_letter():
    assert cut("a" * 19 + "e\u0301" + "b", 20) == ["a" * 19, "e\u0301b"]
    assert all(cut("\u0301" * 50, 20))


def test_pieces_are_the_text_whatever_it_is():
    dice = random.Random(3)
    for _ in range(300):
        text = "".join(dice.choices("ab .,!?\n\u0301😀—。'\"", k=dice.randrange(1200)))
        pieces = list(text_pieces(text))
        assert "".join(piece.text for piece in pieces) == text
        assert all(1 <= len(piece.text) <= PIECE_MAX for piece in pieces)
        assert all(text[piece.offset :].startswith(piece.text) for piece in pieces)


def test_sentences_end_with_the_marks_of_their_script():
    for text, end in (("यह पहला वाक्य है। ", "यह दूसरा"), ("ဒါက ပထမစာကြောင်းပါ။", "ဒါက"), ("هذا سؤال؟ ", "نعم هو")):
        first, *_ = text_pieces(text + end, len(text) + 2)
        assert first.text == text
        assert first.pause_after
