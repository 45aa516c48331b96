"""Spoken answers over lines that break: `python -m tests.campaigns.cuts --cuts 200`.

A real server with its default engines, each client behind a proxy of its own that cuts its connection again and again:
by FIN, by RST, after a time in which it has swallowed everything in one direction or both, or after a slow one. Each client
plays in real time what it gets, counts it, and compares with what the server says was heard:

- `heard_ms` is what its player had played, within 100 ms, and `heard_text` a beginning of the text in whole words;
- after each cut the audio goes on with the very next sample, and what came in all is as long as the server says it is:
  nothing twice, nothing left out that was not told;
- the history says the same.

Some clients report nothing, and some do not say what they have when they come back. Prints a summary; exit code 1 on a
violation.
"""

import argparse
import json
import random
import sys
import tempfile
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from tests.campaigns.bad_line import BadLine, open_bad_line
from tests.end_to_end.processes import running_server
from voicetrio.cli.native_client import NativeSession, open_native_session
from voicetrio.cli.native_errors import ConnectionLost, ServerUnreachable
from voicetrio.cli.player import Player
from voicetrio.cli.ticket import ResumeTicket

QUESTIONS = ("count to forty", "tell me a story")
WITHIN_MS = 100
TOGETHER = 10
"""Answers at a time: two cores also play the clients."""

ANSWER_S = 120.0
"""For one answer with its cuts."""

KINDS = ("clean", "reset", "swallowed", "slow")


@dataclass
class Listener:
    """One answer's client, over all of its connections."""

    name: str
    question: str
    cuts: int
    reports: bool
    tells: bool
    stops: bool
    dice: random.Random
    ticket: ResumeTicket = field(default_factory=ResumeTicket)
    pcm: bytearray = field(default_factory=bytearray)
    texts: list[str] = field(default_factory=list)
    request_id: str = ""
    ending: dict[str, Any] | None = None
    duration_ms: int | None = None
    played_ms: int = 0
    over: trio.Event = field(default_factory=trio.Event)
    stop: trio.Event = field(default_factory=trio.Event)
    resumed: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.player = Player(now=trio.current_time())

    async def listen(self, session: NativeSession) -> None:
        async for message in session:
            now = trio.current_time()
            if isinstance(message, bytes):
                self.pcm += message
                self.player.feed(message, now=now)
                continue
            match message["type"]:
                case "session.created" if not message["resumed"]:
                    await session.send_json({"type": "session.configure", "speak_replies": True})
                    await session.send_json({"type": "user_message", "content": self.question})
                case "session.created" if self.request_id:
                    self.player.resume(self.request_id, now=now)
                case "tts.speaking_start":
                    self.request_id = message["request_id"]
                    self.texts.append(message["text"])
                    self.player.begin(self.request_id, message["sample_rate"], now=now)
                case "tts.speaking_text":
                    self.texts.append(message["text"])
                case "tts.speaking_resumed":
                    self.resumed += 1
                    if message["start_sample"] != len(self.pcm) // 2:
                        self.faults.append(f"resumed at {message['start_sample']} instead of {len(self.pcm) // 2}")
                    self.player.go_on(self.request_id, message["start_sample"], now=now)
                case "tts.speaking_end":
                    self.duration_ms = message["duration_ms"]
                    self.player.end(self.request_id, now=now)
                case "playback.completed" | "playback.interrupted":
                    self.played_ms = self.player.played_ms(self.request_id, now=now)
                    self.ending = message
                    self.player.flush(self.request_id, now=now)
                    self.over.set()

    async def report(self, session: NativeSession) -> None:
        while self.reports:
            await trio.sleep(0.05)
            for progress in self.player.take_reports(now=trio.current_time()):
                played = {"request_id": progress.request_id, "played_ms": progress.played_ms}
                await session.send_json({"type": "playback.progress", **played})

    async def hang_up(self, session: NativeSession) -> None:
        """Stop the answer, as a client does: its player first."""
        await self.stop.wait()
        now = trio.current_time()
        self.player.pause(self.request_id, now=now)
        played_ms = self.player.played_ms(self.request_id, now=now)
        if self.reports:
            await session.send_json(
                {"type": "playback.progress", "request_id": self.request_id, "played_ms": played_ms}
            )
        await session.send_json({"type": "tts.cancel"})

    async def connect(self, line: BadLine, connected: trio.Event) -> None:
        """One connection to its end."""
        try:
            async with open_native_session(f"ws://127.0.0.1:{line.port}", self.name, ticket=self.ticket) as session:
                connected.set()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._quietly, self.report, session)
                    nursery.start_soon(self._quietly, self.hang_up, session)
                    await self._quietly(self.listen, session)
                    nursery.cancel_scope.cancel(reason="the connection is over")
        except (ConnectionLost, ServerUnreachable) as error:
            self.faults.append(f"could not come back: {error}")
            self.over.set()

    async def _quietly(self, task: Any, session: NativeSession) -> None:
        try:
            await task(session)
        except ConnectionLost:
            return


async def answer(listener: Listener, port: int, kinds: Counter[str]) -> None:
    async with open_bad_line(port) as line, trio.open_nursery() as nursery:
        with trio.move_on_after(ANSWER_S) as patience:
            for number in range(listener.cuts + 1):
                connected = trio.Event()
                line.mend()
                nursery.start_soon(listener.connect, line, connected)
                await connected.wait()
                with trio.move_on_after(listener.dice.uniform(0.3, 4.0)):
                    await listener.over.wait()
                if listener.over.is_set() or number == listener.cuts:
                    break
                kinds[await spoil(line, listener)] += 1
                if not listener.tells:
                    listener.ticket.utterance = ""
                    listener.player.pause(listener.request_id, now=trio.current_time())
                await trio.sleep(listener.dice.uniform(0.05, 2.0))
            if listener.stops:
                listener.stop.set()
            await listener.over.wait()
        if patience.cancelled_caught:
            listener.faults.append(f"no end of the answer within {ANSWER_S:g} s")
        judge(listener, port)
        nursery.cancel_scope.cancel(reason="done")


async def spoil(line: BadLine, listener: Listener) -> str:
    kind = listener.dice.choice(KINDS)
    match kind:
        case "swallowed":
            line.swallows_up, line.swallows_down = listener.dice.choice(((True, True), (False, True), (True, False)))
            await trio.sleep(listener.dice.uniform(0.2, 3.0))
        case "slow":
            line.bytes_per_second = listener.dice.choice((20_000.0, 60_000.0))
            await trio.sleep(listener.dice.uniform(0.5, 2.0))
    await line.cut(reset=kind != "clean")
    return kind


def judge(listener: Listener, port: int) -> None:
    ending, faults = listener.ending, listener.faults
    if ending is None:
        return
    text, heard = " ".join(listener.texts), ending["heard_ms"]
    came_ms = len(listener.pcm) // 2 * 1000 // 24_000
    spoken = text if ending["type"] == "playback.completed" else ending["heard_text"]
    if ending["type"] == "playback.completed":
        if came_ms != listener.duration_ms or heard != came_ms:
            faults.append(f"completed: {heard} ms heard of {listener.duration_ms} ms, of which {came_ms} ms came")
    elif not text.startswith(spoken) or (spoken != text and spoken and not text[len(spoken)].isspace()):
        faults.append(f"heard_text ends inside a word: {spoken[-20:]!r}")
    off = heard - listener.played_ms
    if off > WITHIN_MS or (off < -WITHIN_MS and listener.tells and listener.reports):
        faults.append(f"{heard} ms heard, but {listener.played_ms} ms were played ({ending['type']})")
    token = listener.ticket.query.partition("resume=")[2].partition("&")[0]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/sessions/{listener.name}/history", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        (said,) = [turn for turn in json.load(reply)["turns"] if turn["role"] == "assistant"]
    if said["heard_text"] != spoken:
        faults.append(f"the history says {said['heard_text'][-20:]!r}, the ending {spoken[-20:]!r}")


async def campaign(port: int, answers: int, cuts: int, seed: int) -> int:
    kinds: Counter[str] = Counter()
    listeners: list[Listener] = []
    limit = trio.CapacityLimiter(TOGETHER)

    async def one(number: int) -> None:
        async with limit:
            dice = random.Random(f"{seed}/{number}")
            each = cuts // answers + (number < cuts % answers)
            listener = Listener(
                f"cuts-{seed}-{number}",
                dice.choice(QUESTIONS),
                each,
                number % 4 != 1,
                number % 8 != 2,
                number % 3 == 0,
                dice,
            )
            listeners.append(listener)
            await answer(listener, port, kinds)
            print(".", end="", flush=True)

    async with trio.open_nursery() as nursery:
        for number in range(answers):
            nursery.start_soon(one, number)
    print()
    summarise(listeners, kinds)
    violations = [f"{one.name}: {fault}" for one in listeners for fault in one.faults]
    print("\n".join(violations) or "no violation")
    return 1 if violations else 0


def summarise(listeners: list[Listener], kinds: Counter[str]) -> None:
    ended = [(one, one.ending) for one in listeners if one.ending is not None]
    endings = Counter(f"{ending['type']} {ending.get('reason', '')}".strip() for _, ending in ended)
    off = sorted(abs(ending["heard_ms"] - one.played_ms) for one, ending in ended if one.tells and one.reports)
    resumed = sum(one.resumed for one in listeners)
    print(f"{len(listeners)} answers, {sum(kinds.values())} cuts: {dict(kinds)}; speech resumed {resumed} times")
    print(f"endings: {dict(endings)}")
    if off:
        print(f"heard against played, ms: p50 {off[len(off) // 2]}, max {off[-1]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "s") as server:
        return trio.run(campaign, server.port, args.answers, args.cuts, args.seed)


if __name__ == "__main__":
    sys.exit(main())
