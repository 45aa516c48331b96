"""An utterance that is longer than what is kept of one: the listener is waited for, and never for ever.

A character is 0.1 s of speech; 60 s of it are kept.
"""

import pytest
import trio

from tests.fakes.client import open_client
from tests.fakes.synthesizer import FakeSynthesizer

TEXT = "word " * 239 + "last."  # 120 s, in one piece
SECONDS = 120.0


async def report_until(client, stops_at: float) -> None:
    began = trio.current_time()
    while trio.current_time() - began < stops_at:
        played_ms = int((trio.current_time() - began) * 1000)
        await client.send("playback.progress", request_id="a", played_ms=played_ms)
        await trio.sleep(0.2)


@pytest.mark.parametrize("confirms", [True, False], ids=["answers pings", "answers no pings"])
@pytest.mark.parametrize("reports_for", [0.0, 0.1, 30.0, 200.0])
async def test_it_is_heard_to_its_end_whenever_the_client_stops_to_report(autojump_clock, reports_for, confirms):
    async with open_client(synthesizer=FakeSynthesizer()) as client:
        client.link.pongs = confirms
        began = trio.current_time()
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.wait_for("tts.speaking_start")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report_until, client, reports_for)
            with trio.fail_after(SECONDS + 45.0):
                ending = await client.wait_for("playback.completed")
            nursery.cancel_scope.cancel()
        assert ending["heard_ms"] == SECONDS * 1000
        assert trio.current_time() - began >= SECONDS - 1.0
