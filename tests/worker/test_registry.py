"""Engines by name: our own, and those that other packages bring with an entry point."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from voicetrio.worker.engines.contract import HearingSetup, SpeakingSetup
from voicetrio.worker.engines.registry import hearing_entry, load_hearing, load_speaking
from voicetrio.worker.errors import SetupError

ENGINE = """
from voicetrio.worker.engines.registry import EngineEntry

def open_loud(setup):
    return ("loud", setup)

ENTRY = EngineEntry(__name__, "open_loud")
NOT_AN_ENTRY = "open_loud"
"""

Install = Callable[[str, dict[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A module and the package's description beside it, as pip leaves them; group and entry points are the test's."""

    def write(group: str, points: dict[str, str]) -> None:
        about = tmp_path / "loud-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (about / "entry_points.txt").write_text("\n".join(lines))
        (tmp_path / "loud_engine.py").write_text(ENGINE)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "loud_engine", raising=False)

    return write


def test_an_engine_of_another_package_is_loaded_by_its_name(install):
    install("voicetrio.stt_engines", {"loud": "loud_engine:ENTRY"})
    setup = HearingSetup(options={"volume": 11})
    assert load_hearing("loud", setup) == ("loud", setup)
    with pytest.raises(SetupError, match=r"tts\.engine: there is no engine 'loud'"):
        load_speaking("loud", SpeakingSetup())


def test_a_voice_of_another_package_is_loaded_by_its_name(install):
    install("voicetrio.tts_engines", {"loud": "loud_engine:ENTRY"})
    assert load_speaking("loud", SpeakingSetup("deep")) == ("loud", SpeakingSetup("deep"))


def test_nobody_takes_an_engines_place(install):
    install("voicetrio.stt_engines", {"instant": "loud_engine:ENTRY", "none": "loud_engine:ENTRY"})
    assert hearing_entry("instant").module == "voicetrio.worker.engines.instant"


def test_an_unknown_name_is_answered_with_ours_and_theirs(install):
    install("voicetrio.stt_engines", {"loud": "loud_engine:ENTRY"})
    with pytest.raises(
        SetupError, match=r"stt\.engine: there is no engine 'lout'; use one of: pocketsphinx.*loud, none"
    ):
        load_hearing("lout", HearingSetup())
    with pytest.raises(SetupError, match=r"tts\.engine: there is no engine ''; use one of: espeak-ng.*none"):
        load_speaking("", SpeakingSetup())


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("loud_engine:NOTHING", r"cannot be loaded: AttributeError"),
        ("no_such_module:ENTRY", r"cannot be loaded: ModuleNotFoundError"),
        ("loud_engine:NOT_AN_ENTRY", r"is no EngineEntry"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_named(install, value, why):
    install("voicetrio.stt_engines", {"loud": value})
    with pytest.raises(SetupError, match=rf"stt\.engine: .*{why}") as caught:
        load_hearing("loud", HearingSetup())
    assert "loud" in str(caught.value)
    assert value in str(caught.value)


def test_a_broken_package_is_in_nobody_elses_way(install):
    install("voicetrio.stt_engines", {"broken": "no_such_module:ENTRY", "loud": "loud_engine:ENTRY"})
    assert load_hearing("loud", HearingSetup()) == ("loud", HearingSetup())


def test_no_engine_is_imported_before_it_is_asked_for():
    """Its package may not be there, and most take seconds to import."""
    program = "import sys, voicetrio.worker.engines.registry as r; r.hearing_entry('pocketsphinx'); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    imported = set(result.stdout.split())
    assert "voicetrio.worker.engines.contract" in imported
    assert (
        not {f"voicetrio.worker.engines.{name}" for name in ("pocketsphinx", "espeak", "instant", "piper")} & imported
    )
    assert not {"numpy", "ctranslate2", "sherpa_onnx", "piper", "onnxruntime", "pocketsphinx"} & imported
