"""Whether engines could be opened with these settings, found out in a process of its own and without loading a model.

    python -m voicetrio.worker.inspection < QUESTIONS        (a JSON array; each answer is a line of JSON)

What an engine looks at may be large, slow to import, or end the process that looks; so nobody does it in a server's. An
answer is written as soon as it is there, so that whoever reads them knows which question was the last.
"""

import json
import os
import sys
from typing import Any

from voicetrio.worker.engines import registry
from voicetrio.worker.engines.contract import HearingSetup, SpeakingSetup
from voicetrio.worker.errors import SetupError


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """`question` has the section, "stt" or "tts", the engine's name, and the fields of its setup.

    The answer has `faults`, each a text that begins with its key, and of an engine that hears the name of its `model` and
    its `languages`, where it knows them.
    """
    engine, setup = question["engine"], question["setup"]
    try:
        if question["section"] == "tts":
            registry.check_speaking(engine, SpeakingSetup(**setup))
            return {"faults": []}
        facts = registry.check_hearing(engine, HearingSetup(**setup))
    except SetupError as error:
        return {"faults": str(error).splitlines()}
    except Exception as error:
        # Of somebody else's module, or of a library that is broken: nothing that could be told better here.
        key = f"{question['section']}.engine"
        return {"faults": [f"{key}: {engine!r} cannot be looked at: {type(error).__name__}: {_first_line(error)}"]}
    if facts is None:
        return {"faults": []}
    return {"faults": [], "model": f"{engine} {facts.model}", "languages": facts.languages}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def main() -> int:
    questions = json.load(sys.stdin)
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    for question in questions:
        os.write(answers, json.dumps(answer(question)).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
