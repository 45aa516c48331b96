"""Where sentences and words are in a text, with a phonemizer that is easy to follow: letters, digits as words."""

import re

import pytest

from voicetrio.worker.engines.piper_marks import sentences_of, words_of
from voicetrio.worker.engines.piper_text import literal

DIGITS = {"4": "for", "2": "tu"}


def phonemize(text: str) -> list[list[str]]:
    """Sentences end with a stop; "a" is said together with the next word; "42" is two words."""
    sentences = []
    for sentence in re.findall(r"[^.!?]+[.!?]*|[.!?]+", text):
        words = [
            " ".join(DIGITS[c] for c in word) if word.isdigit() else word
            for word in re.findall(r"\w+", sentence.lower())
        ]
        stop = sentence.strip()[-1:] if sentence.strip()[-1:] in ".!?" else ""
        sentences.append(list(re.sub(r"\ba ", "a", " ".join(words)) + stop))
    return [sentence for sentence in sentences if sentence]


def spoken(text: str) -> list[list[str]]:
    return [
        [text[word.offset : word.offset + word.length] for word in words_of(text, sentence, phonemize)]
        for sentence in sentences_of(text, phonemize)
    ]


def test_sentences_have_their_places():
    text = "  One here. Two!\n(Three?)  four"
    sentences = sentences_of(text, phonemize)
    assert [text[s.offset : s.end] for s in sentences] == ["One here.", "Two!", "(Three?)", "four"]


def test_punctuation_alone_is_no_sentence():
    assert sentences_of("...", phonemize) == []
    assert ["".join(s.phonemes) for s in sentences_of("Yes. ... No.", phonemize)] == ["yes.", "no."]


def test_words_that_are_several_or_parts_of_one():
    assert spoken("Give 42 to me. Wait a while - yes.") == [
        ["Give", "42", "to", "me."],
        ["Wait", "a", "yes."],
    ]


def test_a_mark_is_at_its_words_first_phoneme():
    text = "give 42 to"
    [sentence] = sentences_of(text, phonemize)
    assert ["".join(sentence.phonemes)[word.phoneme :] for word in words_of(text, sentence, phonemize)] == [
        "give for tu to",
        "for tu to",
        "to",
    ]


def test_a_sentence_whose_end_cannot_be_found_goes_on_to_the_end():
    def odd(text: str) -> list[list[str]]:
        # A sentence sounds different when there is something after it.
        return [[*sentence, str(len(text))] for sentence in phonemize(text)]

    sentences = sentences_of("one. two.", odd)
    assert [(s.offset, s.end) for s in sentences] == [(0, 9), (None, 9)]
    assert words_of("one. two.", sentences[1], odd) == []


def test_no_words_where_text_and_phonemes_do_not_agree():
    text = "one two"
    [sentence] = sentences_of(text, phonemize)
    assert words_of(text, sentence, phonemize)
    assert words_of(text, sentence, lambda part: [list(part.replace(" ", ""))]) == []


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("Dr. Smith is J. S. Bach.", "Dr  Smith is J  S  Bach."),
        ("No. 5, and no. Then so am I. Then", "No  5, and no. Then so am I. Then"),
        ("[[x]] [[[x", " [x]]   [x"),
        ("a\0b\udc00c", "a b c"),
        ("He is the best. Paul", "He is the best. Paul"),
    ],
)
def test_what_is_given_to_piper_has_the_texts_length(text, given):
    assert literal(text) == given
    assert len(given) == len(text)
