"""The contract of engines that hear, in plain calls and through the host's loop. One body of tests for all of them."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from voicetrio.cli.recordings import word_errors
from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis

from .calling import PIECE_SAMPLES, check_final, check_partials, hear
from .material import RATE, half_a_minute, noise, silence


def texts(heard: Hypothesis) -> list[str]:
    return [word.text for word in heard.words]


def same(one: Hypothesis, other: Hypothesis, batched: bool) -> bool:
    """Whether the same audio was heard in the same way. A batch of another size may round differently: by a frame of time,
    and by a few hundredths of a probability."""
    if not batched:
        return one == other
    return texts(one) == texts(other) and all(
        abs(a.start_sample - b.start_sample) <= RATE // 20
        and abs(a.end_sample - b.end_sample) <= RATE // 20
        and abs((a.confidence or 0) - (b.confidence or 0)) < 0.05
        for a, b in zip(one.words, other.words, strict=True)
    )


def moved(heard: Hypothesis, segment_id: int, samples: int) -> Hypothesis:
    words = tuple(
        replace(word, start_sample=word.start_sample + samples, end_sample=word.end_sample + samples)
        for word in heard.words
    )
    return replace(heard, segment_id=segment_id, consumed_sample=heard.consumed_sample + samples, words=words)


def is_batched(hearing) -> bool:
    return hasattr(hearing.engine, "run")


def test_the_description_is_what_a_gateway_can_use(hearing):
    description = hearing.engine.description
    assert description.engine == hearing.case.name
    assert description.architecture in ("encoder-decoder", "ctc", "streaming")
    assert hearing.case.architecture in (None, description.architecture)
    assert description.sample_rate == RATE
    assert description.model
    assert "/" not in description.model
    assert description.languages
    assert all(tag == tag.lower() and "-" not in tag for tag in description.languages)


def test_the_recordings_are_understood(hearing):
    """And words are there before the end, where somebody wants them."""
    stream = hearing.calls.open()
    errors = spoken = early = start = 0
    for segment_id, recording in enumerate(hearing.recordings):
        partials, final = hear(stream, recording.pcm, segment_id=segment_id, start=start)
        errors += word_errors(recording.text, final.text)
        spoken += len(recording.text.split())
        early += max((len(partial.words) for partial in partials), default=0)
        start += len(recording.pcm) // 2 + 777
    stream.close()
    assert errors <= hearing.case.word_error_rate * spoken
    assert early >= spoken / 2


@pytest.mark.parametrize("kind", ["silence", "noise", "faint noise", "loud noise"])
def test_silence_and_noise_are_segments_like_any_other(hearing, kind):
    pcm = {"silence": silence(2), "noise": noise(2, 100), "faint noise": noise(2, 1), "loud noise": noise(2, 8000)}[
        kind
    ]
    stream = hearing.calls.open()
    partials, final = hear(stream, pcm, start=12_345)
    stream.close()
    if kind in hearing.case.silent_on:
        assert final.words == ()
        assert not any(partial.words for partial in partials)


def test_a_segment_may_be_as_short_as_nothing(hearing):
    stream, start = hearing.calls.open(), 0
    for segment_id, samples in enumerate([0, 1, 159, 0, 400, 1601]):
        _, final = hear(stream, noise(1, 1000)[: 2 * samples], segment_id=segment_id, start=start)
        assert samples > 0 or final.words == ()
        start += samples
    # Audio without a sample is audio, too.
    stream.accept(6, start, b"")
    final = stream.end_segment(6, start)
    check_final(final, 6, start, start)
    assert final.words == ()
    recording = hearing.recordings[0]
    _, final = hear(stream, recording.pcm, segment_id=7, start=start)
    assert same(final, moved(hearing.alone(recording), 7, start), is_batched(hearing))


def test_odd_pieces_are_heard_as_even_ones(hearing):
    dice = random.Random(5)
    recording = hearing.recordings[0]
    stream, at = hearing.calls.open(), 0
    while at < len(recording.pcm):
        size = 2 * dice.choice([0, 1, 7, 160, 333, 1001, 2222])
        stream.accept(0, at // 2, recording.pcm[at : at + size])
        at = min(at + size, len(recording.pcm))
    final = stream.end_segment(0, at // 2)
    stream.close()
    assert same(final, hearing.alone(recording), is_batched(hearing))


@pytest.mark.parametrize("piece_s", [30, 1])
def test_thirty_seconds_at_once_and_in_pieces(hearing, piece_s):
    long, short = half_a_minute(hearing.recordings), hearing.recordings[0]
    stream = hearing.calls.open(partials=piece_s < 30 and hearing.case.long_partials)
    _, final = hear(stream, long.pcm, piece=piece_s * RATE)
    assert len(final.words) > len(long.text.split()) / 3
    _, after = hear(stream, short.pcm, segment_id=1, start=30 * RATE)
    assert same(after, moved(hearing.alone(short), 1, 30 * RATE), is_batched(hearing))
    stream.close()


def test_a_stream_may_be_closed_in_mid_segment(hearing):
    recording = hearing.recordings[0]
    expected = hearing.alone(recording)
    left = hearing.calls.open()
    left.accept(0, 0, recording.pcm[: len(recording.pcm) // 4 * 2])
    left.close()
    assert same(hear(hearing.calls.open(), recording.pcm)[1], expected, is_batched(hearing))


def test_a_stream_may_be_closed_while_its_final_is_being_made(hearing, hosted_only):
    long, short = half_a_minute(hearing.recordings), hearing.recordings[0]
    expected = hearing.alone(short)
    left, other = hearing.calls.open(), hearing.calls.open()
    left.post_audio(0, 0, long.pcm)
    left.heard()
    left.post_end(0, len(long.pcm) // 2)
    left.close()
    assert same(hear(other, short.pcm)[1], expected, is_batched(hearing))


def test_streams_do_not_hear_each_other(hearing):
    """Several at once, of different lengths, so that one ends while others go on."""
    count = hearing.streams
    recordings = [hearing.recordings[number % len(hearing.recordings)] for number in range(count)]
    alone = {recording.name: hear(hearing.calls.open(), recording.pcm) for recording in recordings}
    streams = [hearing.calls.open(session_id=f"session-{number}") for number in range(count)]
    partials: list[list[Hypothesis]] = [[] for _ in streams]
    finals: dict[int, Hypothesis] = {}
    at = 0
    while len(finals) < count:
        live = [number for number in range(count) if number not in finals]
        pieces = [recordings[number].pcm[2 * at : 2 * (at + PIECE_SAMPLES)] for number in live]
        asked = [(streams[number], 0, at, pcm) for number, pcm in zip(live, pieces, strict=True)]
        for number, partial in zip(live, hearing.calls.accept_all(asked), strict=True):
            partials[number] += [] if partial is None else [partial]
        at += PIECE_SAMPLES
        over = [number for number in live if len(recordings[number].pcm) <= 2 * at]
        ends = [(streams[number], 0, len(recordings[number].pcm) // 2) for number in over]
        finals |= dict(zip(over, hearing.calls.end_all(ends), strict=True))
    for number, recording in enumerate(recordings):
        streams[number].close()
        expected_partials, expected = alone[recording.name]
        assert same(finals[number], expected, is_batched(hearing))
        check_partials(partials[number], 0, 0, len(recording.pcm) // 2)
        if not is_batched(hearing):  # That makes fewer partials when it has more to do.
            assert partials[number] == expected_partials


def test_a_final_depends_on_its_own_audio_only(hearing):
    recording = hearing.recordings[-1]
    used = hearing.calls.open()
    hear(used, noise(1, 5000))
    hear(used, hearing.recordings[0].pcm, segment_id=1, start=RATE)
    _, late = hear(used, recording.pcm, segment_id=2, start=400_000, piece=RATE)
    assert same(late, moved(hearing.alone(recording), 2, 400_000), is_batched(hearing))


@pytest.mark.parametrize("piece_ms", [20, 60, 500])
def test_partials_take_nothing_stable_back(hearing, piece_ms):
    stream = hearing.calls.open()
    hear(stream, noise(0.5, 100), piece=RATE * piece_ms // 1000)
    recording = hearing.recordings[-1]
    partials, final = hear(stream, recording.pcm, segment_id=1, piece=RATE * piece_ms // 1000)
    assert len(partials[-1].words) >= len(final.words) / 2
    if hearing.engine.description.architecture == "encoder-decoder":
        assert all(partial.stable_words == 0 for partial in partials)
    assert all(one.consumed_sample < other.consumed_sample for one, other in pairwise(partials))


def test_nobody_asked_for_partials(hearing):
    partials, final = hear(hearing.calls.open(partials=False), hearing.recordings[0].pcm)
    assert partials == []
    assert final.words


def test_a_prompt_is_nothing_to_engines_that_do_not_use_it(hearing):
    recording = hearing.recordings[0]
    stream = hearing.calls.open()
    stream.begin_segment(0, "Open the door for me, please.")
    _, heard = hear(stream, recording.pcm)
    if hearing.engine.description.architecture != "encoder-decoder":
        assert same(heard, hearing.alone(recording), is_batched(hearing))
    # A prompt is its own segment's.
    _, other = hear(stream, recording.pcm, segment_id=1)
    assert same(other, moved(hearing.alone(recording), 1, 0), is_batched(hearing))


@pytest.mark.parametrize("words", [("", " ", "a b c", "Üß早😀", "x" * 500), tuple(f"word{n}" for n in range(100))])
def test_hot_words_are_taken_whatever_they_are(hearing, words):
    stream = hearing.calls.open(hot_words=words)
    _, final = hear(stream, hearing.recordings[0].pcm)
    assert final.words
    stream.close()


def test_languages_are_known_by_their_primary_tag(hearing):
    known = hearing.engine.description.languages[0]
    for language in ("", known, f"{known}-US", f"{known.upper()}-gb"):
        hearing.calls.open(language=language).close()
    with pytest.raises(WorkerRejected, match=known):
        hearing.calls.open(language="tlh")
