"""`GET /v1/sessions/{id}/history`: what was said, as written, as spoken and as heard, for the owner of the session."""

import pytest

from tests.fakes.agent import FakeAgent, session_info
from voicetrio.core.config import SessionConfig
from voicetrio.core.errors import AgentError
from voicetrio.core.history import MAX_CHARS, MAX_TURNS

from .caller import Caller, Door, open_door

PATH = "/v1/sessions/{}/history"
ALOUD = SessionConfig(speak_replies=True)


def bearer(caller: Caller) -> dict[str, str]:
    return {"Authorization": f"Bearer {caller.got('session.created')[0]['resume_token']}"}


async def ask(caller: Caller, content: str) -> str:
    """The turn's id."""
    turns = len(caller.got("turn.ended"))
    await caller.say("user_message", content=content)
    return str((await caller.wait_for("turn.ended", turns + 1))["turn_id"])


async def read(door: Door, caller: Caller, session_id: str = "one") -> dict:
    status, headers, body = await door.get(PATH.format(session_id), **bearer(caller))
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    return body


async def test_a_session_that_there_is_not_has_no_history(autojump_clock):
    async with open_door() as door:
        for session_id in ("nobody", "no spaces", "%2e%2e"):
            status, headers, body = await door.get(PATH.format(session_id), Authorization="Bearer x")
            assert status == 404
            assert headers["cache-control"] == "no-store"
            assert list(body) == ["error"]


@pytest.mark.parametrize("scheme", ["", "Bearer", "Bearer ", "Bearer wrong", "Bearer \xe9", "Basic {}", "{}"])
async def test_who_has_not_its_token_may_not_read_it(autojump_clock, scheme: str):
    async with open_door(agent=FakeAgent([["a secret"]])) as door:
        caller, other = await door.enter(), await door.enter("two")
        await ask(caller, "another secret")
        token = caller.messages[0]["resume_token"]
        for authorization in (scheme.format(token), bearer(other)["Authorization"]):
            status, headers, body = await door.get(PATH.format("one"), Authorization=authorization)
            assert status == 401
            assert headers["www-authenticate"] == "Bearer"
            assert "secret" not in repr(body)
        status, _, _ = await door.get(PATH.format("one") + f"?resume={token}")
        assert status == 401, "a token in a URL ends up in logs"


async def test_its_owner_reads_what_was_written_spoken_and_heard(autojump_clock):
    agent = FakeAgent([["Hello", " **there**."], ["One two three", " four five. And six seven eight."]])
    async with open_door(agent=agent, config=ALOUD) as door:
        caller = await door.enter()
        assert await read(door, caller) == {"session_id": "one", "turns": [], "forgotten": 0}
        first = await ask(caller, "Привет")
        await caller.say("user_message", content="count")
        end = await caller.wait_for("tts.speaking_end", 2)
        await caller.say("playback.progress", request_id=end["request_id"], played_ms=850)  # 100 ms a character
        await caller.say("tts.cancel")
        second = (await caller.wait_for("turn.ended", 2))["turn_id"]
        history = await read(door, caller)
        (one, hello, two, count) = history["turns"]
        assert (one["turn_id"], one["role"], one["source"], one["text"]) == (first, "user", "text", "Привет")
        assert hello == {
            "turn_id": first,
            "role": "assistant",
            "text": "Hello **there**.",
            "spoken_text": "Hello there.",
            "heard_text": "Hello there.",
            "outcome": "completed",
        }
        assert (two["turn_id"], two["role"], two["text"]) == (second, "user", "count")
        assert count == {
            "turn_id": second,
            "role": "assistant",
            "text": "One two three four five. And six seven eight.",
            "spoken_text": "One two three four five. And six seven eight.",
            "heard_text": "One two",
            "outcome": "interrupted",
        }


async def test_a_reply_that_was_only_written_was_read(autojump_clock):
    async with open_door(agent=FakeAgent([["Hello", " there."]])) as door:
        caller = await door.enter()
        await ask(caller, "Hi.")
        _, reply = (await read(door, caller))["turns"]
        assert (reply["spoken_text"], reply["heard_text"]) == (None, "Hello there.")


async def test_a_message_without_an_answer_is_told_without_one(autojump_clock):
    agent = FakeAgent([[AgentError("agent_broken", "it broke")], ["I am", AgentError("agent_broken", "it broke")]])
    async with open_door(agent=agent) as door:
        caller = await door.enter()
        await ask(caller, "Who are you?")
        await ask(caller, "Who?")
        one, two, reply = (await read(door, caller))["turns"]
        assert (one["text"], two["text"]) == ("Who are you?", "Who?")
        assert (reply["text"], reply["heard_text"], reply["outcome"]) == ("I am", "I am", "failed")


async def test_it_is_found_under_both_names_and_tells_the_new_one(autojump_clock):
    async with open_door(agent=FakeAgent([[session_info("abc-123"), "Hi."]])) as door:
        caller = door.call("new_1")
        await ask(caller, "Hello.")
        await caller.wait_for("session.created")
        for session_id in ("abc-123", "new_1"):
            history = await read(door, caller, session_id)
            assert history["session_id"] == "abc-123"
            assert [line["text"] for line in history["turns"]] == ["Hello.", "Hi."]
            assert (await door.get(PATH.format(session_id)))[0] == 401


async def test_it_outlives_the_connection_and_goes_with_the_session(autojump_clock):
    async with open_door() as door:
        caller = await door.enter()
        await ask(caller, "Hello.")
        await caller.leave()
        await caller.over.wait()
        assert len((await read(door, caller))["turns"]) == 2
        back = await door.enter("one", f"resume={caller.messages[0]['resume_token']}")
        await back.say("session.close")
        await back.over.wait()
        assert (await door.get(PATH.format("one"), **bearer(caller)))[0] == 404
        fresh = await door.enter()
        assert (await door.get(PATH.format("one"), **bearer(caller)))[0] == 401, "another session of this name"
        assert (await read(door, fresh))["turns"] == []


async def test_it_keeps_the_last_two_hundred_turns_and_counts_the_rest(autojump_clock):
    async with open_door(agent=FakeAgent([["Yes."]])) as door:
        caller = await door.enter()
        for number in range(MAX_TURNS + 2):
            await ask(caller, str(number))
        history = await read(door, caller)
        assert history["forgotten"] == 2
        asked = [line["text"] for line in history["turns"] if line["role"] == "user"]
        assert asked == [str(number) for number in range(2, MAX_TURNS + 2)]


async def test_it_keeps_a_bounded_amount_of_text_and_the_last_turn_whatever_its_length(autojump_clock):
    agent = FakeAgent([["Yes."], ["Yes."], ["x" * MAX_CHARS, "y"]])
    async with open_door(agent=agent) as door:
        caller = await door.enter()
        for letter in "abc":
            await ask(caller, letter * (MAX_CHARS // 2 + 1))
            history = await read(door, caller)
            line = history["turns"][0]
            assert line["text"][0] == letter, "two of them are too much"
        assert history["forgotten"] == 2
        assert history["turns"][1]["text"] == "x" * MAX_CHARS, "of a reply, so much is kept"
