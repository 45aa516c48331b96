"""When to come back, how often, and when not: in virtual time, with connections that follow a script."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import trio

from voicetrio.cli import resuming
from voicetrio.cli.native_errors import (
    ConnectionCut,
    ConnectionLost,
    ServerUnreachable,
    SessionGone,
    SessionRefused,
    connection_ended,
)
from voicetrio.cli.resuming import ATTEMPT_S, run_resumable

CUT = ConnectionCut("the connection was lost")
UNREACHABLE = ServerUnreachable("nobody is there")
NEVER_CREATED = "connected, and cut before session.created"
DONE = "done"


class Script:
    """What happens to each connection: an error when it is made, one that `talk` raises after `session.created`, or
    one of the texts above.
    """

    def __init__(self, monkeypatch, *steps, grace_ms=15_000, connecting_s=0.0):
        self.steps = list(steps)
        self.created = {
            "type": "session.created",
            "resume_token": "secret",
            "limits": {"max_rate": None, "max_backlog_ms": 0, "resume_grace_ms": grace_ms},
        }
        self.connecting_s = connecting_s
        self.times, self.queries, self.bounds, self.cuts = [], [], [], 0
        monkeypatch.setattr(resuming, "open_native_session", self.open)

    @asynccontextmanager
    async def open(self, url, session_id, *, ticket, connect_s):
        assert (url, session_id) == ("ws://x", "s")
        self.times.append(round(trio.current_time() - self.start, 3))
        self.queries.append(ticket.query)
        self.bounds.append(connect_s)
        self.step = self.steps.pop(0)
        await trio.sleep(self.connecting_s)
        if isinstance(self.step, ServerUnreachable | SessionRefused):
            raise self.step
        yield SimpleNamespace(created=self.step != NEVER_CREATED)

    async def talk(self, session, ticket):
        if self.step == NEVER_CREATED:
            raise CUT
        ticket.note(self.created)
        ticket.note({"type": "transcript.final"})
        if self.step != DONE:
            raise self.step

    def cut(self):
        self.cuts += 1

    async def run(self):
        self.start = trio.current_time()
        await run_resumable("ws://x", "s", self.talk, on_cut=self.cut)


async def test_a_session_without_a_cut_has_one_connection(monkeypatch, autojump_clock):
    script = Script(monkeypatch, DONE)
    await script.run()
    assert (script.queries, script.bounds, script.cuts) == ([""], [None], 0)


async def test_after_a_cut_we_come_back_with_the_token_and_the_count(monkeypatch, autojump_clock):
    script = Script(monkeypatch, CUT, CUT, DONE)
    await script.run()
    assert script.queries == ["", "resume=secret&received=1", "resume=secret&received=2"]
    assert script.times == [0.0, 0.2, 0.4]  # each cut begins anew
    assert script.cuts == 2


async def test_attempts_get_rarer_and_end_before_the_servers_grace_does(monkeypatch, autojump_clock):
    script = Script(monkeypatch, CUT, *[UNREACHABLE] * 20)
    with pytest.raises(ConnectionLost, match="the connection was lost, and could not be resumed in time"):
        await script.run()
    assert script.times == [0.0, 0.2, 0.6, 1.4, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0]
    assert script.bounds[1:-1] == [ATTEMPT_S] * 8
    assert script.bounds[-1] == pytest.approx(1.0)
    assert script.cuts == 1


async def test_attempts_that_take_long_count_too(monkeypatch, autojump_clock):
    script = Script(monkeypatch, CUT, *[UNREACHABLE] * 20, connecting_s=3.0)
    with pytest.raises(ConnectionLost, match="in time"):
        await script.run()
    assert script.times[-1] < 3.0 + 14.0


async def test_a_connection_that_brings_no_session_is_an_attempt_and_no_new_cut(monkeypatch, autojump_clock):
    script = Script(monkeypatch, CUT, *[NEVER_CREATED] * 20)
    with pytest.raises(ConnectionLost, match="in time"):
        await script.run()
    assert script.times[-1] == 13.0
    assert script.cuts == 1


async def test_a_server_that_comes_back_in_time_is_found(monkeypatch, autojump_clock):
    script = Script(monkeypatch, CUT, UNREACHABLE, NEVER_CREATED, UNREACHABLE, DONE)
    await script.run()
    assert script.cuts == 1


@pytest.mark.parametrize("status", [400, 404, 409, 503])
async def test_a_refusal_is_the_end(monkeypatch, autojump_clock, status):
    script = Script(monkeypatch, CUT, SessionRefused("refused", status))
    with pytest.raises(ConnectionLost, match="could not be resumed: refused"):
        await script.run()


@pytest.mark.parametrize("end", [SessionGone("gone"), ConnectionLost("silent"), connection_ended(4409, "")])
async def test_what_is_no_cut_is_the_end(monkeypatch, autojump_clock, end):
    script = Script(monkeypatch, CUT, end)
    with pytest.raises(ConnectionLost) as caught:
        await script.run()
    assert caught.value is end


@pytest.mark.parametrize("error", [UNREACHABLE, SessionRefused("refused", 409)])
async def test_a_session_that_never_was_is_not_waited_for(monkeypatch, autojump_clock, error):
    script = Script(monkeypatch, error)
    with pytest.raises(type(error)):
        await script.run()


@pytest.mark.parametrize("steps", [(NEVER_CREATED,), (CUT,)])
async def test_a_session_that_the_server_does_not_keep_is_lost(monkeypatch, autojump_clock, steps):
    script = Script(monkeypatch, *steps, grace_ms=0)
    with pytest.raises(ConnectionCut):
        await script.run()
    assert script.cuts == 0


@pytest.mark.parametrize("code", [None, 1001, 1005, 1006, 1012, 1014])
def test_these_ends_are_cuts(code):
    assert isinstance(connection_ended(code, ""), ConnectionCut)


@pytest.mark.parametrize("code", [1000, 1008, 1009, 1011, 1013, 4401, 4408, 4409])
def test_these_ends_are_judgements(code):
    assert not isinstance(connection_ended(code, ""), ConnectionCut)
