"""Words that two passes agree on stay, whatever the passes after them say."""

import random
from itertools import pairwise, takewhile

import pytest

from voicetrio.core.hypothesis import Word
from voicetrio.core.local_agreement import LocalAgreement
from voicetrio.core.word_overlap import count_told

WORD = 8_000
"""Samples of a word: half a second."""


def words(text, *, first=0, shift=0):
    """Words of half a second, one after the other, from the place `first` on; all times `shift` samples late."""
    return tuple(
        Word(word, max(0, place * WORD + shift), (place + 1) * WORD + shift)
        for place, word in enumerate(text.split(), start=first)
    )


def said(some):
    return " ".join(word.text for word in some)


def push(agreement, text, **where):
    """(confirmed, tentative) after this pass."""
    count = agreement.push(words(text, **where))
    assert count == len(agreement.confirmed)
    return said(agreement.confirmed), said(agreement.tentative)


def test_what_two_passes_in_a_row_agree_on_is_confirmed():
    agreement = LocalAgreement()
    assert push(agreement, "open") == ("", "open")
    assert push(agreement, "open the tor") == ("open", "the tor")
    assert push(agreement, "open the door for") == ("open the", "door for")
    assert push(agreement, "open the door for me") == ("open the door for", "me")


def test_a_word_after_one_that_changed_waits_with_it():
    agreement = LocalAgreement()
    push(agreement, "a bee flew by")
    assert push(agreement, "a pea flew by") == ("a", "pea flew by")
    assert push(agreement, "a bee flew by") == ("a", "bee flew by")
    assert push(agreement, "a bee flew by") == ("a bee flew by", "")


def test_passes_that_agree_have_to_be_in_a_row():
    agreement = LocalAgreement()
    for _ in range(3):
        assert push(agreement, "yes") == ("", "yes")
        assert push(agreement, "") == ("", "")


def test_more_passes_may_be_asked_for_and_one_confirms_at_once():
    agreement = LocalAgreement(3)
    push(agreement, "open the")
    assert push(agreement, "open the door") == ("", "open the door")
    assert push(agreement, "open the door") == ("open the", "door")
    assert push(LocalAgreement(1), "open the door") == ("open the door", "")
    with pytest.raises(AssertionError):
        LocalAgreement(0)


def test_capitals_and_punctuation_do_not_count_and_the_newest_text_is_kept():
    agreement = LocalAgreement()
    push(agreement, "hello World.")
    assert push(agreement, "“Hello, world, how") == ("“Hello, world,", "how")
    assert push(agreement, "hello? WORLD! How are") == ("“Hello, world, How", "are")


@pytest.mark.parametrize(
    ("one", "other"),
    [("C", "C++"), ("5", "50%"), ("5", "$5"), ("5", "5%"), ("dont", "don't"), ("—", "..."), ("कि", "क"), ("", "a")],
)
def test_what_belongs_to_a_word_tells_it_from_others(one, other):
    agreement = LocalAgreement()
    agreement.push([Word(one, 0, WORD)])
    assert agreement.push([Word(other, 0, WORD)]) == 0


def test_a_replay_is_shorter_at_first_and_takes_nothing_back_repeats_nothing_and_blocks_nothing():
    agreement = LocalAgreement()
    push(agreement, "we will see you")
    assert push(agreement, "we will see you soon") == ("we will see you", "soon")
    for text in ("", "we", "we willow", "we will sea"):
        assert push(agreement, text) == ("we will see you", "")
    assert push(agreement, "we will see you sooner") == ("we will see you", "sooner")
    assert push(agreement, "we will see you sooner or") == ("we will see you sooner", "or")


def test_a_replay_that_takes_a_word_for_longer_than_it_was_repeats_nothing():
    agreement = LocalAgreement()
    push(agreement, "we will")
    push(agreement, "we will")
    assert agreement.push([Word("We...", 0, 8 * WORD)]) == 2
    assert agreement.tentative == ()


def test_after_a_contradiction_it_goes_on_behind_the_last_confirmed_word():
    agreement = LocalAgreement()
    push(agreement, "I can see the")
    push(agreement, "I can see the")
    assert push(agreement, "eye can sea a boat") == ("I can see the", "boat")
    assert push(agreement, "eye can sea a boat now") == ("I can see the boat", "now")
    assert said(agreement.flush(words("eye can sea a coat now today"))) == "I can see the boat now today"


@pytest.mark.parametrize("shift", [-4_700, -3_000, 0, 3_000, 4_700])
def test_the_last_confirmed_word_is_found_again_though_its_time_moved(shift):
    agreement = LocalAgreement()
    push(agreement, "we all can see the boat")
    push(agreement, "we all can see the boat")
    # "We all" is one word by now, and everything else is where it was, or a little off.
    later = (Word("We'll", 0, 2 * WORD), *words("can see the boat again", first=2, shift=shift))
    agreement.push(later)
    assert said(agreement.tentative) == "again"
    assert said(agreement.flush(later)) == "we all can see the boat again"


QUICK = 3_000
"""Samples of a quick word, 0.19 s: two of them are closer than what counts as near."""


def quickly(text, *, shift=0):
    return [
        Word(word, max(0, place * QUICK + shift), (place + 1) * QUICK + shift)
        for place, word in enumerate(text.split())
    ]


def test_one_no_is_told_from_the_next_by_its_time():
    agreement = LocalAgreement()
    agreement.push(quickly("no no"))
    assert agreement.push(quickly("no no")) == 2
    assert agreement.push((Word("oh", 0, 0), *quickly("no no no no"))) == 2
    assert said(agreement.tentative) == "no no"
    assert agreement.push((Word("oh", 0, 0), *quickly("no no no no no"))) == 4


def test_one_no_is_told_from_the_next_by_its_neighbours_though_the_times_moved():
    agreement = LocalAgreement()
    agreement.push(quickly("say no"))
    assert agreement.push(quickly("say no")) == 2
    agreement.push((Word("oh", 0, 0), *quickly("say no no", shift=-2_000)))
    assert said(agreement.tentative) == "no"


def test_one_seven_is_told_from_the_next_by_what_was_heard_before_though_the_times_moved():
    agreement = LocalAgreement()
    for _ in range(2):
        push(agreement, "call seven")
    push(agreement, "tall seven seven", shift=-5_000)
    assert said(agreement.tentative) == "seven"


def test_the_last_confirmed_words_are_found_again_behind_many_quick_ones_though_three_of_them_changed():
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.push(quickly("a b c d e f g h i j k l m n o p"))
    agreement.push(quickly("a b c d e f g h i j k l m x y z now"))
    assert said(agreement.tentative) == "now"


def test_two_words_that_became_one_are_not_said_twice():
    agreement = LocalAgreement()
    push(agreement, "it rains every day")
    push(agreement, "it rains every day")
    last = (*words("it rains"), Word("everyday", 2 * WORD, 4 * WORD), *words("here", first=4))
    assert said(agreement.flush(last)) == "it rains every day here"


def test_the_final_is_the_last_pass_with_the_confirmed_texts_and_its_own_times():
    agreement = LocalAgreement()
    push(agreement, "Open the.")
    push(agreement, "Open the.")
    assert agreement.flush(words("open the door.", shift=100)) == words("Open the. door.", shift=100)
    assert said(agreement.confirmed) == "Open the."


def test_a_final_that_heard_less_loses_no_confirmed_word():
    agreement = LocalAgreement()
    push(agreement, "open the door")
    push(agreement, "open the door")
    for text in ("", "open", "oh pen", "open the tor"):
        assert agreement.flush(words(text)) == words("open the door")


def test_without_any_pass_before_it_the_final_is_as_it_came():
    assert LocalAgreement().flush(words("open the door")) == words("open the door")
    assert LocalAgreement().flush(()) == ()


def test_times_never_run_back_where_passes_meet():
    agreement = LocalAgreement()
    push(agreement, "one two")
    push(agreement, "one two", shift=900)
    push(agreement, "one two three")
    assert push(agreement, "one two three") == ("one two three", "")
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(agreement.confirmed))
    final = agreement.flush(words("won two tree four", shift=-500))
    assert said(final) == "one two three four"
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(final))


def dressed(rng, text):
    return rng.choice((text, text.capitalize(), text.upper(), f"{text},", f"{text}...", f"“{text}”"))


def jittered(rng, word, samples):
    start = max(0, word.start_sample + rng.randint(-samples, samples))
    return Word(word.text, start, max(start, word.end_sample + rng.randint(-samples, samples)))


@pytest.mark.parametrize("seed", range(200))
def test_passes_that_come_to_the_truth_give_the_truth(seed):
    rng = random.Random(seed)
    agreement = LocalAgreement(passes_needed := rng.randint(2, 4))
    vocabulary = [f"w{number}" for number in range(rng.choice((3, 50)))]
    truth = words(" ".join(rng.choice(vocabulary) for _ in range(rng.randint(1, 40))))
    told, heard, number, in_a_row = 0, 0, 0, 0
    while heard < len(truth) or in_a_row < passes_needed:
        number += 1
        if heard and rng.random() < 0.05:
            heard = rng.randint(0, heard)  # another worker starts the segment again
        heard = min(len(truth), heard + rng.randint(0, 3))
        wrong = rng.randint(0, min(heard, 4)) if rng.random() < 0.6 else 0
        in_a_row = 0 if wrong or heard < len(truth) else in_a_row + 1
        # What is misheard is misheard in another way each time; only the last few words are.
        heads = [jittered(rng, Word(dressed(rng, w.text), w.start_sample, w.end_sample), 3_000) for w in truth[:heard]]
        tail = [Word(f"{word.text}x{number}", word.start_sample, word.end_sample) for word in heads[heard - wrong :]]
        agreement.push(heads[: heard - wrong] + tail)
        known = [word.text.strip(",.“”").lower() for word in agreement.confirmed]
        assert known == [word.text for word in truth[: len(known)]]
        assert len(known) >= told
        told = len(known)
    assert told == len(truth)
    assert agreement.tentative == ()
    kept = [word.text for word in agreement.confirmed]
    final = agreement.flush(truth)
    assert [word.text for word in final] == kept
    assert [word.start_sample for word in final] == [word.start_sample for word in truth]


@pytest.mark.parametrize("seed", range(200))
def test_whatever_the_passes_say_confirmed_words_only_grow_and_the_final_begins_with_them(seed):
    rng = random.Random(seed)
    agreement = LocalAgreement(rng.randint(1, 3))
    kept = ()
    for _ in range(100):
        said_now = [rng.choice("ab") if rng.random() < 0.2 else "a" for _ in range(rng.randint(0, 12))]
        heard = sorted((jittered(rng, word, 9_000) for word in words(" ".join(said_now))), key=lambda w: w.end_sample)
        final = agreement.flush(heard)
        assert [word.text for word in final[: len(kept)]] == [word.text for word in kept]
        count = agreement.push(heard)
        assert agreement.confirmed[: len(kept)] == kept
        kept = agreement.confirmed
        assert count == len(kept)
        assert said((*kept, *agreement.tentative)) == said(final)
        assert all(word.start_sample <= word.end_sample for word in (*kept, *agreement.tentative))


@pytest.mark.parametrize("seed", range(200))
def test_words_that_are_told_apart_are_never_said_twice_or_lost_however_times_move(seed):
    rng = random.Random(seed)
    agreement = LocalAgreement()
    truth = words(" ".join(f"w{number}" for number in range(30)))
    for heard in range(1, 31):
        # Any word, confirmed or not, may be told differently in a pass; times move by up to 0.1 s.
        told = [
            jittered(rng, Word("hm" if rng.random() < 0.1 else word.text, word.start_sample, word.end_sample), 1_500)
            for word in truth[:heard]
        ]
        agreement.push(told)
        everything = [word.text for word in (*agreement.confirmed, *agreement.tentative)]
        assert len(everything) == heard
        assert all(text in ("hm", word.text) for text, word in zip(everything, truth, strict=False))
    final = agreement.flush(told)
    assert len(final) == 30
    assert all(word.text in ("hm", right.text) for word, right in zip(final, truth, strict=True))


@pytest.mark.parametrize("seed", range(100))
def test_without_contradictions_it_is_the_longest_beginning_that_the_last_passes_share(seed):
    rng = random.Random(seed)
    needed = rng.randint(1, 4)
    agreement = LocalAgreement(needed)
    passes = []
    confirmed = []
    for _ in range(60):
        passes.append([*confirmed, *(rng.choice("aaab") for _ in range(rng.randint(0, 6)))])
        if len(passes) >= needed:
            places = zip(*passes[-needed:], strict=False)
            shared = [same[0] for same in takewhile(lambda same: len(set(same)) == 1, places)]
            confirmed = shared if len(shared) > len(confirmed) else confirmed
        agreement.push(words(" ".join(passes[-1])))
        assert [word.text for word in agreement.confirmed] == confirmed
        assert [word.text for word in agreement.tentative] == passes[-1][len(confirmed) :]


@pytest.mark.parametrize("missing", range(1, 7))
def test_a_pass_that_starts_late_repeats_nothing(missing):
    agreement = LocalAgreement()
    for _ in range(2):
        push(agreement, "turn off the light in the kitchen")
    late = words("turn off the light in the kitchen now")[missing:]
    agreement.push(late)
    assert said(agreement.tentative) == "now"
    assert said(agreement.flush(late)) == "turn off the light in the kitchen now"


@pytest.mark.parametrize(
    ("confirmed", "later", "rest"),
    [
        ("call seven", "call seven seven", "seven"),
        ("call seven", "tall seven seven", "seven"),
        ("very very", "very very very good", "very good"),
        ("it is very", "it was very very good", "very good"),
        ("I can see the", "I can the boat", "boat"),
        ("I can see the", "I can can see the boat", "boat"),
        ("good bye", "goodbye now", "now"),
        ("every thing is here", "everything is here now", "now"),
        ("it is everyday", "it is every day now", "now"),
        ("one two three four five six seven", "won two free four fife six seven eight", "eight"),
    ],
)
@pytest.mark.parametrize("shift", [-4_000, 0, 4_000])
def test_passes_that_tell_the_confirmed_words_otherwise_go_on_behind_them(confirmed, later, rest, shift):
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.push(words(confirmed))
    # A model shares out the time among the words that it hears: those before the rest end where they did.
    told = later.split()
    heads = len(told) - len(rest.split())
    length = len(confirmed.split()) * WORD
    head = [
        Word(text, max(0, place * length // heads + shift), (place + 1) * length // heads + shift)
        for place, text in enumerate(told[:heads])
    ]
    agreement.push((*head, *words(rest, first=length // WORD, shift=shift)))
    assert said(agreement.tentative) == rest


def test_a_word_that_was_given_a_long_silence_is_found_again():
    # As Whisper did it: "four" takes the silence after it, and "seven" is squeezed into its end.
    agreement = LocalAgreement()
    for _ in range(2):
        push(agreement, "two eight four seven")
    stretched = (
        *words("to eight"),
        Word("four", 2 * WORD, 7 * WORD),
        Word("seven", 7 * WORD, 7 * WORD + 160),
        *words("set a timer", first=8),
    )
    agreement.push(stretched)
    assert said(agreement.tentative) == "set a timer"
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.push(stretched)
    agreement.push(words("two eight four seven set a timer now"))
    assert said(agreement.tentative) == "now"


def told_otherwise(rng, truth):
    """A pass with about one word in ten changed, and times up to half a second off. Also how many words each one tells."""
    told, place = [], 0
    while place < len(truth):
        word, kind = truth[place], rng.choice(("other", "drop", "split", "merge", "")) if rng.random() < 0.1 else ""
        middle = (word.start_sample + word.end_sample) // 2
        if kind == "other":
            told.append((Word(f"{word.text}x", word.start_sample, word.end_sample), place))
        elif kind == "split":
            told += [
                (Word(word.text[:1], word.start_sample, middle), place),
                (Word(word.text[1:], middle, word.end_sample), place),
            ]
        elif kind == "merge" and place + 1 < len(truth):
            place += 1
            told.append((Word(word.text + truth[place].text, word.start_sample, truth[place].end_sample), place))
        elif kind != "drop":
            told.append((word, place))
        place += 1
    off, border, moved = rng.randint(-4_000, 4_000), 0, []
    for word, place in told:
        start = max(border, word.start_sample + off + rng.randint(-4_000, 4_000))
        border = max(start, word.end_sample + off + rng.randint(-4_000, 4_000))
        moved.append((Word(word.text, start, border), place))
    return moved


def test_the_committed_words_are_found_again_in_nearly_every_pass_whatever_it_changes():
    wrong = []
    for seed in range(2_000):
        rng = random.Random(seed)
        truth = words(" ".join(f"w{rng.randint(0, 20)}" for _ in range(rng.randint(4, 20))))
        known = rng.randint(1, len(truth))
        told = told_otherwise(rng, truth)
        right = sum(1 for _, place in told if place < known)
        # A word that was merged over the border may count as known or as new.
        merged = any(w.text.count("w") > 1 and place == known for w, place in told)
        if count_told(truth[:known], [word for word, _ in told]) not in (right, right + merged):
            wrong.append(seed)
    assert len(wrong) <= 50, f"{len(wrong)} of 2000, seeds {wrong[:20]}"
