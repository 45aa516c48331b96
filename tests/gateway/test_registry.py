"""The register of sessions: who is found, who may come back, who makes way; in virtual time."""

import gc
import json
import random

import pytest
import trio
import trio.testing

from tests.fakes.agent import FakeAgent, FakeTurnDetector
from tests.fakes.audio import FakeDetector, word
from tests.fakes.client import FakeLink, make_link
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer
from tests.fakes.telemetry import FakeTelemetry
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.gateway.registry import Registry, new_resume_token, open_registry
from voicetrio.session.endings import CANCELLED_BY_CLIENT, GOING_AWAY, End
from voicetrio.session.identity import is_session_id
from voicetrio.session.ports import Ports
from voicetrio.session.session import Session


def make_session(session_id: str = "one", *, token: str = "secret", kind: type[Session] = Session) -> Session:
    ports = Ports(FakeRecognizer(), FakeSynthesizer(), FakeDetector, FakeTelemetry(), FakeAgent(), FakeTurnDetector())
    config, limits = SessionConfig(), SessionLimits()
    return kind(session_id, config=config, limits=limits, ports=ports, resume_token=token)


async def start_with_client(registry: Registry, session: Session) -> FakeLink:
    link = make_link()
    session.attach(link)
    registry.start(session)
    await trio.testing.wait_all_tasks_blocked()
    return link


async def start_without_client(registry: Registry, session: Session) -> None:
    """Its client has said something and left, and it waits."""
    link = await start_with_client(registry, session)
    await link.outbox.send('{"type":"session.configure"}')
    await trio.testing.wait_all_tasks_blocked()
    leave(link)
    await trio.testing.wait_all_tasks_blocked()
    assert session.waits_for_client


def leave(link: FakeLink) -> None:
    link.gone = True
    link.outbox.close()


async def test_a_session_is_found_for_as_long_as_it_lives(autojump_clock):
    async with open_registry(2) as registry:
        session = make_session()
        assert registry.find("one") is None
        await start_with_client(registry, session)
        assert registry.find("one") is session
        assert registry.find("two") is None
        assert len(registry) == 1
        session.end(CANCELLED_BY_CLIENT)
        await trio.testing.wait_all_tasks_blocked()
        assert registry.find("one") is None
        assert registry.resumable("one", "secret") is None
        assert len(registry) == 0


async def test_it_is_full_with_those_who_are_away_too(autojump_clock):
    async with open_registry(2) as registry:
        await start_with_client(registry, make_session("one"))
        assert not registry.full
        await start_without_client(registry, make_session("two"))
        assert registry.full
        await trio.sleep(SessionLimits().resume_grace + 1)
        assert not registry.full, "who does not come back has left"


async def test_only_its_own_token_opens_a_session(autojump_clock):
    async with open_registry(2) as registry:
        one, two = make_session("one", token="first"), make_session("two", token="second")
        await start_with_client(registry, one)
        await start_without_client(registry, two)
        assert registry.resumable("one", "first") is one, "also while its connection lives"
        assert registry.resumable("two", "second") is two
        for wrong in ("", "second", "firs", "first ", "First", "\u00e9", "first\0"):
            assert registry.resumable("one", wrong) is None, wrong
        assert registry.resumable("three", "first") is None


async def test_a_session_that_has_said_its_last_word_is_not_come_back_to(autojump_clock):
    session = make_session()
    async with open_registry(2) as registry:
        await start_with_client(registry, session)
    assert session.over
    assert registry.resumable("one", "secret") is None


async def test_one_that_waits_stays_beside_a_fresh_one_and_is_brought_back_by_its_token(autojump_clock):
    async with open_registry(3) as registry:
        old, new = make_session(token="old"), make_session(token="new")
        await start_without_client(registry, old)
        link = await start_with_client(registry, new)
        assert registry.find("one") is new
        assert registry.resumable("one", "old") is old
        old.attach(make_link())
        registry.bring_back(old)
        await trio.testing.wait_all_tasks_blocked()
        assert registry.find("one") is old
        assert registry.resumable("one", "new") is None
        assert '"type":"session.closed","reason":"taken_over"' in link.received[-1][1]
        assert len(registry) == 1
        assert not old.over


async def test_what_a_stranger_opened_cannot_end_what_was_there_before(autojump_clock):
    """The stranger's session waits as well, and is brought back first; and the owner's again."""
    async with open_registry(3) as registry:
        owner, stranger = make_session(token="owner"), make_session(token="stranger")
        await start_without_client(registry, owner)
        await start_without_client(registry, stranger)
        link = make_link()
        stranger.attach(link)
        registry.bring_back(stranger)
        assert registry.resumable("one", "owner") is owner
        owner.attach(make_link())
        registry.bring_back(owner)
        await trio.testing.wait_all_tasks_blocked()
        assert stranger.over
        assert not owner.over


async def test_one_that_was_never_spoken_to_is_not_waited_for(autojump_clock):
    async with open_registry(2) as registry:
        link = await start_with_client(registry, make_session())
        leave(link)
        await trio.testing.wait_all_tasks_blocked()
        assert len(registry) == 0
        assert trio.current_time() == 0


async def test_places_are_counted_by_where_clients_are_now(autojump_clock):
    async with open_registry(10, 2) as registry:
        sessions = [make_session(str(number)) for number in range(3)]
        registry.start(sessions[0], "192.0.2.1")
        registry.start(sessions[1], "192.0.2.1")
        assert registry.full_for("192.0.2.1")
        assert registry.full_for("::ffff:192.0.2.1"), "the same machine"
        assert not registry.full_for("192.0.2.2")
        registry.bring_back(sessions[0], "192.0.2.2")  # a telephone that found another network
        assert not registry.full_for("192.0.2.1")
        registry.start(sessions[2], "192.0.2.2")
        assert registry.full_for("192.0.2.2")
        sessions[2].end(CANCELLED_BY_CLIENT)
        await trio.testing.wait_all_tasks_blocked()
        assert not registry.full_for("192.0.2.2")


@pytest.mark.parametrize("seed", range(60))
async def test_whoever_comes_and_goes_in_whatever_order(autojump_clock, seed: int):
    """Opening by id, vanishing, returning by token, ending: by dice, against what must always hold."""
    dice = random.Random(seed)
    ids, addresses = ("a", "b", "new_c"), ("192.0.2.1", "192.0.2.2")
    links: dict[Session, FakeLink] = {}
    opened: list[Session] = []
    async with open_registry(100, 20) as registry:
        for step in range(60):
            name, address = dice.choice(ids), dice.choice(addresses)
            live = [session for session in opened if session in registry.sessions() and not session.waits_for_client]
            match dice.choice(("open", "open", "vanish", "return", "return", "end", "wait")):
                case "open" if not registry.is_live(name) and not registry.full_for(address):
                    waiting = [session for session in registry.sessions() if session.waits_for_client]
                    session = make_session(name, token=f"token-{step}")
                    links[session] = make_link()
                    session.attach(links[session])
                    registry.start(session, address)
                    opened.append(session)
                    await links[session].outbox.send('{"type":"session.configure"}')
                    await trio.testing.wait_all_tasks_blocked()
                    assert all(other in registry.sessions() for other in waiting), "an id alone ends nobody"
                case "vanish" if live:
                    leave(links[dice.choice(live)])
                case "return" if opened:
                    session = dice.choice(opened)
                    older = opened[: opened.index(session)]
                    before = [other for other in older if other in registry.sessions()]
                    if registry.resumable(session.session_id, session.resume_token) is session:
                        links[session] = make_link()
                        session.attach(links[session])
                        registry.bring_back(session, address)
                        await trio.testing.wait_all_tasks_blocked()
                        assert registry.find(session.session_id) is session or session.over, "its own time may be up"
                        assert all(other in registry.sessions() for other in before), "only younger ones make way"
                case "end" if live:
                    dice.choice(live).end(CANCELLED_BY_CLIENT)
                case _:
                    await trio.sleep(dice.choice((0.1, 5.0)))
            await trio.testing.wait_all_tasks_blocked()
            here = registry.sessions()
            for one in ids:
                lively = [session for session in here if session.first_id == one and not session.waits_for_client]
                assert len(lively) <= 1, "no two live sockets share an id"
                if lively:
                    assert registry.find(one) is lively[0]
            for session in here:
                assert registry.resumable(session.session_id, session.resume_token) in (session, None)
                assert registry.resumable(session.session_id, session.resume_token + "x") is None
        await trio.sleep(SessionLimits().resume_grace + 5)
        for link in links.values():
            leave(link)
        await trio.sleep(SessionLimits().resume_grace + 5)
        assert len(registry) == 0
        assert [registry.find(name) for name in ids] == [None] * len(ids)
        assert not any(registry.full_for(address) for address in addresses)


async def test_all_are_told_that_the_server_stops_and_waited_for(autojump_clock):
    async with open_registry(5) as registry:
        links = [await start_with_client(registry, make_session(name)) for name in ("one", "two")]
        await start_without_client(registry, make_session("three"))
        assert await registry.send_away(60.0) == 0
        assert registry.going_away
        assert len(registry) == 0
        for link in links:
            assert '"reason":"going_away"' in link.received[-1][1]
        assert trio.current_time() < 1


async def test_who_does_not_listen_is_waited_for_no_longer_than_the_grace(autojump_clock):
    async with open_registry(5) as registry:
        deaf = make_link(reading=False)
        session = make_session()
        session.attach(deaf)
        registry.start(session)
        await trio.testing.wait_all_tasks_blocked()
        assert await registry.send_away(0.5) == 1
        assert trio.current_time() == pytest.approx(0.5)


async def test_a_session_lives_on_when_the_task_that_started_it_has_ended(autojump_clock):
    async with open_registry(2) as registry:
        sessions = make_session("one"), make_session("two")
        async with trio.open_nursery() as connections:
            for session in sessions:
                connections.start_soon(start_with_client, registry, session)
        assert (registry.find("one"), registry.find("two")) == sessions
        assert not any(session.over for session in sessions)


async def test_when_the_registry_is_left_its_sessions_end_with_a_farewell(autojump_clock):
    async with open_registry(2) as registry:
        link = await start_with_client(registry, make_session())
    assert '"type":"session.closed"' in link.received[-1][1]
    assert '"reason":"going_away"' in link.received[-1][1]
    assert len(registry) == 0


class BrokenSession(Session):
    """Fails where it should contain its failures."""

    async def run(self) -> End:
        await trio.sleep(1.0)
        raise RuntimeError("a bug")


async def test_a_session_that_fails_reaches_no_other_one(autojump_clock, capsys):
    async with open_registry(3) as registry:
        other = make_session("other")
        await start_with_client(registry, other)
        await start_with_client(registry, make_session("broken", kind=BrokenSession))
        await trio.sleep(2.0)
        assert registry.find("broken") is None
        assert registry.find("other") is other
        other.end(GOING_AWAY)
        await trio.testing.wait_all_tasks_blocked()
        assert len(registry) == 0
    assert "session_failed" in capsys.readouterr().out
    gc.collect()


def test_session_ids_are_harmless_names():
    for good in ("a", "A-1_b.c", "x" * 128, "new_1", ".."):
        assert is_session_id(good), good
    for bad in ("", "x" * 129, "a b", "a/b", "a\n", "caf\u00e9", "\u0661"):
        assert not is_session_id(bad), bad


def test_tokens_are_long_and_no_two_are_the_same():
    tokens = {new_resume_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) >= 32 for token in tokens)


def make_talker(session_id: str, final_delay: float) -> Session:
    recognizer = FakeRecognizer(default=Behaviour(final_delay=final_delay, working=True))
    ports = Ports(recognizer, FakeSynthesizer(), FakeDetector, FakeTelemetry(), FakeAgent(), FakeTurnDetector())
    return Session(session_id, config=SessionConfig(), limits=SessionLimits(), ports=ports, resume_token="secret")


async def test_what_was_said_until_then_is_told_before_the_end_by_all_at_once(autojump_clock):
    async with open_registry(20) as registry:
        links = [await start_with_client(registry, make_talker(f"talker{n}", 3.0)) for n in range(10)]
        for link in links:
            await link.outbox.send(word(1) + word(2))
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        assert await registry.send_away(5.0) == 0
        assert trio.current_time() - began == pytest.approx(3.0, abs=0.1)
    for link in links:
        told = [json.loads(message) for _, message in link.received]
        assert [one["text"] for one in told if one["type"] == "transcript.final"] == ["w1 w2"]
        assert (told[-1]["type"], told[-1]["reason"]) == ("session.closed", "going_away")


async def test_a_worker_that_takes_too_long_has_the_grace_and_no_more(autojump_clock):
    async with open_registry(20) as registry:
        link = await start_with_client(registry, make_talker("talker", 60.0))
        await link.outbox.send(word(1))
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        assert await registry.send_away(5.0) == 0
        assert trio.current_time() - began == pytest.approx(4.0, abs=0.1), "the rest is for saying goodbye"
        assert '"reason":"going_away"' in link.received[-1][1]


async def test_one_that_only_waits_for_a_listener_is_not_waited_for(autojump_clock):
    async with open_registry(2) as registry:
        session = make_talker("talker", 1.0)
        link = await start_with_client(registry, session)
        await link.outbox.send(word(1))
        await link.outbox.send('{"type":"session.close"}')
        await trio.testing.wait_all_tasks_blocked()
        leave(link)
        await trio.sleep(2.0)
        assert len(registry) == 1
        began = trio.current_time()
        await registry.send_away(5.0)
        assert trio.current_time() == began
