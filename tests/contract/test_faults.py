"""The contract's tests find what they are for: each fault of an engine is found by the test that is named with it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from _pytest.outcomes import Failed

from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import StreamOptions
from voicetrio.worker.engines.instant import WORD_SAMPLES, InstantHearing, InstantStream

from . import test_hearing
from .calling import PlainCalls
from .conftest import Hearing
from .engines import HearingCase, checksums

Fault = Callable[["FaultyStream", Hypothesis], Hypothesis]
"""What the stream says instead of what it should."""


class Faulty(InstantHearing):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.heard_before: list[str] = []

    def open(self, options: StreamOptions) -> "FaultyStream":
        known = "en" if self.fault is any_language else options.language
        return FaultyStream(self, replace(options, language=known))


class FaultyStream(InstantStream):
    def __init__(self, engine: Faulty, options: StreamOptions) -> None:
        InstantHearing().open(options)
        super().__init__(partials=options.partials or engine.fault is unwanted_partials)
        self.engine = engine
        self.prompt = ""
        self.pieces = 0
        self.ended = 0
        self.samples = 0

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        self.prompt = initial_prompt

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        self.pieces += 1
        self.samples += len(pcm) // 2
        partial = super().accept(segment_id, start_sample, pcm)
        return None if partial is None else self.engine.fault(self, partial)

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        final = self.engine.fault(self, super().end_segment(segment_id, end_sample))
        self.engine.heard_before += [word.text for word in final.words]
        self.ended += 1
        self.pieces = self.samples = 0
        return final


def no_fault(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard


def unwanted_partials(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard


def any_language(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard


def deaf(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return replace(heard, words=(), stable_words=0)


def words_at_the_end_only(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard if heard.final else deaf(stream, heard)


def words_of_other_streams(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    other = (stream.engine.heard_before or [""])[0]
    return replace(heard, words=tuple(replace(word, text=other or word.text) for word in heard.words))


def words_of_the_segment_before(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return words_of_other_streams(stream, heard) if heard.final and stream.ended else heard


def words_by_pieces(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return replace(heard, words=tuple(replace(word, text=f"{word.text}-{stream.pieces}") for word in heard.words))


def words_in_nothing(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard if heard.words or not heard.final else replace(heard, words=(), stable_words=1)


def stable_and_taken_back(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard if heard.final else words_by_pieces(stream, heard)


def times_of_its_own(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    words = [
        replace(word, start_sample=n * WORD_SAMPLES, end_sample=n * WORD_SAMPLES + 1)
        for n, word in enumerate(heard.words)
    ]
    return replace(heard, words=tuple(words))


def a_prompt_that_stays(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return words_by_pieces(stream, heard) if stream.prompt and stream.ended else heard


def no_more_than_ten_seconds(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return deaf(stream, heard) if stream.samples > 160_000 else heard


def the_same_partial_again(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return heard if heard.final else replace(heard, consumed_sample=heard.consumed_sample // 6400 * 6400)


def confidence_in_percent(stream: FaultyStream, heard: Hypothesis) -> Hypothesis:
    return replace(heard, confidence=100.0)


FOUND_BY = [
    (unwanted_partials, test_hearing.test_nobody_asked_for_partials),
    (any_language, test_hearing.test_languages_are_known_by_their_primary_tag),
    (deaf, test_hearing.test_the_recordings_are_understood),
    (words_at_the_end_only, test_hearing.test_the_recordings_are_understood),
    (words_at_the_end_only, lambda hearing: test_hearing.test_partials_take_nothing_stable_back(hearing, 60)),
    (words_of_other_streams, test_hearing.test_streams_do_not_hear_each_other),
    (words_of_other_streams, test_hearing.test_the_recordings_are_understood),
    (words_of_the_segment_before, test_hearing.test_a_final_depends_on_its_own_audio_only),
    (words_by_pieces, test_hearing.test_odd_pieces_are_heard_as_even_ones),
    (words_in_nothing, test_hearing.test_a_segment_may_be_as_short_as_nothing),
    (stable_and_taken_back, lambda hearing: test_hearing.test_partials_take_nothing_stable_back(hearing, 60)),
    (times_of_its_own, test_hearing.test_a_final_depends_on_its_own_audio_only),
    (
        times_of_its_own,
        lambda hearing: test_hearing.test_silence_and_noise_are_segments_like_any_other(hearing, "noise"),
    ),
    (a_prompt_that_stays, test_hearing.test_a_prompt_is_nothing_to_engines_that_do_not_use_it),
    (no_more_than_ten_seconds, lambda hearing: test_hearing.test_thirty_seconds_at_once_and_in_pieces(hearing, 30)),
    (no_more_than_ten_seconds, lambda hearing: test_hearing.test_thirty_seconds_at_once_and_in_pieces(hearing, 1)),
    (the_same_partial_again, lambda hearing: test_hearing.test_partials_take_nothing_stable_back(hearing, 60)),
    (confidence_in_percent, test_hearing.test_the_recordings_are_understood),
]


def faulty(fault: Fault) -> Hearing:
    engine = Faulty(fault)
    case = HearingCase("instant", checksums, silent_on=frozenset())
    return Hearing(case, engine, PlainCalls(engine), case.recordings(), 3)


@pytest.mark.parametrize(("fault", "test"), FOUND_BY, ids=lambda value: value.__name__.strip("<>"))
def test_each_fault_is_found(fault, test):
    test(faulty(no_fault))
    with pytest.raises((AssertionError, Failed)):
        test(faulty(fault))
