"""A session and an encoder-decoder engine with all that lies between them: gRPC, the pool and a worker's server."""

import pytest
import trio

from tests.fakes import passing_engine
from tests.fakes.agent import FakeAgent, FakeTurnDetector
from tests.fakes.audio import FakeDetector, silence, word
from tests.fakes.client import FakeClient, make_link
from tests.fakes.recognizer import FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer
from tests.fakes.telemetry import FakeTelemetry
from tests.workers.test_pool import open_workers
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.session.ports import Ports
from voicetrio.session.session import Session
from voicetrio.worker.engines.registry import HEARING

pytestmark = pytest.mark.slow


async def test_words_are_confirmed_by_two_passes_and_finals_are_prompts(monkeypatch):
    monkeypatch.setitem(HEARING, "passing", passing_engine.ENTRY)
    passing_engine.ENGINE.prompts.clear()
    async with open_workers(1, engine="passing") as pool, trio.open_nursery() as nursery:
        ports = Ports(pool, FakeSynthesizer(), FakeDetector, FakeTelemetry(), FakeAgent(), FakeTurnDetector())
        session = Session("test", config=SessionConfig(), limits=SessionLimits(), ports=ports, resume_token="secret")
        client = FakeClient(
            session,
            make_link(),
            nursery,
            FakeRecognizer(),
            ports.synthesizer,
            ports.telemetry,
            ports.agent,
            trio.CancelScope(),
        )
        client.connect(client.link)
        nursery.start_soon(session.run)
        for count, numbers in enumerate(((1, 2, 3, 4), (5, 6)), start=1):
            await client.play(b"".join(map(word, numbers)) + silence(0.6), pace=0.3)
            await client.wait_for("transcript.final", count)
        await client.send("session.close")
        await client.wait_for("session.closed")
    texts = [message["text"] for message in client.got("transcript.partial")]
    assert client.finals() == ["w1 w2 w3 w4", "w5 w6"]
    assert "w1 w2" in texts
    assert not any("misheard" in text for text in texts)
    assert passing_engine.ENGINE.prompts == ["w1 w2 w3 w4"]
