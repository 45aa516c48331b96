"""The engines for real use, behind the whole server: as many words right as the same model gets from the file itself,
and none where nobody speaks."""

import csv
import wave
from dataclasses import dataclass

import numpy as np
import pytest
import trio

from voicetrio.cli.recordings import word_errors

from .client import open_client
from .processes import ROOT, ServerProcess, running_server
from .sound import RATE, silence

pytestmark = pytest.mark.slow

COMMANDS = ROOT / "tests" / "recordings" / "commands"
MODELS = ROOT / "tests" / "models"
AT_ONCE = 8
POINTS = 2.0
"""Percent of the words that the server may get wrong beyond what the model does: speech is cut at its pauses here."""
FASTER = 4
"""Times real time, where accuracy is not measured."""
ENGINES = {
    # Its own gate keeps music from the model, which the light detector takes for speech.
    "faster-whisper": ("whisper", "webrtc", f'model = "{MODELS / "tiny-whisper-en"}"\ndevice = "cpu"\n'),
    "sherpa-onnx": ("ctc", "silero", f'model = "{MODELS / "tiny-wenet-ctc"}"\noptions = {{ chunk_size = 4 }}\n'),
}
"""The column of the transcripts with what the model answers, the voice detector, and settings."""


@dataclass(frozen=True, slots=True)
class Spoken:
    name: str
    pcm: bytes
    text: str
    direct: str
    """What the model answers when it is given the whole file."""


def recordings(column: str) -> list[Spoken]:
    with (COMMANDS / "transcripts.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    spoken = []
    for row in rows:
        with wave.open(str(COMMANDS / row["file"])) as file:
            spoken.append(Spoken(row["file"], file.readframes(file.getnframes()), row["text"], row[column]))
    return spoken


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def running(engine: str, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("engine")
    config = folder / "engine.toml"
    _, vad, settings = ENGINES[engine]
    config.write_text(
        f'[stt]\nengine = "{engine}"\n{settings}[tts]\nengine = "none"\n[session]\nmax_rate = 0\nvad = "{vad}"\n'
    )
    with running_server(folder / "server", "config/default.toml", str(config)) as process:
        yield process


async def test_the_server_hears_as_well_as_the_model_itself(engine: str, running: ServerProcess, record_property):
    spoken = recordings(ENGINES[engine][0])
    heard: dict[str, str] = {}
    turns = trio.CapacityLimiter(AT_ONCE)

    async def listen(one: Spoken) -> None:
        async with turns, open_client(running.url) as client:
            await client.play(one.pcm + silence(1.0))
            heard[one.name] = await client.finish()
            assert client.got("error", "session.frames_dropped") == []

    async with trio.open_nursery() as nursery:
        for one in spoken:
            nursery.start_soon(listen, one)
    words = sum(len(one.text.split()) for one in spoken)
    rate = 100 * sum(word_errors(one.text, heard[one.name]) for one in spoken) / words
    direct = 100 * sum(word_errors(one.text, one.direct) for one in spoken) / words
    record_property(
        f"{engine}: word error rate through the server, and of the model itself (%)", f"{rate:.1f}, {direct:.1f}"
    )
    assert rate <= direct + POINTS, {one.name: (one.text, one.direct, heard[one.name]) for one in spoken}
    assert running.metric("stt_worker_recoveries_total") == 0


def fan(seconds: float) -> bytes:
    """A fan: low noise that rumbles, and the hum of its motor; -26 dBFS."""
    dice = np.random.default_rng(1)
    time = np.arange(round(seconds * RATE)) / RATE
    rumble = np.convolve(dice.normal(size=len(time) + 199), np.hanning(200) / 100, "valid")
    hum = 0.3 * np.sin(2 * np.pi * 100 * time) + 0.2 * np.sin(2 * np.pi * 200 * time)
    return pcm(rumble / np.std(rumble) + hum, 0.05)


def music(seconds: float) -> bytes:
    """Chords with their overtones, a melody with vibrato, and a beat; -20 dBFS."""
    dice = np.random.default_rng(2)
    time = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros(len(time))
    chords = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (164.8, 207.7, 246.9))
    for start in np.arange(0, seconds, 0.5):
        part = (time >= start) & (time < start + 0.5)
        inside = time[part] - start
        notes = [*chords[int(start / 2) % 4], chords[int(start / 2) % 4][dice.integers(3)] * 2]
        for note in notes:
            vibrato = 1 + 0.004 * np.sin(2 * np.pi * 5.5 * inside)
            for overtone in range(1, 5):
                sound[part] += (
                    np.sin(2 * np.pi * note * overtone * inside * vibrato) / overtone**1.5 * np.exp(-2 * inside)
                )
        sound[part] += 1.5 * dice.normal(size=part.sum()) * np.exp(-60 * inside)
    return pcm(sound / np.std(sound), 0.1)


def pcm(sound: np.ndarray, level: float) -> bytes:
    return (np.clip(sound * level, -1, 1) * 32_767).astype("<i2").tobytes()


async def test_no_words_come_out_of_a_minute_in_which_nobody_speaks(
    engine: str, running: ServerProcess, record_property
):
    async def listen(name: str, sound: bytes) -> None:
        async with open_client(running.url) as client:
            whole = sound + silence(1.0)
            await client.play_frames(
                (whole[start : start + 640] for start in range(0, len(whole), 640)), FASTER * 2 * RATE
            )
            heard = await client.finish()
            record_property(f"{engine}: a minute of {name}: taken for speech", len(client.got("vad.speech_start")))
            assert heard.split() == []
            assert client.got("transcript.partial", "error", "session.frames_dropped") == []

    async with trio.open_nursery() as nursery:
        for name, sound in (("silence", silence(60.0)), ("fan noise", fan(60.0)), ("music", music(60.0))):
            nursery.start_soon(listen, name, sound)
    if engine == "faster-whisper":
        assert running.metric('voicetrio_hallucinations_gated_total{why="no_voice"}') > 0
