"""A small agent runtime: an HTTP server that thinks of answers, for voicetrio to speak.

    AGENT_KEY=a-long-secret python examples/agent_runtime.py --port 8001

    VOICETRIO_AGENT__KIND=runtime VOICETRIO_AGENT__URL=http://127.0.0.1:8001 \
    VOICETRIO_AGENT__API_KEY=a-long-secret voicetrio serve

It needs nothing but what voicetrio installs. What it says is in `answer`: change that, and keep the rest. A request is

    POST /agent/message/stream     {"session_id": "...", "message": {"content": "..."}, "interruption": {...}}

where `session_id` and `interruption` may be missing. The answer is a stream of server-sent events: `session_info` if this
is a new dialog, `assistant_message` for each token and for the whole, and `done`. When the user interrupts, voicetrio
closes the connection, which ends `answer` at its next `await`, and tells with the next message what was heard.
"""

import argparse
import hmac
import json
import os
import re
import secrets
import signal
import sys
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import hypercorn.trio
import trio
from hypercorn.config import Config
from quart import Response, request
from quart_trio import QuartTrio

DIALOGS_MAX = 1000
"""Dialogs that are remembered; the one that was silent for longest is forgotten first."""

LINES_MAX = 100
"""Lines that are remembered of a dialog: an hour of talk."""


@dataclass
class Line:
    role: str
    text: str


@dataclass
class Dialog:
    name: str
    history: list[Line] = field(default_factory=list)

    def was_interrupted(self, heard_text: str) -> None:
        """Keep of the last answer what was heard of it: the user does not know the rest."""
        if self.history and self.history[-1].role == "assistant":
            self.history[-1].text = heard_text


async def answer(history: list[Line]) -> AsyncGenerator[str]:
    """What to say, token by token, each with its own spaces. The last line of the history is what the user just said."""
    asked = sum(line.role == "user" for line in history)
    before = next((line.text for line in reversed(history[:-1]) if line.role == "assistant"), "")
    text = f"This is answer number {asked}. You said: {history[-1].text}."
    if before:
        text += f" Before that, you heard me say: {before}"
    for token in re.findall(r"\s*\S+", text):
        await trio.sleep(0.02)  # seconds: about as fast as a language model
        yield token


def make_app(key: str) -> QuartTrio:
    """Without a key, everybody is answered."""
    app = QuartTrio("agent_runtime")
    app.config["MAX_CONTENT_LENGTH"] = 1_048_576  # bytes: as long as anything that voicetrio takes from a client
    dialogs: OrderedDict[str, Dialog] = OrderedDict()

    @app.post("/agent/message/stream")
    async def message_stream() -> Response:
        if key and not hmac.compare_digest(request.headers.get("X-Internal-Auth", "").encode(), key.encode()):
            return Response("the header X-Internal-Auth is missing or wrong", status=401)
        match await request.get_json(force=True, silent=True):
            case {"message": {"content": str(content)}, **rest}:
                pass
            case _:
                return Response('the body must be JSON like {"message": {"content": "..."}}', status=400)
        name = rest.get("session_id", "")
        if not isinstance(name, str) or len(name) > 128:
            return Response("session_id must be a text of at most 128 characters", status=400)
        dialog = _find(dialogs, name)
        interruption = rest.get("interruption")
        if isinstance(interruption, dict):
            dialog.was_interrupted(str(interruption.get("heard_text", "")))
        dialog.history.append(Line("user", content))
        response = Response(_events(dialog, is_new=not name), content_type="text/event-stream")
        response.timeout = None  # an answer may take as long as it likes
        return response

    return app


def _find(dialogs: OrderedDict[str, Dialog], name: str) -> Dialog:
    """An id that is not known begins a dialog of that name: this server may have been started anew."""
    name = name or secrets.token_hex(8)
    dialog = dialogs.setdefault(name, Dialog(name))
    dialogs.move_to_end(name)
    if len(dialogs) > DIALOGS_MAX:
        dialogs.popitem(last=False)
    return dialog


async def _events(dialog: Dialog, *, is_new: bool) -> AsyncIterator[bytes]:
    if is_new:
        yield _event({"type": "session_info", "session_id": dialog.name})
    del dialog.history[:-LINES_MAX]
    history = list(dialog.history)
    line = Line("assistant", "")
    dialog.history.append(line)  # and filled while it is told: the user may interrupt at any token
    tokens = answer(history)
    try:
        async for token in tokens:
            line.text += token
            yield _event({"type": "assistant_message", "token": token, "is_final": False})
    finally:
        await tokens.aclose()  # at once, and not when the garbage collector finds it
    yield _event({"type": "assistant_message", "content": line.text, "is_final": True})
    yield b"event: done\ndata: {}\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="a small agent runtime for voicetrio; its key is AGENT_KEY")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    key = os.environ.get("AGENT_KEY", "")
    config = Config()
    config.bind = [f"{arguments.host}:{arguments.port}"]
    config.loglevel = "WARNING"
    access = "requests need the key" if key else "AGENT_KEY is not set: everybody who can reach it is answered"
    sys.stderr.write(f"agent runtime on http://{config.bind[0]}; {access}\n")
    trio.run(_serve, make_app(key), config)


async def _serve(app: QuartTrio, config: Config) -> None:
    # A KeyboardInterrupt that is raised while a request is being answered would be that request's error, and go no further.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        await hypercorn.trio.serve(app, config, shutdown_trigger=signals.__anext__)


if __name__ == "__main__":
    main()
