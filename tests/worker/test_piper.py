"""piper with tiny voices whose phonemes are tones: real loading, real phonemizer, real runtime."""

import json
import logging
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import trio
from piper import PiperVoice

from voicetrio.core.errors import WorkerRejected, WorkerUnavailable
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.contract import PieceRequest, SpeakingEngine, SpeakingSetup, SpokenChunk
from voicetrio.worker.engines.piper import PHONEMES_MAX
from voicetrio.worker.engines.registry import load_speaking
from voicetrio.worker.errors import SetupError

from .worker_client import open_worker, until

VOICES = Path(__file__).parents[1] / "models" / "piper"
PLAIN, TIMED, CHORD = "en_US-tone-medium", "en_GB-timed-medium", "de_DE-chord-low"
STEADY = {"noise_scale": 0.0, "noise_w_scale": 0.0}
"""The same text has the same samples, every time."""
TEXT = "One sentence is here. Another one follows it."


@pytest.fixture(autouse=True)
def _as_if_onnx_were_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)


def open_engine(voice: str = PLAIN, model: Path | str = VOICES, **options) -> SpeakingEngine:
    return load_speaking("piper", SpeakingSetup(voice=voice, model=str(model), options=options))


def speak(engine: SpeakingEngine, text: str, *, speed=1.0, voice="", pause_after=False) -> list[SpokenChunk]:
    chunks: list[SpokenChunk] = []
    engine.speak(PieceRequest(text, engine.resolve_voice(voice), speed, pause_after), chunks.append)
    return chunks


def pcm_of(chunks: list[SpokenChunk]) -> np.ndarray:
    return np.frombuffer(b"".join(chunk.pcm for chunk in chunks), np.int16)


def marked(chunks: list[SpokenChunk], text: str) -> list[str]:
    return [text[mark.text_offset : mark.text_offset + mark.text_length] for chunk in chunks for mark in chunk.marks]


def pitch(pcm: np.ndarray, rate: int) -> float:
    """Of the strongest tone, in Hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(pcm)))) * rate / len(pcm)


@pytest.fixture
def runs(monkeypatch) -> list[int]:
    """How many inputs each run of a net had, so far."""
    counted: list[int] = []
    original = PiperVoice.phoneme_ids_to_audio

    def count(self, ids, *args, **kwargs):
        counted.append(len(ids))
        return original(self, ids, *args, **kwargs)

    monkeypatch.setattr(PiperVoice, "phoneme_ids_to_audio", count)
    return counted


def test_every_voice_and_speaker_is_described():
    description = open_engine().description
    assert [(voice.name, voice.language) for voice in description.voices] == [
        (CHORD, "de-de"),
        (f"{CHORD}#alto", "de-de"),
        (f"{CHORD}#bass", "de-de"),
        (f"{CHORD}#tenor", "de-de"),
        (TIMED, "en-gb"),
        (PLAIN, "en-us"),
    ]
    assert (description.engine, description.default_voice, description.sample_rate) == ("piper", PLAIN, 22_050)


def test_a_voice_is_asked_for_by_name_or_language():
    engine = open_engine()
    wanted = ["", PLAIN.upper(), "en-us", "en", "en_gb", "DE", f"{CHORD}#Bass", TIMED]
    names = [PLAIN, PLAIN, PLAIN, PLAIN, TIMED, CHORD, f"{CHORD}#bass", TIMED]
    assert [engine.resolve_voice(name) for name in wanted] == names
    for name in ("nobody", f"{CHORD}#soprano", f"{PLAIN}#0", str(VOICES / f"{PLAIN}.onnx"), f"../piper/{PLAIN}"):
        with pytest.raises(WorkerRejected, match=PLAIN):
            engine.resolve_voice(name)


def test_without_a_default_voice_it_is_the_first_by_name():
    engine = open_engine("")
    assert (engine.description.default_voice, engine.description.sample_rate) == (CHORD, 16_000)


def test_the_default_voice_may_be_a_language_a_speaker_or_a_file():
    assert open_engine("en").description.default_voice == TIMED
    assert open_engine(f"{CHORD}#tenor").description.default_voice == f"{CHORD}#tenor"
    alone = open_engine(f"{VOICES / CHORD}.onnx#bass", model="").description
    assert alone.default_voice == f"{CHORD}#bass"
    assert {voice.name.partition("#")[0] for voice in alone.voices} == {CHORD}


def test_what_is_missing_is_told_with_the_setting_the_file_and_where_it_comes_from(tmp_path):
    cases = [
        ("", "", [r"tts\.model", "FOLDER", "download_voices en_US-lessac-medium"]),
        ("", str(tmp_path / "none"), [r"tts\.model", "no folder", "none"]),
        ("xx_YY-me-low", str(tmp_path), [r"tts\.model", "no voice in", "download_voices xx_YY-me-low"]),
        ("xx_YY-me-low", str(VOICES), [r"tts\.voice", r"xx_YY-me-low\.onnx,", "download_voices xx_YY-me-low", PLAIN]),
        (f"{tmp_path}/xx_YY-me-low.onnx", "", [r"tts\.voice", r"no file .*/xx_YY-me-low\.onnx", "download_voices"]),
    ]
    for voice, model, texts in cases:
        with pytest.raises(SetupError) as caught:
            open_engine(voice, model)
        for text in texts:
            caught.match(text)


def test_all_faults_of_a_folder_are_told_at_once(tmp_path):
    settings = json.loads((VOICES / f"{CHORD}.onnx.json").read_text())
    faulty = {
        "a": None,
        "b": "{",
        "c": "[]",
        "d": json.dumps({**settings, "audio": {"sample_rate": 4000}}),
        "e": json.dumps({**settings, "speaker_id_map": {"alto": 7}}),
        "f": json.dumps({name: value for name, value in settings.items() if name != "phoneme_id_map"}),
    }
    for name, text in faulty.items():
        (tmp_path / f"{name}.onnx").touch()
        if text is not None:
            (tmp_path / f"{name}.onnx.json").write_text(text)
    with pytest.raises(SetupError) as caught:
        open_engine("", tmp_path)
    lines = str(caught.value).splitlines()
    assert [f"/{name}.onnx" in line for name, line in zip(faulty, lines, strict=True)] == [True] * len(faulty)
    assert all(line.startswith("tts.model: ") for line in lines)


def test_a_net_that_is_none_or_another_one_is_told_at_the_start(tmp_path):
    shutil.copytree(VOICES, tmp_path, dirs_exist_ok=True)
    (tmp_path / f"{PLAIN}.onnx").write_bytes(b"no net")
    shutil.copy(tmp_path / f"{CHORD}.onnx", tmp_path / f"{TIMED}.onnx")  # it wants to be told a speaker
    for voice in (PLAIN, TIMED):
        with pytest.raises(SetupError, match=rf"tts\.voice: .*{voice}\.onnx cannot be loaded"):
            open_engine(voice, tmp_path)


def test_options_that_make_no_sense_are_told_together():
    with pytest.raises(SetupError) as caught:
        open_engine(volume=9.0, voices_loaded=0)
    caught.match(r"tts\.options\.volume")
    caught.match(r"tts\.options\.voices_loaded")
    with pytest.raises(SetupError, match=r"tts\.options\.loudness"):
        open_engine(loudness=1)


def test_cuda_is_not_promised_where_there_is_none(monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(SetupError, match=r"^tts\.device: .*onnxruntime-gpu"):
        load_speaking("piper", SpeakingSetup(voice=PLAIN, model=str(VOICES), device="cuda"))


def test_a_chinese_voice_downloads_nothing_by_itself(tmp_path, monkeypatch):
    shutil.copy(VOICES / f"{PLAIN}.onnx", tmp_path / "zh_CN-tone-low.onnx")
    settings = json.loads((VOICES / f"{PLAIN}.onnx.json").read_text())
    settings.update(phoneme_type="pinyin", language={"code": "zh_CN"})
    (tmp_path / "zh_CN-tone-low.onnx.json").write_text(json.dumps(settings))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("it has asked the network"))
    with pytest.raises(SetupError, match=r"tts\.voice: .*g2pW"):
        open_engine("", tmp_path)


def test_texts_and_speakers_sound_different_and_a_text_like_itself():
    engine = open_engine(**STEADY)
    assert np.array_equal(pcm_of(speak(engine, "mama")), pcm_of(speak(engine, "mama")))
    assert not np.array_equal(pcm_of(speak(engine, "mama")), pcm_of(speak(engine, "papa")))
    low, high = (pcm_of(speak(engine, "a", voice=f"{CHORD}#{name}")) for name in ("alto", "tenor"))
    assert pitch(high, 22_050) == pytest.approx(2 * pitch(low, 22_050), rel=0.02)


def test_chance_volume_and_rhythm_are_options():
    text = "a chance"
    assert not np.array_equal(pcm_of(speak(engine := open_engine(), text)), pcm_of(speak(engine, text)))
    engine = open_engine(noise_scale=0.0, noise_w_scale=2.0)
    assert len({len(pcm_of(speak(engine, TEXT))) for _ in range(3)}) > 1
    loud, quiet = (pcm_of(speak(open_engine(**STEADY, volume=volume), text)) for volume in (1.0, 0.25))
    assert np.abs(loud).max() == 32767
    assert np.abs(quiet).max() == pytest.approx(32767 / 4, abs=1)


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_speed_changes_the_length(speed):
    engine = open_engine(**STEADY)
    usual = len(pcm_of(speak(engine, TEXT, pause_after=True)))
    assert len(pcm_of(speak(engine, TEXT, speed=speed, pause_after=True))) == pytest.approx(usual / speed, rel=0.02)


def test_the_first_sentence_is_heard_before_the_second_is_made(runs):
    engine = open_engine()
    runs.clear()
    seen: list[int] = []
    engine.speak(PieceRequest(TEXT, PLAIN, 1.0, True), lambda chunk: seen.append(len(runs)))
    assert seen[0] == 1
    assert sorted(set(seen)) == [1, 2]


def test_chunks_are_short():
    assert max(len(chunk.pcm) for chunk in speak(open_engine(), TEXT)) <= 2 * 22_050 * 60 // 1000


@pytest.mark.parametrize("voice", [PLAIN, CHORD])
def test_what_emit_raises_in_mid_sentence_stops_it(runs, voice):
    engine = open_engine(**STEADY)
    expected = pcm_of(speak(engine, TEXT, voice=voice))
    runs.clear()
    calls = []

    def emit(chunk: SpokenChunk) -> None:
        calls.append(chunk)
        if len(calls) == 3:
            raise KeyError("stop")

    with pytest.raises(KeyError):
        engine.speak(PieceRequest(TEXT, voice, 1.0, True), emit)
    assert (len(calls), len(runs)) == (3, 1)
    assert np.array_equal(pcm_of(speak(engine, TEXT, voice=voice)), expected)


def test_there_is_silence_after_sentences_where_a_speaker_would_pause():
    without = len(pcm_of(speak(open_engine(**STEADY, sentence_silence=0.0), TEXT)))
    engine = open_engine(**STEADY, sentence_silence=0.5)
    between, after = (pcm_of(speak(engine, TEXT, pause_after=pause)) for pause in (False, True))
    assert len(between) == without + 22_050 // 2
    assert len(after) == without + 22_050
    assert not after[-22_050 // 2 :].any()


@pytest.mark.parametrize("text", ["", " ", "...", "\0", "\ud800", "\n\n", "[[[["])
def test_what_cannot_be_heard_makes_no_sound(text):
    assert speak(open_engine(), text, pause_after=True) == []


@pytest.mark.parametrize("text", ["<b>", "[[h@loU]]", "a\0b", "😀", "\u0301", "7" * 200, "one\ntwo", "[[", "a [[b"])
def test_odd_texts_are_spoken(text):
    speak(open_engine(), text)


@pytest.mark.parametrize("text", ["[[aaaa]]", "[[[aaaa]]]", "[[aaaa", "[ [[aaaa]]"])
def test_phonemes_in_a_text_are_read_out_and_not_obeyed(text):
    engine = open_engine(**STEADY)
    assert np.array_equal(pcm_of(speak(engine, text)), pcm_of(speak(engine, "aaaa")))


def test_a_name_with_a_title_is_one_sentence(runs):
    engine = open_engine()
    runs.clear()
    speak(engine, "Dr. Smith and Mrs. Jones have met J. S. Bach.")
    assert len(runs) == 1


def test_a_sentence_without_end_is_made_in_parts(runs):
    text = "987654321 " * 20
    engine = open_engine(**STEADY)
    runs.clear()
    chunks = speak(engine, text)
    assert len(runs) > 2
    assert max(runs) <= 2 * PHONEMES_MAX + 3  # each phoneme has padding after it
    assert marked(chunks, text) == [text.strip()]


def test_the_words_of_a_sentence_in_parts_have_one_mark_each():
    text = "987654321 " * 12
    chunks = speak(open_engine(TIMED, **STEADY), text)
    assert marked(chunks, text) == text.split()
    starts = [mark.start_sample for chunk in chunks for mark in chunk.marks]
    steps = [later - earlier for earlier, later in pairwise(starts)]
    assert max(steps) < 1.2 * min(steps)


def test_without_alignments_sentences_have_marks():
    engine = open_engine(**STEADY)
    chunks = speak(engine, TEXT)
    first, second = (mark for chunk in chunks for mark in chunk.marks)
    assert marked(chunks, TEXT) == ["One sentence is here.", "Another one follows it."]
    assert not engine.description.word_marks
    length = len(pcm_of(speak(engine, "One sentence is here.", pause_after=True)))
    assert (first.start_sample, second.start_sample) == (0, length)


@pytest.mark.parametrize("default", [TIMED, CHORD])
def test_with_alignments_words_have_marks_where_they_begin(default):
    engine = open_engine(default, **STEADY)
    assert engine.description.word_marks == (default == TIMED)
    text = "Hello 😀 world, it costs 42 dollars. Bye now."
    chunks = speak(engine, text, voice=TIMED)
    assert marked(chunks, text) == ["Hello", "😀", "world,", "it", "costs", "42", "dollars.", "Bye", "now."]
    starts = [mark.start_sample for chunk in chunks for mark in chunk.marks]
    assert all(one < other for one, other in pairwise(starts))
    # A word begins with a stress mark, or at once with a tone; before it is the pause between words.
    sound = np.abs(pcm_of(chunks).astype(int)) > 1000
    ms = engine.description.sample_rate // 1000
    for start in starts[1:]:
        assert not sound[start - 20 * ms : start - ms].any()
        assert sound[start : start + 40 * ms].any()


def test_the_speed_moves_the_marks():
    engine = open_engine(TIMED, **STEADY, sentence_silence=0.0)
    usual, fast = (
        [mark.start_sample for chunk in speak(engine, TEXT, speed=speed) for mark in chunk.marks] for speed in (1, 2)
    )
    assert len(usual) == len(TEXT.split())
    assert fast == pytest.approx([start / 2 for start in usual], abs=22_050 * 0.02)


def test_with_onnx_any_voice_has_words(monkeypatch):
    monkeypatch.delitem(sys.modules, "onnx")
    pytest.importorskip("onnx")
    engine = open_engine()
    assert engine.description.word_marks
    assert marked(speak(engine, TEXT), TEXT) == TEXT.split()


def test_voices_of_another_rate_are_resampled():
    own, other = open_engine(CHORD, **STEADY), open_engine(PLAIN, **STEADY)
    text = "Guten Tag. Wie geht es?"
    expected, resampled = pcm_of(speak(own, text)), pcm_of(speak(other, text, voice=CHORD))
    assert len(resampled) / 22_050 == pytest.approx(len(expected) / 16_000, abs=0.001)
    assert pitch(resampled, 22_050) == pytest.approx(pitch(expected, 16_000), rel=0.01)
    marks, other_marks = (
        [mark.start_sample / rate for chunk in speak(engine, text, voice=CHORD) for mark in chunk.marks]
        for engine, rate in ((own, 16_000), (other, 22_050))
    )
    assert other_marks == pytest.approx(marks, abs=0.001)


@pytest.mark.parametrize(("limit", "loads"), [(1, 5), (2, 3), (4, 3)])
def test_no_more_voices_are_kept_loaded_than_set(monkeypatch, limit, loads):
    loaded = []
    original = PiperVoice.load
    monkeypatch.setattr(PiperVoice, "load", lambda path, **more: loaded.append(path) or original(path, **more))
    engine = open_engine(voices_loaded=limit)
    for voice in (f"{CHORD}#alto", f"{CHORD}#bass", PLAIN, CHORD, TIMED):
        assert speak(engine, "yes", voice=voice)
    assert len(loaded) == loads


def test_the_voice_unused_for_longest_makes_room(monkeypatch):
    loaded = []
    original = PiperVoice.load
    monkeypatch.setattr(PiperVoice, "load", lambda path, **more: loaded.append(path.stem) or original(path, **more))
    engine = open_engine(PLAIN, voices_loaded=2)
    for voice in (CHORD, PLAIN, TIMED, PLAIN, CHORD):
        speak(engine, "yes", voice=voice)
    assert loaded == [PLAIN, CHORD, TIMED, CHORD]


def test_a_voice_that_cannot_be_loaded_any_more_concerns_its_own_call(tmp_path, capsys):
    shutil.copytree(VOICES, tmp_path, dirs_exist_ok=True)
    engine = open_engine(PLAIN, tmp_path)
    (tmp_path / f"{TIMED}.onnx").unlink()
    with pytest.raises(WorkerUnavailable) as caught:
        speak(engine, "yes", voice=TIMED)
    assert str(tmp_path) not in str(caught.value)
    assert str(tmp_path) in capsys.readouterr().out
    assert speak(engine, "yes")


def test_a_failure_of_the_net_is_told_without_the_text(monkeypatch):
    engine = open_engine()

    def fail(*args, **kwargs):
        raise RuntimeError("cannot say secret")

    monkeypatch.setattr(PiperVoice, "phoneme_ids_to_audio", fail)
    with pytest.raises(WorkerUnavailable, match="piece of the text") as caught:
        speak(engine, "secret")
    assert "secret" not in str(caught.value)


def test_what_is_spoken_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    engine = open_engine()
    speak(engine, "confidential \u0f40")
    engine._voices.get(engine._catalogue.speakers[PLAIN][0])._voice.phonemes_to_ids(["\u0f40"])
    assert caplog.text == ""


def test_espeak_and_piper_do_not_disturb_each_other():
    espeak, piper = load_speaking("espeak-ng", SpeakingSetup()), open_engine(**STEADY)
    expected = {"de": [], "en-us": []}
    for name in expected:
        expected[name] = [pcm_of(speak(engine, "Hallo, one two", voice=name)) for engine in (espeak, piper)]
    for name in ("en-us", "de", "de", "en-us"):
        for engine, alone in zip((espeak, piper), expected[name], strict=True):
            assert len(pcm_of(speak(engine, "Hallo, one two", voice=name))) == pytest.approx(len(alone), rel=0.02)


CONFIG = WorkerConfig(
    listen="127.0.0.1:0", stt_engine="none", tts_engine="piper", tts_voice=TIMED, tts_model=str(VOICES), tts_slots=2
)


def seconds_of(replies) -> float:
    return sum(len(reply.pcm) for reply in replies) / 2 / replies[0].sample_rate_hz


async def test_a_worker_speaks_with_it():
    text = f"{TEXT} " * 10
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            description = (await client.describe()).tts
            assert (description.engine, description.default_voice, description.word_marks) == ("piper", TIMED, True)
            assert len(description.voices) == 6
            replies = await client.speak(text)
            marks = [mark for reply in replies for mark in reply.marks]
            assert [text[m.text_offset : m.text_offset + m.text_length] for m in marks] == text.split()
            assert [m.start_sample for m in marks] == sorted(m.start_sample for m in marks)
            assert {reply.sample_rate_hz for reply in replies} == {22_050}
            usual = seconds_of(await client.speak(TEXT))
            assert seconds_of(await client.speak(TEXT, speed=2.0)) < 0.7 * usual
            assert seconds_of(await client.speak(TEXT, voice="de")) != pytest.approx(usual, rel=0.01)
            assert await client.speak("...") == []


async def test_a_call_that_is_cancelled_in_mid_text_stops_and_frees_its_slot(runs):
    text = f"{TEXT} " * 200
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            async with client.synthesize(text) as stream:
                assert (await stream.receive()).pcm
            await until(client.has_slots_in_use)
            assert len(runs) < 200
            assert await client.speak("and on")
