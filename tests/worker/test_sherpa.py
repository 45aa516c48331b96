"""sherpa-onnx with the tiny WeNet CTC model: what is heard, when it is shown, and what hot words change."""

import csv
import random
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trio

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.contract import BatchedHearing, HearingSetup, StreamOptions
from voicetrio.worker.engines.sherpa import open_sherpa
from voicetrio.worker.engines.sherpa.engine import Sherpa
from voicetrio.worker.engines.sherpa.probabilities import CtcNet, CtcProbabilities
from voicetrio.worker.errors import SetupError

from .worker_client import open_worker, text_of

MODEL = Path(__file__).parents[1] / "models" / "tiny-wenet-ctc"
COMMANDS = Path(__file__).parents[1] / "recordings" / "commands"
RATE = 16_000
CHUNK_SAMPLES = 4 * 640
HOT = ("seventy", "eighty", "forty", "hundred", "two", "yellow")


def table() -> list[dict[str, str]]:
    with (COMMANDS / "transcripts.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


ROWS = table()
SAID = {row["file"]: row["text"] for row in ROWS}
HEARD = {row["file"]: row["ctc"] for row in ROWS}


def command(name: str) -> bytes:
    with wave.open(str(COMMANDS / name)) as file:
        return file.readframes(file.getnframes())


def open_engine(**options) -> Sherpa:
    return open_sherpa(HearingSetup(str(MODEL), options={"chunk_size": 4, **options}))


@pytest.fixture(scope="module")
def engine() -> Sherpa:
    return open_engine()


def hear(
    engine: Sherpa, pcm: bytes, *, hot: tuple[str, ...] = (), chunk_ms: int = 100
) -> tuple[list[Hypothesis], Hypothesis]:
    stream = engine.open(StreamOptions("test", "en", hot))
    step = 2 * RATE * chunk_ms // 1000
    partials = [stream.accept(0, at // 2, pcm[at : at + step]) for at in range(0, len(pcm), step)]
    return [partial for partial in partials if partial is not None], stream.end_segment(0, len(pcm) // 2)


def edits(said: list[str], heard: list[str]) -> int:
    """Words to insert, to delete or to exchange (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(said, 1):
        before, row = row, [place]
        for column, other in enumerate(heard, 1):
            row.append(min(before[column] + 1, row[-1] + 1, before[column - 1] + (word != other)))
    return row[-1]


def wrong_words(engine: Sherpa, hot: tuple[str, ...] = ()) -> int:
    return sum(edits(said.split(), hear(engine, command(name), hot=hot)[1].text.split()) for name, said in SAID.items())


@pytest.mark.parametrize("chunk_size", [4, 16])
def test_the_recordings_are_heard_as_the_model_hears_whole_files(chunk_size):
    engine = open_engine(chunk_size=chunk_size, hot_words_score=0.0)
    assert {name: hear(engine, command(name))[1].text for name in SAID} == HEARD


@pytest.mark.parametrize("chunk_size", [4, 16])
def test_the_last_word_comes_out_though_the_audio_ends_with_it(chunk_size):
    engine = open_engine(chunk_size=chunk_size, hot_words_score=0.0)
    for row in ROWS:
        if row["ctc"] == row["text"]:
            end = float(row["words"].rpartition("-")[2])
            pcm = command(row["file"])[: 2 * round(RATE * end)]
            _, final = hear(engine, pcm)
            assert final.text == row["text"]
            assert final.words[-1].end_sample <= len(pcm) // 2


def test_the_net_hears_silence_after_the_end_until_the_last_word_is_said(engine, monkeypatch):
    calls = []
    decode = engine._loaded.recognizer.decode_streams
    monkeypatch.setattr(
        engine._loaded.recognizer, "decode_streams", lambda batch: (calls.append(len(batch)), decode(batch))
    )
    for samples in range(16_000, 16_000 + CHUNK_SAMPLES, 321):
        calls.clear()
        hear(engine, bytes(2 * samples))
        assert samples + 0.4 * RATE <= len(calls) * CHUNK_SAMPLES < samples + 0.4 * RATE + 2 * CHUNK_SAMPLES


def test_in_less_than_a_tenth_of_a_second_there_is_no_word_and_nothing_to_decode(engine):
    stream = engine.open(StreamOptions("test", "en"))
    stream.feed(0, 500, command("short01.wav")[2 * 5000 : 2 * 6599])
    stream.finish(0, 500 + 1599)
    assert not engine.has_work
    assert stream.take() == Hypothesis(0, True, 500 + 1599, (), language="en")


def test_eight_streams_in_one_batch_are_heard_as_alone(engine):
    names = list(SAID)[:8]
    alone = [hear(engine, command(name), hot=HOT if place % 2 else ()) for place, name in enumerate(names)]
    streams = [engine.open(StreamOptions("test", "en", HOT if place % 2 else ())) for place in range(8)]
    pcms = [command(name) for name in names]
    partials: list[list[Hypothesis]] = [[] for _ in names]
    finals: list[Hypothesis | None] = [None] * 8
    for at in range(0, max(map(len, pcms)) + 3200, 3200):
        for stream, pcm in zip(streams, pcms, strict=True):
            if at < len(pcm):
                stream.feed(0, at // 2, pcm[at : at + 3200])
            elif at - 3200 < len(pcm):
                stream.finish(0, len(pcm) // 2)
        while engine.has_work:
            engine.run()
        for place, stream in enumerate(streams):
            taken = stream.take()
            if taken is not None and taken.final:
                finals[place] = taken
            elif taken is not None:
                partials[place].append(taken)
    assert finals == [final for _, final in alone]
    assert partials == [heard for heard, _ in alone]


def test_a_backlog_is_decoded_in_several_runs_and_others_have_their_turn_between_them(engine):
    busy, quick = engine.open(StreamOptions("busy", "en")), engine.open(StreamOptions("quick", "en"))
    busy.feed(0, 0, command("long03.wav"))
    quick.feed(0, 0, command("short01.wav"))
    quick.finish(0, len(command("short01.wav")) // 2)
    runs = 0
    while (final := quick.take()) is None or not final.final:
        engine.run()
        runs += 1
    assert final.text == "yes"
    assert engine.has_work
    assert runs < 8
    busy.close()
    assert not engine.has_work


def test_the_library_decodes_all_streams_in_one_call(engine, monkeypatch):
    sizes = []
    recognizer = engine._loaded.recognizer
    decode = recognizer.decode_streams
    monkeypatch.setattr(recognizer, "decode_streams", lambda batch: (sizes.append(len(batch)), decode(batch)))
    streams = [engine.open(StreamOptions("test", "en")) for _ in range(8)]
    for stream in streams:
        stream.feed(0, 0, command("seen02.wav"))
    engine.run()
    assert set(sizes) == {8}
    for stream in streams:
        stream.close()


def test_it_is_called_as_a_batched_engine(engine):
    assert isinstance(engine, BatchedHearing)


@pytest.mark.parametrize("hot", [(), HOT])
@pytest.mark.parametrize("chunk_ms", [20, 100, 1000])
def test_stable_words_are_those_of_the_final_with_their_times(engine, hot, chunk_ms):
    for name in ("long01.wav", "seen01.wav", "unseen02.wav"):
        partials, final = hear(engine, command(name), hot=hot, chunk_ms=chunk_ms)
        assert final == hear(engine, command(name), hot=hot)[1]
        assert all(one.consumed_sample < other.consumed_sample for one, other in pairwise(partials))
        for partial in partials:
            assert partial.words[: partial.stable_words] == final.words[: partial.stable_words]
            assert all(word.end_sample <= partial.consumed_sample for word in partial.words)
            assert partial.consumed_sample % CHUNK_SAMPLES == 0
        assert max(partial.stable_words for partial in partials) >= len(final.words) - 2


def test_words_are_shown_soon_after_they_were_said(engine):
    """Within 0.3 s for nine of ten words, of a chunk of 0.16 s."""
    delays = []
    for row in ROWS:
        if row["ctc"] != row["text"]:
            continue
        ends = [float(word.rpartition("-")[2]) for word in row["words"].split()]
        shown: dict[int, tuple[str, float]] = {}
        for partial in hear(engine, command(row["file"]), chunk_ms=20)[0]:
            for place, word in enumerate(partial.words):
                if shown.get(place, ("", 0))[0] != word.text:
                    shown[place] = (word.text, partial.consumed_sample / RATE)
        delays += [shown[place][1] - ends[place] for place in shown]
    assert len(delays) > 40
    assert sorted(delays)[len(delays) * 9 // 10] < 0.3


def test_words_are_where_they_were_said(engine):
    errors = []
    for row in ROWS:
        if row["ctc"] != row["text"]:
            continue
        _, final = hear(engine, command(row["file"]))
        for word, truth in zip(final.words, row["words"].split(), strict=True):
            start, _, end = truth.rpartition(":")[2].partition("-")
            errors += [abs(word.start_sample / RATE - float(start)), abs(word.end_sample / RATE - float(end))]
    assert np.median(errors) < 0.06
    assert np.quantile(errors, 0.9) < 0.15


def test_hot_words_put_right_what_is_nearly_as_likely(engine):
    assert hear(engine, command("seen01.wav"))[1].text == "go right sety four metres please"
    _, final = hear(engine, command("seen01.wav"), hot=("seventy",))
    assert final.text == "go right seventy four metres please"
    assert hear(engine, command("seen01.wav"), hot=("SEVENTY", "Elsinore"))[1] == final
    assert {word.text for word in final.words if word.confidence < 0.7} == {"seventy", "please"}
    wrong = wrong_words(engine)
    assert wrong == 22
    assert wrong_words(engine, HOT) <= 16


@pytest.mark.parametrize(("hot", "lost_max"), [(20, 0), (98, 5)])
def test_hot_words_that_were_not_said_replace_next_to_no_right_word(engine, hot, lost_max):
    """Of 123. All other words that this net knows are the worst case: there is no sound that none of them is like."""
    vocabulary = sorted({word for said in SAID.values() for word in said.split()})
    dice, lost = random.Random(1), 0
    for name, said in SAID.items():
        absent = [word for word in vocabulary if word not in said.split()]
        biased = hear(engine, command(name), hot=tuple(dice.sample(absent, min(hot, len(absent)))))[1].text.split()
        pairs = zip(HEARD[name].split(), biased, strict=True)
        lost += sum(heard != word for heard, word in pairs if heard in said.split())
    assert lost <= lost_max


def test_a_phrase_takes_the_place_of_words_that_were_joined_or_split(engine):
    _, final = hear(engine, command("unseen04.wav"), hot=("seventy one",))
    assert final.text == "set a timer for seventy one minutes"
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(final.words))


def test_hot_words_without_a_score_are_not_used():
    off = open_engine(hot_words_score=0.0)
    assert hear(off, command("seen01.wav"), hot=HOT)[1].text == HEARD["seen01.wav"]


def test_confidence_is_known_only_where_it_is_asked_for(engine):
    name = "unseen01.wav"
    assert all(word.confidence is None for word in hear(engine, command(name))[1].words)
    _, final = hear(open_engine(confidence=True, hot_words_score=0.0), command(name))
    assert final.text == HEARD[name]
    confidences = {word.text: word.confidence for word in final.words}
    assert confidences["thurs"] < 0.6 < confidences["seven"] <= 1
    assert final.confidence == pytest.approx(sum(word.confidence for word in final.words) / len(final.words))


@pytest.mark.parametrize("chunk_size", [4, 16])
def test_the_second_net_gives_what_the_library_decodes(chunk_size):
    loaded = open_engine(chunk_size=chunk_size)._loaded
    for name in ("seen01.wav", "long03.wav"):
        native = loaded.recognizer.create_stream()
        native.accept_waveform(RATE, np.frombuffer(command(name), "<i2").astype(np.float32) / 32768)
        probabilities, best = CtcProbabilities(loaded.net), [loaded.model.blank]
        while loaded.recognizer.is_ready(native):
            best += probabilities.advance(native).argmax(axis=1).tolist()
            loaded.recognizer.decode_streams([native])
        said = [later for earlier, later in pairwise(best) if later not in (earlier, loaded.model.blank)]
        assert [loaded.model.pieces[piece] for piece in said] == loaded.recognizer.tokens(native)


def test_the_second_net_is_told_how_much_of_its_cache_is_filled(engine, monkeypatch):
    """The tiny net has no attention and does not look: real ones do. WeNet's convention, as sherpa-onnx follows it."""
    calls = []
    run = CtcNet.run
    monkeypatch.setattr(CtcNet, "run", lambda net, *values: (calls.append(values), run(net, *values))[1])
    stream = engine.open(StreamOptions("test", "en", HOT))
    stream.accept(0, 0, command("seen01.wav"))
    stream.close()
    assert len(calls) > 8
    for chunk, (_, offset, required, _, _, mask) in enumerate(calls):
        filled = min(4 * chunk, 16)
        assert (offset.tolist(), required.tolist()) == ([16 + 4 * chunk], [16])
        assert mask.flatten().tolist() == [False] * (16 - filled) + [True] * (filled + 4)


def test_silence_and_noise_are_no_words(engine):
    dice = np.random.default_rng(3)
    for loudness in (0, 10, 100, 1000):
        pcm = dice.normal(0, loudness, 20 * RATE).astype("<i2").tobytes()
        assert hear(engine, pcm, hot=HOT)[1].text == ""


def test_a_failure_of_the_library_is_told_and_leaves_the_next_segment_in_order(engine, monkeypatch):
    def fail(_):
        raise RuntimeError("out of memory")

    stream = engine.open(StreamOptions("test", "en"))
    with monkeypatch.context() as patch:
        patch.setattr(engine._loaded.recognizer, "decode_streams", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            stream.accept(0, 0, command("seen02.wav"))
    assert not engine.has_work
    stream.feed(1, 0, command("seen02.wav"))
    assert stream.end_segment(1, len(command("seen02.wav")) // 2).text == HEARD["seen02.wav"]


def test_a_failure_of_the_second_net_is_of_its_own_stream(engine, monkeypatch):
    names = ("seen02.wav", "seen03.wav")
    plain, hot = (engine.open(StreamOptions("test", "en", hot)) for hot in ((), HOT))
    monkeypatch.setattr(CtcNet, "run", lambda *_: 1 / 0)
    for stream, name in zip((plain, hot), names, strict=True):
        stream.feed(0, 0, command(name))
    plain.finish(0, len(command(names[0])) // 2)
    while engine.has_work:
        engine.run()
    with pytest.raises(ZeroDivisionError):
        hot.take()
    final = plain.take()
    assert final is not None
    assert final.text == HEARD[names[0]]


def test_a_segment_without_an_end_is_refused(engine):
    stream = engine.open(StreamOptions("test", "en"))
    with pytest.raises(WorkerRejected, match="longer than 60 s"):
        for second in range(61):
            stream.feed(0, second * RATE, bytes(2 * RATE))
    stream.close()
    assert not engine.has_work


def test_cuda_is_refused_where_the_library_has_none():
    with pytest.raises(SetupError, match=r"stt\.device.*CPU"):
        open_sherpa(HearingSetup(str(MODEL), device="cuda"))


@pytest.mark.slow
async def test_a_worker_serves_eight_sessions_with_one_process(tmp_path):
    config = WorkerConfig(
        listen=f"unix:{tmp_path}/w.sock",
        stt_engine="sherpa-onnx",
        stt_model=str(MODEL),
        stt_options={"chunk_size": 4},
        tts_engine="none",
        stt_slots=8,
    )
    with trio.fail_after(60):
        async with open_worker(config) as client:

            async def call(name: str) -> None:
                async with client.transcribe() as stream:
                    await stream.config(partials=True)
                    await stream.segment(1, 0, command(name))
                    assert text_of(await stream.final()) == HEARD[name]

            async with trio.open_nursery() as nursery:
                for name in list(SAID)[:8]:
                    nursery.start_soon(call, name)
