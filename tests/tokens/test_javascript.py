"""LiveKit's own JavaScript libraries: its server's verifier reads our tokens, its client's `TokenSource` our answers.

They come from npm, at the versions of `node/package-lock.json`, into a folder of this run. Where there is no node or no
registry these tests are skipped; with VOICETRIO_REQUIRE_ALL in the environment they fail instead.
"""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hypercorn.trio
import pytest
import trio
from hypercorn.config import Config

from voicetrio.core.token_request import TokenRequest
from voicetrio.session.session_id import new_session_id

from .asking import KEY, SECRET, URL, TokenDoor, desk
from .test_signer import BAD_TOKENS, ROOM, part, sign

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "node"
INSTALL_S = 180.0
"""Seconds for npm to fetch some 40 MB."""
SCRIPT_S = 60.0
"""Seconds for a script: node takes a tenth of one to start."""


def lacking(what: str) -> None:
    if os.environ.get("VOICETRIO_REQUIRE_ALL"):
        pytest.fail(f"{what}, and VOICETRIO_REQUIRE_ALL wants it")
    pytest.skip(what)


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the scripts, beside the libraries that they import."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            lacking(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("node") / "copy"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("node_modules"))
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        lacking("npm cannot fetch LiveKit's libraries in time")
        raise
    if done.returncode != 0:
        lacking(f"npm cannot fetch LiveKit's libraries: {done.stderr[-500:]}")
    return folder


async def node(scripts: Path, script: str, task: dict[str, Any]) -> Any:
    with trio.fail_after(SCRIPT_S):
        done = await trio.run_process(
            ["node", script], cwd=scripts, stdin=json.dumps(task).encode(), capture_stdout=True, capture_stderr=True
        )
    return json.loads(done.stdout)


@asynccontextmanager
async def open_server(door: TokenDoor) -> AsyncIterator[str]:
    """The door on a real socket of this machine; its origin."""
    settings = Config()
    settings.bind = ["127.0.0.1:0"]
    settings.loglevel = "WARNING"
    async with trio.open_nursery() as nursery:
        stop = trio.Event()
        serve = partial(hypercorn.trio.serve, door.app, settings, shutdown_trigger=stop.wait)
        (origin,) = await nursery.start(serve)
        try:
            yield origin
        finally:
            stop.set()


async def test_the_server_sdk_admits_a_token_to_its_room(scripts: Path):
    request = TokenRequest(name="Анна", metadata="m", attributes={"a": "b"}, agent_metadata="x")
    cases = [
        {"token": sign(), "room": ROOM},
        {"token": sign(request, agent_name="voicetrio"), "room": ROOM},
        {"token": sign(), "room": "room-ffffffffffff"},
    ]
    plain, full, other = await node(scripts, "verify.mjs", {"key": KEY, "secret": SECRET, "cases": cases})
    assert plain["admitted"], plain
    assert plain["claims"]["video"] == part(sign(), 1)["video"]
    assert full["admitted"]
    assert (full["claims"]["name"], full["claims"]["attributes"]) == ("Анна", {"a": "b"})
    assert full["claims"]["roomConfig"]["agents"][0]["agentName"] == "voicetrio"
    assert not other["admitted"]


async def test_the_server_sdk_refuses_what_is_none(scripts: Path):
    cases = [{"token": make(), "room": ROOM} for make in BAD_TOKENS.values()]
    verdicts = await node(scripts, "verify.mjs", {"key": KEY, "secret": SECRET, "cases": cases})
    assert [name for name, verdict in zip(BAD_TOKENS, verdicts, strict=True) if verdict["admitted"]] == []
    good = await node(scripts, "verify.mjs", {"key": KEY, "secret": SECRET, "cases": [{"token": sign(), "room": ROOM}]})
    assert good[0]["admitted"], "it would refuse anything"


async def test_livekit_client_understands_every_endpoint(scripts: Path):
    async with open_server(TokenDoor(desk(agent_name="voicetrio"))) as origin:
        answers = await node(scripts, "ask.mjs", {"origin": origin, "options": {}})
    assert list(answers) == ["standard", "document", "sandbox"]
    rooms = set()
    for name, answer in answers.items():
        assert answer.get("serverUrl") == URL, f"{name}: {answer}"
        rooms.add(part(answer["participantToken"], 1)["video"]["room"])
    assert len(rooms) == 3


async def test_livekit_clients_options_reach_the_token(scripts: Path):
    room = new_session_id()
    options = {
        "roomName": room,
        "participantName": "Ann",
        "participantIdentity": "ann",
        "participantMetadata": "m",
        "participantAttributes": {"a": "b"},
        "agentName": "voicetrio",
        "agentMetadata": '{"x":1}',
    }
    async with open_server(TokenDoor(desk(agent_name="voicetrio"))) as origin:
        answers = await node(scripts, "ask.mjs", {"origin": origin, "options": options})
    for name, answer in answers.items():
        claims = part(answer["participantToken"], 1)
        assert claims["video"]["room"] == room, name
        assert (claims["sub"], claims["name"], claims["metadata"]) == ("ann", "Ann", "m")
        assert claims["attributes"] == {"a": "b"}
        assert claims["roomConfig"]["agents"] == [{"agentName": "voicetrio", "metadata": '{"x":1}'}]


async def test_livekit_client_shows_our_reasons(scripts: Path):
    async with open_server(TokenDoor(desk())) as origin:
        answers = await node(scripts, "ask.mjs", {"origin": origin, "options": {"roomName": "test-room"}})
    for answer in answers.values():
        assert "livekit.shared_rooms" in answer["error"]
