"""What is wrong with a configuration is told when an engine is loaded, by the setting that a person has to change."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from voicetrio.worker.engines.registry import HEARING, SPEAKING, load_hearing, load_speaking
from voicetrio.worker.errors import SetupError

from .engines import HEARING_CASES, SPEAKING_CASES


def test_an_unknown_option_is_told_with_its_key_and_what_there_is(hearing_case):
    setup = replace(hearing_case.setup, options={**hearing_case.setup.options, "no_such_option": 1, "nor_this": "x"})
    with pytest.raises(SetupError) as caught:
        load_hearing(hearing_case.name, setup)
    assert "stt.options.no_such_option: " in str(caught.value)
    assert "stt.options.nor_this: " in str(caught.value)
    assert repr(hearing_case.name) in str(caught.value)


def test_an_unknown_option_of_speech_is_told_with_its_key_and_what_there_is(speaking_case):
    setup = replace(speaking_case.setup, options={**speaking_case.setup.options, "no_such_option": 1, "nor_this": "x"})
    with pytest.raises(SetupError) as caught:
        load_speaking(speaking_case.name, setup)
    assert "tts.options.no_such_option: " in str(caught.value)
    assert "tts.options.nor_this: " in str(caught.value)
    assert repr(speaking_case.name) in str(caught.value)


@pytest.mark.parametrize("model", ["nowhere", "empty", "a file"])
def test_a_missing_model_names_the_setting_and_the_folder(hearing_case_with_model, tmp_path, model):
    case = hearing_case_with_model
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("not a model")
    with pytest.raises(SetupError, match=r"stt\.model") as caught:
        load_hearing(case.name, replace(case.setup, model=str(tmp_path / model)))
    assert model in str(caught.value)


@pytest.mark.parametrize("model", ["nowhere", "empty", "a file"])
def test_a_missing_voice_names_the_setting_and_the_folder(speaking_case_with_model, tmp_path, model):
    case = speaking_case_with_model
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("not a voice")
    with pytest.raises(SetupError, match=r"tts\.(model|voice)") as caught:
        load_speaking(case.name, replace(case.setup, model=str(tmp_path / model)))
    assert model in str(caught.value)


def test_an_unknown_default_voice_names_the_setting(speaking_case):
    with pytest.raises(SetupError, match=r"tts\.voice.*nobody"):
        load_speaking(speaking_case.name, replace(speaking_case.setup, voice="nobody"))


WITHOUT_PACKAGES = """
import json, sys
from voicetrio.worker.engines.contract import HearingSetup, SpeakingSetup
from voicetrio.worker.engines.registry import load_hearing, load_speaking
from voicetrio.worker.errors import SetupError
wanted = json.loads(sys.argv[1])
for _, _, package in wanted:
    sys.modules[package] = None
told = []
for section, engine, _ in wanted:
    try:
        load_hearing(engine, HearingSetup()) if section == "stt" else load_speaking(engine, SpeakingSetup())
    except SetupError as error:
        told.append(str(error))
print(json.dumps(told))
"""


def test_a_missing_package_names_what_to_install():
    """In a process where none of them can be imported."""
    wanted = [("stt", case.name, case.imports) for case in HEARING_CASES if case.imports]
    wanted += sorted({("tts", case.name, case.imports) for case in SPEAKING_CASES if case.imports})
    command = [sys.executable, "-W", "error", "-c", WITHOUT_PACKAGES, json.dumps(wanted)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    for (section, engine, package), told in zip(wanted, json.loads(result.stdout), strict=True):
        entry = (HEARING if section == "stt" else SPEAKING)[engine]
        assert told.startswith(f"{section}.engine: the engine {engine!r} needs a package")
        assert f"({package})" in told
        assert told.endswith(f"python -m pip install {entry.package}")
