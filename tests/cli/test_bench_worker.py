"""`voicetrio bench worker`: the same work done in batches and one by one."""

import json
import random
from pathlib import Path

import pytest

from voicetrio.cli.bench_worker import hear_alone, hear_together
from voicetrio.cli.main import main

from ..fakes.audio import silence, word
from ..worker.whisper.test_long_segments import open_engine

TESTS = Path(__file__).parents[1]
COMMANDS = TESTS / "recordings" / "commands"
MODEL = ["--model", str(TESTS / "models" / "tiny-whisper-en"), "--device", "cpu", "--threads", "1"]


def sentences(count: int) -> list[bytes]:
    return [
        b"".join(word(100 * place + number) + silence(0.1) for number in range(1, 6)) for place in range(1, count + 1)
    ]


def test_both_ways_hear_the_same_words_and_batches_need_fewer_runs():
    audio = sentences(4)
    engine, _ = open_engine(random.Random(1))
    together, alone = hear_together(engine, audio), hear_alone(engine, audio)
    expected = tuple(" ".join(f"w{100 * place + number}" for number in range(1, 6)) for place in range(1, 5))
    assert together.finals == alone.finals == expected
    assert together.answers == alone.answers
    assert together.runs * 4 == alone.runs
    assert together.seconds > 0
    assert alone.seconds > 0


def test_streams_of_different_lengths_all_get_their_finals():
    audio = [pcm[: len(pcm) * (place + 1) // 4] for place, pcm in enumerate(sentences(4))]
    engine, _ = open_engine(random.Random(1))
    assert all(hear_together(engine, audio).finals)
    assert hear_together(engine, [*audio, b""]).finals[-1] == ""


@pytest.fixture
def few(tmp_path) -> str:
    """A folder with three of the recordings."""
    rows = (COMMANDS / "transcripts.tsv").read_text().splitlines()
    kept = [row for row in rows if row.startswith(("file", "short01", "short02", "seen02"))]
    (tmp_path / "transcripts.tsv").write_text("\n".join(kept))
    for row in kept[1:]:
        name = row.partition("\t")[0]
        (tmp_path / name).symlink_to(COMMANDS / name)
    return str(tmp_path)


@pytest.mark.slow
def test_the_command_tells_the_ratio(capsys, few):
    assert main(["bench", "worker", few, *MODEL, "--streams", "2", "--json"]) == 0
    runs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [run["run"] for run in runs] == ["batched", "one by one", "one by one, windows of 30 s"]
    assert all(run["engine_seconds"] > 0 and run["audio_seconds"] > 10 for run in runs)
    assert runs[0]["runs"] < runs[1]["runs"]


@pytest.mark.slow
def test_windows_are_compared_where_there_are_texts(capsys, few):
    assert main(["bench", "worker", few, *MODEL, "--windows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1].split()[:2] == ["windows", "30"]
    assert main(["bench", "worker", *MODEL, "--windows"]) == 2
    assert "--windows needs faster-whisper, and a folder of recordings" in capsys.readouterr().err


def test_what_cannot_be_measured_is_told(capsys, tmp_path):
    assert main(["bench", "worker", "--engine", "instant"]) == 2
    assert "the engine 'instant' decodes one stream at a time" in capsys.readouterr().err
    assert main(["bench", "worker", "--engine", "wisper"]) == 2
    assert "stt.engine: there is no engine 'wisper'" in capsys.readouterr().err
    assert main(["bench", "worker"]) == 2
    assert "stt.model: faster-whisper comes without a model" in capsys.readouterr().err
    assert main(["bench", "worker", str(tmp_path)]) == 2
    assert "transcripts.tsv cannot be read" in capsys.readouterr().err
