"""The one check of settings, which `serve`, `worker`, the ASGI application and `config check` share: all faults at once.

Engines are asked in a process of their own, see `voicetrio.worker.inspection`. It costs the start up to a second or two,
and nothing is started before all is known to be sound.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from voicetrio.core.environment import engine_environment
from voicetrio.settings import EngineAnswer, EngineQuestion, Settings, SettingsTrace, trace_settings
from voicetrio.worker.engines.registry import NONE, are_ours

FILES_VARIABLE = "VOICETRIO_CONFIG"
"""Files of settings, separated as in PATH, where the command line names none."""

_TIMEOUT = 60.0
"""Seconds for all engines: to import the largest from a cold disk takes some of them."""

_PACKAGE_ROOT = Path(__file__).parents[2]

_SILERO_NEEDS = ("onnxruntime", "onnx", "faster_whisper")


def files_of(named: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Those of the command line, or else those of `VOICETRIO_CONFIG`."""
    return list(named) or [file for file in environ.get(FILES_VARIABLE, "").split(os.pathsep) if file]


def check_settings(files: Sequence[str], environ: Mapping[str, str], *, worker_only: bool = False) -> SettingsTrace:
    """Settings that can be used as they are on this machine. Blocks while engines are asked.

    Raises:
        ConfigError: something is wrong; it tells of everything that is.
    """
    return trace_settings(files, environ, inspector=_Engines(), worker_only=worker_only)


def checked_settings(files: Sequence[str], environ: Mapping[str, str], *, worker_only: bool = False) -> Settings:
    """As `check_settings`."""
    return check_settings(files, environ, worker_only=worker_only).settings


class _Engines:
    """An `Inspector`."""

    def engines(self, questions: Sequence[EngineQuestion]) -> Sequence[EngineAnswer]:
        asked = [_told(question) for question in questions]
        answers: list[EngineAnswer] = []
        while len(answers) < len(asked):
            given, end = _ask(asked[len(answers) :])
            answers += given
            if len(answers) < len(asked):  # it was this one that ended the process
                question = questions[len(answers)]
                engine = question.values["engine"]
                answers.append(EngineAnswer((f"{question.section}.engine: {engine!r} cannot be looked at: {end}",)))
        return answers

    def detector(self, vad: str) -> str:
        missing = [name for name in _SILERO_NEEDS if find_spec(name) is None] if vad == "silero" else []
        if not missing:
            return ""
        return f"needs packages that are not installed ({', '.join(missing)}): install voicetrio with its extra silero"


def _ask(questions: Sequence[Mapping[str, Any]]) -> tuple[list[EngineAnswer], str]:
    """The answers that have come, and how the process has ended where they are not all."""
    # -P: the current folder is not a place to import from. The process finds the same voicetrio as we did.
    command = [sys.executable, "-P", "-m", "voicetrio.worker.inspection"]
    # It runs engines' code, and gets what engines get.
    environ = engine_environment(os.environ, known=all(_is_ours(one) for one in questions))
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
    try:
        process = subprocess.run(
            command,
            input=json.dumps(questions).encode(),
            stdout=subprocess.PIPE,
            env=environ,
            timeout=_TIMEOUT,
            check=False,
        )
        output, end = process.stdout, _end(process.returncode)
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"it took more than {_TIMEOUT:g} s"
    except OSError as error:
        output, end = b"", f"no process could be started for it ({error.strerror})"
    answers = [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]
    return [_answer(answer) for answer in answers], end


def _is_ours(question: Mapping[str, Any]) -> bool:
    engine = question["engine"]
    return are_ours(engine, NONE) if question["section"] == "stt" else are_ours(NONE, engine)


def _end(code: int) -> str:
    if code < 0:
        return f"it ends the process that does so ({signal.Signals(-code).name})"
    return f"the process that does so has ended with exit code {code}; its own message is above"


def _told(question: EngineQuestion) -> dict[str, Any]:
    values = question.values
    fields = (
        ("model", "device", "compute_type", "threads", "options")
        if question.section == "stt"
        else (
            "voice",
            "model",
            "device",
            "options",
        )
    )
    return {
        "section": question.section,
        "engine": values["engine"],
        "setup": {name: values[name] for name in fields},
    }


def _answer(answer: Mapping[str, Any]) -> EngineAnswer:
    languages = answer.get("languages")
    return EngineAnswer(
        tuple(answer["faults"]), answer.get("model", ""), None if languages is None else tuple(languages)
    )
