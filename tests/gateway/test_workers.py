"""`GET /v1/workers`, who may read it, and what a client is told by the whole app when no worker has room or its model."""

from dataclasses import replace

import pytest
import trio

from tests.fakes.audio import word
from tests.fakes.recognizer import Behaviour
from tests.gateway.test_operator import BEARER, basic, open_office
from tests.workers import fleet
from voicetrio.core.errors import WorkerBusy

from .caller import open_door


@pytest.mark.parametrize("headers", [{}, basic(""), basic("wrong"), {"Authorization": "Bearer "}])
async def test_without_the_key_nobody_sees_the_fleet(autojump_clock, headers):
    async with open_office() as door:
        status, found, body = await door.get("/v1/workers", **headers)
        assert (status, found["cache-control"], list(body)) == (401, "no-store", ["error"])


async def test_without_a_key_configured_the_answer_says_what_to_set(autojump_clock):
    async with open_office("") as door:
        status, _, body = await door.get("/v1/workers", **BEARER)
        assert status == 403
        assert "VOICETRIO_SERVER__ADMIN_KEY" in body["error"]


async def test_wrong_keys_are_counted_together_with_those_for_the_sessions(autojump_clock):
    async with open_office() as door:
        for number in range(10):
            path = "/v1/workers" if number % 2 else "/v1/sessions"
            assert (await door.get(path, **basic("wrong")))[0] == 401
        assert (await door.get("/v1/workers", **BEARER))[0] == 429


async def test_the_operator_sees_the_fleet_in_its_order(autojump_clock):
    workers = fleet.pool(
        fleet.member("unix:/x/worker.sock", "whisper small", slots=8, in_use=2),
        fleet.member("10.0.0.7:1", "ctc tiny", state="draining"),
        default_model="ctc",
    )
    async with open_office() as door:
        door.give(replace(door.house, workers=workers))
        status, headers, body = await door.get("/v1/workers", **BEARER)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert body["default_model"] == "ctc tiny"
    assert [(one["worker"], one["state"], one["engine"], one["load"]) for one in body["workers"]] == [
        ("unix:worker.sock", "ready", "whisper", 0.25),
        ("10.0.0.7:1", "draining", "ctc", 0.0),
    ]
    assert "/x/" not in str(body), "where a socket lies is nobody's business"


async def test_who_finds_no_room_is_told_so_and_closed_with_1013(autojump_clock):
    async with open_door() as door:
        door.house.ports.recognizer.default = Behaviour(refuse=WorkerBusy("full"))
        caller = await door.enter()
        await caller.hear(word(1))
        with trio.fail_after(7):  # never a hang
            await caller.over.wait()
        assert caller.closed == 1013
        error, closed = caller.messages[-2:]
        assert (error["type"], error["code"], error["recoverable"]) == ("error", "overloaded", False)
        assert (closed["type"], closed["reason"]) == ("session.closed", "overloaded")
        assert door.telemetry.counts["session_closed:overloaded"] == 1


async def test_a_model_that_no_worker_has_changes_nothing(autojump_clock):
    async with open_door() as door:
        caller = await door.enter()
        await caller.say("session.configure", model="whisper", language="de")
        error = await caller.wait_for("error")
        assert (error["code"], error["recoverable"]) == ("unknown_model", True)
        assert "fake" in error["message"]
        assert "whisper" not in error["message"]
        await caller.say("session.configure")
        config = (await caller.wait_for("session.configured"))["config"]
        assert (config["model"], config["language"]) == ("", "")
        await caller.leave()


@pytest.mark.parametrize(("model", "effective"), [("fake", "fake"), ("FAKE", "fake"), ("", "")])
async def test_a_model_is_chosen_by_its_name_and_told_in_full(autojump_clock, model, effective):
    async with open_door() as door:
        caller = await door.enter()
        await caller.say("session.configure", model=model)
        assert (await caller.wait_for("session.configured"))["config"]["model"] == effective
        await caller.hear(word(1))
        await trio.sleep(0.1)
        assert [config.model for config in door.house.ports.recognizer.opened] == [effective]
        await caller.leave()
