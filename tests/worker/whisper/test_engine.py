"""The engine with the tiny model: words, batches, trims, gates, and what is said of faulty settings."""

import csv
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from voicetrio.cli.recordings import word_errors
from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import BatchedHearing, HearingSetup, StreamOptions
from voicetrio.worker.engines.registry import load_hearing
from voicetrio.worker.errors import SetupError

TESTS = Path(__file__).parents[2]
MODEL = str(TESTS / "models" / "tiny-whisper-en")
COMMANDS = TESTS / "recordings" / "commands"
RATE = 16_000

pytestmark = pytest.mark.slow


def load(**options):
    return load_hearing("faster-whisper", HearingSetup(MODEL, "cpu", threads=2, options=options))


@pytest.fixture(scope="module")
def engine():
    return load()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (COMMANDS / "transcripts.tsv").open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


def recording(name: str) -> bytes:
    with wave.open(str(COMMANDS / name)) as file:
        return file.readframes(file.getnframes())


def options(**changes) -> StreamOptions:
    return StreamOptions(**{"session_id": "test", "language": "en", **changes})


def final(engine, pcm: bytes, prompt: str = "", **changes):
    """Of audio that comes at once."""
    stream = engine.open(options(partials=False, **changes))
    if prompt:
        stream.begin_segment(1, prompt)
    stream.feed(1, 0, pcm)
    heard = stream.end_segment(1, len(pcm) // 2)
    stream.close()
    return heard


def live(engine, pcm: bytes, *, piece_ms: int = 100):
    """Partials and the final of audio that comes bit by bit."""
    stream = engine.open(options())
    step = 2 * RATE * piece_ms // 1000
    partials = [stream.accept(1, start // 2, pcm[start : start + step]) for start in range(0, len(pcm), step)]
    heard = stream.end_segment(1, len(pcm) // 2)
    stream.close()
    return [partial for partial in partials if partial is not None], heard


def steady(rows):
    """Without the long recordings: over them the tiny model may loop, differently on each kind of processor."""
    return [row for row in rows if not row["file"].startswith("long")]


def test_with_whole_windows_it_hears_what_faster_whisper_hears(rows):
    engine = load(windows="30")
    for row in steady(rows):
        assert final(engine, recording(row["file"])).text == row["whisper"], row["file"]


def test_with_short_windows_it_hears_as_well(engine, rows):
    rows = steady(rows)
    words = sum(len(row["text"].split()) for row in rows)
    errors = sum(word_errors(row["text"], final(engine, recording(row["file"])).text) for row in rows)
    direct = sum(word_errors(row["text"], row["whisper"]) for row in rows)
    assert errors <= direct + 0.02 * words


def test_words_have_times_and_confidence(engine, rows):
    heard = final(engine, recording("seen04.wav"))
    said = {word.rpartition(":")[0]: word.rpartition(":")[2] for word in rows[3]["words"].split()}
    assert heard.text == rows[3]["text"]
    for word in heard.words:
        start, end = map(float, said[word.text].split("-"))
        middle = (word.start_sample + word.end_sample) / 2 / RATE
        assert start - 0.3 < middle < end + 0.3, word
        assert word.confidence > 0.5
    assert heard.confidence > 0.5
    assert heard.language == "en"


def test_a_batch_hears_what_each_stream_alone_would_hear(engine, rows):
    pcms = [recording(row["file"]) for row in rows[:8]]
    alone = [final(engine, pcm).text for pcm in pcms]
    streams = [engine.open(options()) for _ in pcms]
    finals: dict[int, str] = {}
    runs = 0
    for start in range(0, max(map(len, pcms)) + 3200, 3200):
        for stream, pcm in zip(streams, pcms, strict=True):
            if start < len(pcm):
                stream.feed(1, start // 2, pcm[start : start + 3200])
            elif start < len(pcm) + 3200:
                stream.finish(1, len(pcm) // 2)
        while engine.has_work:
            engine.run()
            runs += 1
        for place, stream in enumerate(streams):
            if (heard := stream.take()) is not None and heard.final:
                finals[place] = heard.text
    assert [finals[place] for place in range(8)] == alone
    assert runs < sum(len(pcm) for pcm in pcms) / 2 / RATE / 0.5, "one run for many streams"
    for stream in streams:
        stream.close()


def test_partials_come_every_half_second_and_begin_alike(engine):
    partials, heard = live(engine, recording("seen04.wav"))
    assert all(one.consumed_sample + RATE // 2 <= other.consumed_sample for one, other in pairwise(partials))
    assert partials[-1].words[0].text == heard.words[0].text
    assert all(partial.stable_words == 0 and not partial.final for partial in partials)


def test_without_partials_there_is_no_pass_before_the_end(engine, monkeypatch):
    passes = []
    monkeypatch.setattr(engine._decoder, "decode", _counted(engine._decoder.decode, passes))
    stream = engine.open(options(partials=False))
    assert stream.accept(1, 0, recording("seen04.wav")) is None
    assert passes == []
    stream.close()


def _counted(decode, passes):
    def counted(windows):
        passes.extend(window.seconds for window in windows)
        return decode(windows)

    return counted


def test_long_audio_is_heard_as_well_as_by_faster_whisper(engine, rows):
    # The tiny model understands half of it at best: it was hardly trained on more than a sentence.
    names = [row for row in rows if row["file"].startswith("seen")] * 2
    pcm = b"".join(recording(row["file"]) + bytes(RATE // 2) for row in names)
    said = " ".join(row["text"] for row in names)
    samples = np.frombuffer(pcm, np.int16).astype(np.float32) / 32_768
    library = engine._model._model
    segments, _ = library.transcribe(
        samples, language="en", beam_size=1, temperature=0, condition_on_previous_text=False
    )
    direct = word_errors(said, " ".join(segment.text.strip() for segment in segments))
    _, heard = live(engine, pcm)
    assert heard.consumed_sample == len(pcm) // 2
    assert word_errors(said, heard.text) <= direct + 5


def test_a_prompt_goes_into_the_model_and_is_forgotten_after_its_segment(engine, monkeypatch):
    contexts = []
    decode = engine._decoder.decode
    monkeypatch.setattr(
        engine._decoder, "decode", lambda windows: contexts.extend(w.context for w in windows) or decode(windows)
    )
    pcm = recording("seen03.wav")
    stream = engine.open(options(partials=False, hot_words=("kitchen", "garden")))
    stream.begin_segment(1, "go right please")
    stream.feed(1, 0, pcm)
    stream.end_segment(1, len(pcm) // 2)
    stream.feed(2, len(pcm) // 2, pcm)
    stream.end_segment(2, len(pcm))
    first, second = contexts
    hot = tuple(engine.tokens("kitchen, garden"))
    assert first == (*hot, *engine.tokens("go right please"))
    assert second == hot


def test_a_long_prompt_is_cut_at_its_beginning_and_hot_words_stay(engine, monkeypatch):
    contexts = []
    decode = engine._decoder.decode
    monkeypatch.setattr(
        engine._decoder, "decode", lambda windows: contexts.extend(w.context for w in windows) or decode(windows)
    )
    final(engine, recording("seen03.wav"), "red " * 300 + "green", hot_words=("kitchen",))
    hot = tuple(engine.tokens("kitchen"))
    assert len(contexts[0]) == engine.context_max == 223
    assert contexts[0][: len(hot)] == hot
    assert contexts[0][-1] == engine.tokens("green")[-1]


@pytest.mark.parametrize("level", [0, 1, 300, 3000])
def test_noise_has_no_words(engine, level):
    noise = np.random.default_rng(1).normal(0, level, 5 * RATE).astype("<i2").tobytes()
    partials, heard = live(engine, noise)
    assert heard.words == ()
    assert partials == []
    assert heard.confidence is None


def test_music_never_reaches_the_model_and_is_counted(engine, monkeypatch):
    time = np.arange(10 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * note * time) * (1 + 0.3 * np.sin(4 * np.pi * time)) for note in (220, 277, 330, 440))
    pcm = (2000 * chord).astype("<i2").tobytes()
    monkeypatch.setattr(engine._decoder, "decode", None)
    partials, heard = live(engine, pcm)
    assert (partials, heard.words, heard.gated) == ([], (), ("no_voice",))


def test_a_stream_that_the_model_fails_on_does_not_disturb_the_others(engine, rows, monkeypatch):
    pcms = [recording(row["file"]) for row in rows[:3]]
    decode = engine._decoder.decode
    bad = len(pcms[1]) // 2 / RATE

    def failing(windows):
        if any(window.seconds == bad for window in windows):
            raise RuntimeError("the model fails")
        return decode(windows)

    monkeypatch.setattr(engine._decoder, "decode", failing)
    streams = [engine.open(options(partials=False)) for _ in pcms]
    for stream, pcm in zip(streams, pcms, strict=True):
        stream.feed(1, 0, pcm)
        stream.finish(1, len(pcm) // 2)
    while engine.has_work:
        engine.run()
    assert streams[0].take().text == rows[0]["text"]
    with pytest.raises(RuntimeError, match="the model fails"):
        streams[1].take()
    assert streams[2].take().text == rows[2]["text"]
    # It can go on with its next segment.
    monkeypatch.undo()
    streams[1].feed(2, 100_000, pcms[0])
    assert streams[1].end_segment(2, 100_000 + len(pcms[0]) // 2).text == rows[0]["text"]


@pytest.mark.parametrize("step", ["next_window", "note"])
def test_a_bug_in_one_streams_pass_does_not_end_the_process(engine, rows, monkeypatch, step):
    pcm = recording(rows[0]["file"])
    broken, sound = engine.open(options(partials=False)), engine.open(options(partials=False))

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(broken, step, fail)
    for stream in (broken, sound):
        stream.feed(1, 0, pcm)
        stream.finish(1, len(pcm) // 2)
    while engine.has_work:
        engine.run()
    with pytest.raises(ZeroDivisionError):
        broken.take()
    assert sound.take().text == rows[0]["text"]
    for stream in (broken, sound):
        stream.close()


def test_it_is_for_batches_and_tells_what_it_is(engine):
    assert isinstance(engine, BatchedHearing)
    description = engine.description
    assert (description.engine, description.model) == ("faster-whisper", "tiny-whisper-en")
    assert (description.architecture, description.languages) == ("encoder-decoder", ("en",))


def test_another_language_is_refused(engine):
    with pytest.raises(WorkerRejected, match="unknown language 'de'"):
        engine.open(options(language="de"))
    engine.open(options(language="en-GB")).close()


def fault(model: str = MODEL, **setup) -> str:
    with pytest.raises(SetupError) as caught:
        load_hearing("faster-whisper", HearingSetup(model, **{"device": "cpu", **setup}))
    return str(caught.value)


def test_a_missing_model_is_told_with_the_setting_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert fault("").startswith("stt.model: faster-whisper comes without a model; set a folder")
    assert fault("no/such/folder/here").startswith(
        "stt.model: 'no/such/folder/here' is neither a folder here nor in the hub"
    )
    assert fault("./nowhere").startswith("stt.model: there is no folder './nowhere'")
    assert fault("smal.en").startswith(
        "stt.model: there is no folder 'smal.en', and no model of that name; known names: tiny"
    )
    small = fault("small.en")
    assert small.startswith("stt.model: 'small.en' is neither a folder here nor in the hub's cache on this machine")
    assert "python -c 'import faster_whisper; faster_whisper.download_model(\"small.en\")'" in small
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert "has no model.bin and no tokenizer.json" in fault(str(tmp_path / "model"))


def test_a_broken_model_is_told(tmp_path):
    for name in ("config.json", "tokenizer.json", "vocabulary.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((Path(MODEL) / name).read_bytes())
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    assert fault(str(tmp_path)).startswith(f"stt.model: {str(tmp_path)!r} cannot be loaded on cpu: ")


def test_faulty_settings_are_told_with_their_keys():
    assert fault(compute_type="int3").startswith(
        "stt.compute_type: 'int3' is not possible on cpu; use auto or one of: "
    )
    assert fault(compute_type="int8_bfloat16").startswith("stt.compute_type: 'int8_bfloat16' is not supported here")
    assert "stt.options.beam: the engine 'faster-whisper' has no such option" in fault(options={"beam": 5})
    assert fault(options={"windows": "10 20"}).startswith("stt.options.windows: must be ascending numbers from 1 to 30")
    assert fault(options={"windows": "30 10"}).startswith("stt.options.windows: ")
    assert fault(options={"temperatures": "0.2 1"}).startswith("stt.options.temperatures: ")
    assert fault(options={"temperatures": "hot"}).startswith("stt.options.temperatures: ")
    assert fault(options={"batch_size": 0}).startswith("stt.options.batch_size: ")
    assert fault(options={"beam_size": 99}).startswith("stt.options.beam_size: ")
    assert fault(options={"step": 0}).startswith("stt.options.step: ")
    assert fault(options={"trim_after": 29.0}).startswith("stt.options.trim_after: must be 4 to 28 seconds")
    assert fault(options={"voice_threshold": 1.0}).startswith("stt.options.voice_threshold: ")


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 2)
    told = fault(device="cuda", options={"device_index": 2})
    assert told.startswith("stt.options.device_index: must be 0 to 1")


def test_cuda_is_refused_where_there_is_none():
    ctranslate2 = pytest.importorskip("ctranslate2")
    if ctranslate2.get_cuda_device_count() > 0:
        pytest.skip("there is a CUDA device here")
    assert fault(device="cuda").startswith("stt.device: there is no CUDA device")
