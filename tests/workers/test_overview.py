"""What the operator is told of workers: which they are, whether they are ready, and what they can."""

from types import SimpleNamespace

import pytest

from tests.workers import fleet
from voicetrio.core.socket_paths import worker_name
from voicetrio.workers.client import TranscribeStream


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051"),
        ("[::1]:50051", "[::1]:50051"),
        ("worker.example.org:1", "worker.example.org:1"),
        ("unix:/home/anna/private/worker.sock", "unix:worker.sock"),
        ("unix:/worker", "unix:worker"),
    ],
)
def test_a_worker_is_called_by_its_address_and_never_by_a_path(address: str, name: str):
    assert worker_name(address) == name


def test_a_stream_tells_whose_it_is():
    class Call:
        send_message = recv_message = recv_trailing_metadata = None

    stream = TranscribeStream(SimpleNamespace(address="unix:/home/anna/private/worker.sock"), Call(), None)
    assert stream.worker == "unix:worker.sock", "as the pool calls it"


def test_a_pool_tells_of_its_workers_in_their_order():
    busy = fleet.member(
        "unix:/run/x/a.sock", "pocketsphinx en-us", slots=4, in_use=3, speaks="espeak-ng", voices=("en",)
    )
    unknown = fleet.member("10.0.0.7:1", "", state="starting")
    deaf = fleet.member("10.0.0.8:1", "", speaks="piper", voices=("a", "b"), state="draining")
    with busy.stt.taken():
        busy.recoveries, busy.moved = 2, 1
        told = [one.as_message() for one in fleet.pool(busy, unknown, deaf).overview()]
    assert told[0] == {
        "worker": "unix:a.sock",
        "state": "ready",
        "ready": True,
        "engine": "pocketsphinx",
        "model": "en-us",
        "stt_slots": 4,
        "stt_in_use": 4,
        "load": 1.0,
        "streams": 1,
        "recoveries": 2,
        "moved": 1,
        "speaks_with": "espeak-ng",
        "voices": 1,
        "tts_slots": 2,
        "tts_in_use": 0,
    }
    assert [(one["worker"], one["state"], one["ready"], one["load"]) for one in told[1:]] == [
        ("10.0.0.7:1", "starting", False, 0.0),
        ("10.0.0.8:1", "draining", False, 0.0),
    ]
    assert (told[2]["engine"], told[2]["speaks_with"], told[2]["voices"]) == ("", "piper", 2)
