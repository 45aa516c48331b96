"""Workers and engine processes are frozen and killed at random moments while people talk: what does it cost?

    python -m tests.campaigns.recovery --runs 100 --seed 1

Servers with the default settings and engines, some callers each. A caller plays one recording after the other in real time,
each in a session of its own, and hangs up at once or when it has its final. Meanwhile processes are stopped (SIGSTOP) or
killed, one after the other, each at a random moment after all callers have been heard again. Every session must have the
very finals, by their words and their place, that the same recording has on a server that nobody disturbs; no error, no rate
limit. Ends with exit code 1 if one has not. The times are from the signal to the next words of each caller who was speaking.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.end_to_end.client import Client, open_client
from tests.end_to_end.processes import ServerProcess, running_server
from tests.end_to_end.sound import RECORDINGS, Recording, silence
from tests.end_to_end.waiting import until

KINDS = ("worker killed", "worker frozen", "engine killed", "engine frozen")
DEFAULTS = {"VOICETRIO_SESSION__CLOSING_TIMEOUT": "2"}
"""The servers of the tests have another one."""
CALL_S = 90.0
"""For one call: 4 s of speech, and the longest recovery several times."""
LEAD_S, TAIL_S = 0.3, 0.9
"""Silence before and after the words; the second is longer than `session.end_silence`."""

Finals = list[tuple[str, int, int]]
"""Text, start and end in milliseconds."""


@dataclass
class Findings:
    words_again: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds, by kind."""
    losses: list[str] = field(default_factory=list)
    calls: int = 0
    done: int = 0


@dataclass(eq=False)
class Caller:
    name: str
    client: Client | None = None
    speaking: bool = False
    kinds: list[str] = field(default_factory=list)
    """What happened during this call."""
    news: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when words come, or the call ends."""

    def tell(self) -> None:
        self.news.set()
        self.news = trio.Event()


def finals_of(client: Client) -> Finals:
    return [(one["text"], one["start_ms"], one["end_ms"]) for one in client.got("transcript.final") if one["text"]]


async def call(server: ServerProcess, recording: Recording, caller: Caller, *, hangs_up: bool) -> Finals:
    """One session. `hangs_up`: it says `session.close` with the last of its audio, and does not wait for the final."""
    pcm = silence(LEAD_S) + recording.pcm + silence(TAIL_S)
    async with open_client(server.url, bound_s=CALL_S) as client:
        caller.client, caller.speaking = client, True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, client, caller)
            await client.play(pcm)
            if not hangs_up:
                await client.wait_for("transcript.final")
            await client.finish()
            nursery.cancel_scope.cancel(reason="the call is over")
        odd = client.got("error", "session.rate_limit", "session.frames_dropped")
        finals = finals_of(client)
        if odd:
            raise AssertionError(f"{[(one['type'], one.get('code')) for one in odd]}, finals {finals}")
        return finals


async def watch(client: Client, caller: Caller) -> None:
    seen = 0
    while True:
        count = len([one for one in client.got("transcript.partial", "transcript.final") if one["text"]])
        if count > seen:
            caller.tell()
        seen = count
        await trio.sleep(0.02)


async def talk(
    server: ServerProcess, caller: Caller, dice: random.Random, wanted: dict[str, Finals], findings: Findings
) -> None:
    while True:
        recording, hangs_up = dice.choice(RECORDINGS), dice.random() < 0.5
        caller.kinds = []
        await trio.sleep(dice.uniform(0, 1))
        try:
            finals = await call(server, recording, caller, hangs_up=hangs_up)
            fault = "" if finals == wanted[recording.path] else f"{finals} instead of {wanted[recording.path]}"
        except (AssertionError, trio.TooSlowError, ExceptionGroup) as error:
            fault = f"{type(error).__name__}: {first_line(error)}"
        finally:
            caller.speaking = False
            caller.tell()
        findings.calls += 1
        if fault:
            findings.losses.append(
                f"{caller.name}, after {caller.kinds or 'nothing'}, {'hung up' if hangs_up else 'waited'}: {fault}"
            )
            print(f"LOSS {findings.losses[-1]}", flush=True)


def first_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).partition("\n")[0][:400]


async def disturb(
    server: ServerProcess, callers: Sequence[Caller], dice: random.Random, runs: int, findings: Findings, total: int
) -> None:
    for _ in range(runs):
        await trio.sleep(dice.uniform(0.5, 4.0))
        kind = dice.choice(KINDS)
        number = signal.SIGKILL if kind.endswith("killed") else signal.SIGSTOP
        victim = await trio.to_thread.run_sync(choose, server, kind, dice.random())
        affected = [one for one in callers if one.speaking]
        for one in affected:
            one.kinds.append(kind)
        os.kill(victim, number)
        began = trio.current_time()
        seconds: list[float] = []
        async with trio.open_nursery() as nursery:
            for one in affected:
                nursery.start_soon(note_news, one.news, began, seconds)
        findings.words_again[kind] += seconds
        findings.done += 1
        told = ", ".join(f"{one:.1f}" for one in sorted(seconds))
        print(f"{findings.done} of {total}: {kind}; words again after {told or 'no'} s", flush=True)
        await until(lambda: server.readyz() == 200)


async def note_news(news: trio.Event, began: float, seconds: list[float]) -> None:
    await news.wait()
    seconds.append(trio.current_time() - began)


def choose(server: ServerProcess, kind: str, share: float) -> int:
    """The process that is disturbed. Blocks: it looks at all processes of the machine."""
    if kind.startswith("worker"):
        return server.worker_pid()
    pids = sorted(server.engine_pids())
    return pids[int(share * len(pids))] if pids else server.worker_pid()


async def undisturbed(server: ServerProcess) -> dict[str, Finals]:
    """The finals of each recording."""
    return {
        one.path: await call(server, one, Caller("nobody"), hangs_up=number % 2 == 0)
        for number, one in enumerate(RECORDINGS)
    }


async def trial(
    server: ServerProcess, name: str, callers: int, runs: int, seed: int, findings: Findings, total: int
) -> None:
    """All of what happens to one server."""
    wanted = await undisturbed(server)
    people = [Caller(f"{name}/{number}") for number in range(callers)]
    async with trio.open_nursery() as nursery:
        for number, one in enumerate(people):
            nursery.start_soon(talk, server, one, random.Random(f"{seed}/{name}/{number}"), wanted, findings)
        await disturb(server, people, random.Random(f"{seed}/{name}"), runs, findings, total)
        await trio.sleep(CALL_S / 6)  # the calls that were disturbed last come to their ends
        nursery.cancel_scope.cancel(reason="the trial is over")


async def trials(servers: Sequence[ServerProcess], args: argparse.Namespace, findings: Findings) -> None:
    async with trio.open_nursery() as nursery:
        for number, server in enumerate(servers):
            runs = args.runs // len(servers) + (number < args.runs % len(servers))
            nursery.start_soon(trial, server, f"server{number}", args.callers, runs, args.seed, findings, args.runs)


def summary(findings: Findings) -> str:
    lines = [f"{findings.done} disturbances, {findings.calls} calls, {len(findings.losses)} losses"]
    for kind, seconds in sorted(findings.words_again.items()):
        ordered = sorted(seconds)
        if ordered:
            p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
            lines.append(f"  {kind:14} words again after p50 {p50:.1f} s, p99 {p99:.1f} s ({len(ordered)} callers)")
    return "\n".join([*lines, *(f"  LOSS {one}" for one in findings.losses)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="how often a process is frozen or killed")
    parser.add_argument("--servers", type=int, default=2, help="at the same time; each has a worker")
    parser.add_argument("--callers", type=int, default=3, help="of each server")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="vt-") as folder, ExitStack() as stack:
        servers = [
            stack.enter_context(running_server(Path(folder) / str(number), environment=DEFAULTS))
            for number in range(args.servers)
        ]
        try:
            trio.run(trials, servers, args, findings)
        finally:
            print(summary(findings), flush=True)
    return 1 if findings.losses else 0


if __name__ == "__main__":
    sys.exit(main())
