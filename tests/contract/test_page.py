"""The page docs/engines.md: its example is an engine, its commands work, and its tables are the engines' own."""

import os
import re
import subprocess
import sys
import tomllib
import wave
from pathlib import Path

import pytest
import trio

from tests.worker.worker_client import open_client, text_of, until
from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import HearingSetup, StreamOptions
from voicetrio.worker.engines.registry import load_hearing, load_speaking
from voicetrio.worker.errors import SetupError

from .calling import hear
from .engines import HEARING_CASES, SPEAKING_CASES
from .installing import PAGE, page_block, touch_tones, write_package
from .material import KEYS, RATE, RECORDINGS, dialled, noise, read_recordings

ROOT = Path(__file__).parents[2]
ENTRY_POINTS = '[project.entry-points."voicetrio.stt_engines"]'


def keys_heard(pcm: bytes, **options: float) -> str:
    stream = load_hearing("touch-tones", HearingSetup(options=options)).open(StreamOptions("test", "en"))
    return hear(stream, pcm)[1].text


def test_the_example_has_forty_lines():
    assert len([line for line in touch_tones().splitlines() if line.strip()]) <= 40
    assert all(len(line) <= 120 for line in touch_tones().splitlines())


def test_the_example_hears_every_key_at_the_standards_least_length():
    keys = " ".join([*KEYS, *reversed(KEYS), "one one one"])
    assert keys_heard(dialled(keys, tone_ms=40, pause_ms=40).pcm) == keys
    assert keys_heard(dialled(keys, tone_ms=500, pause_ms=300).pcm) == keys


def test_the_example_hears_no_key_in_speech_or_noise():
    for folder in ("english", "commands"):
        for recording in read_recordings(RECORDINGS / folder):
            assert keys_heard(recording.pcm) == "", recording.name
    assert keys_heard(noise(10, 3000)) == ""


def test_the_examples_option_is_obeyed():
    recording = dialled("one two three")
    assert keys_heard(recording.pcm, least_level=10_000) == ""
    with pytest.raises(SetupError, match=r"stt\.options\.least_level: must be an integer"):
        keys_heard(recording.pcm, least_level=0.5)
    with pytest.raises(WorkerRejected):
        load_hearing("touch-tones", HearingSetup()).open(StreamOptions("test", "de"))


def test_the_pages_entry_point_is_what_the_tests_install():
    assert tomllib.loads(page_block(ENTRY_POINTS, "toml")) == {
        "project": {"entry-points": {"voicetrio.stt_engines": {"touch-tones": "touch_tones:ENTRY"}}}
    }


def options_told(error: SetupError) -> set[str]:
    found = re.search(r"it has (.*)$", str(error))
    return set() if found is None or found[1] == "none" else set(found[1].split(", "))


def options_on_page(engine: str) -> set[str]:
    section = re.search(rf"^## {engine}\n(.*?)(?=^## )", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert section is not None, f"the page has no section {engine}"
    table = section[1].partition("| option | default | |\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_the_pages_options_are_the_engines_own():
    without_section = {"instant", "batched", "touch-tones"}
    loads = [(load_hearing, case) for case in HEARING_CASES] + [(load_speaking, case) for case in SPEAKING_CASES]
    for load, case in loads:
        if case.name not in without_section:
            with pytest.raises(SetupError) as caught:
                load(case.name, type(case.setup)(options={"no_such_option": 1}))
            assert options_on_page(case.name) == options_told(caught.value), case.name


def test_every_engine_is_in_the_pages_table_and_in_the_readme():
    for path in (PAGE, ROOT / "README.md"):
        named = set(re.findall(r"^\| `?([\w-]+)`? \|", path.read_text(), re.MULTILINE))
        for case in [*HEARING_CASES, *SPEAKING_CASES]:
            assert case.name in named | {"batched", "touch-tones"}, f"{case.name} in {path.name}"


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The example as a package that is installed, and nothing else: the environment of a process that finds it."""
    return install(tmp_path / "installed", touch_tones())


def install(folder: Path, source: str) -> dict[str, str]:
    folder.mkdir()
    points = tomllib.loads(page_block(ENTRY_POINTS, "toml"))["project"]["entry-points"]
    write_package(folder, "touch-tones", {"touch_tones": source}, points)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.mark.slow
async def test_one_line_of_configuration_and_a_worker_hears_the_keys(tmp_path, installed):
    config = tmp_path / "keys.toml"
    config.write_text(page_block("stt.engine", "toml"))
    address = f"unix:{tmp_path}/w.sock"
    command = [sys.executable, "-P", "-m", "voicetrio.cli.main", "worker", "--config", str(config), "--listen", address]
    recording = dialled("zero one eight star")
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(trio.run_process, command)
            async with open_client(address) as client:
                await until(lambda: serves(client))
                assert (await client.describe()).stt.engine == "touch-tones"
                async with client.transcribe() as stream:
                    await stream.config(partials=True)
                    await stream.segment(0, 0, recording.pcm)
                    assert text_of(await stream.final()) == recording.text
            process.terminate()


async def serves(client) -> bool:
    try:
        return await client.is_healthy()
    except OSError:
        return False


def save_recordings(folder: Path) -> None:
    folder.mkdir()
    rows = ["file\ttext"]
    for number, keys in enumerate(("one two three", "four five six", "seven eight nine zero")):
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(dialled(keys).pcm)
        rows.append(f"{number}.wav\t{keys}")
    (folder / "transcripts.tsv").write_text("\n".join(rows) + "\n")


def run_contract(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/contract", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_the_contract_runs_on_an_engine_that_is_named(tmp_path, installed):
    recordings = tmp_path / "recordings"
    save_recordings(recordings)
    arguments = ("--engine", "touch-tones", "--recordings", str(recordings), "--word-error-rate", "0")
    result = run_contract(installed, *arguments)
    assert result.returncode == 0, result.stdout
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed is not None
    assert int(passed[1]) >= 40
    deaf = touch_tones().replace("KEYS[3 * low.argmax() + high.argmax()]", "KEYS[0]")
    assert deaf != touch_tones()
    result = run_contract(install(tmp_path / "deaf", deaf), *arguments)
    assert result.returncode == 1
    assert "test_the_recordings_are_understood[touch-tones-plain]" in result.stdout


@pytest.mark.slow
def test_a_name_that_is_no_engine_is_told(installed):
    result = run_contract(installed, "--engine", "tuch-tones")
    assert result.returncode == 4
    assert "there is no engine 'tuch-tones'" in result.stderr
