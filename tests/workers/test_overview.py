"""What the operator is told of workers: which they are, whether they are ready, and what they can."""

import pytest

from voicetrio.session.overview import WorkerOverview
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.workers.client import TranscribeStream, WorkerClient, worker_name
from voicetrio.workers.pool import Member, Pool


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

    stream = TranscribeStream("unix:/home/anna/private/worker.sock", Call(), None)
    assert stream.worker == "unix:worker.sock", "as the pool calls it"


def member(address: str, description: pb.Description | None = None) -> Member:
    client = object.__new__(WorkerClient)  # its calls are not used
    client.address = address
    return Member(client, description is not None, description or pb.Description(), None, None)


def test_a_pool_tells_of_its_workers_in_their_order():
    description = pb.Description(
        stt=pb.SpeechToTextDescription(engine="pocketsphinx", model="en-us", slots=4),
        tts=pb.TextToSpeechDescription(engine="espeak-ng", slots=2),
    )
    deaf = pb.Description(tts=pb.TextToSpeechDescription(engine="espeak-ng", slots=1))
    pool = Pool([member("unix:/tmp/x/a.sock", description), member("10.0.0.7:1"), member("10.0.0.8:1", deaf)], None)
    assert pool.overview() == (
        WorkerOverview("unix:a.sock", True, "pocketsphinx en-us", 4, "espeak-ng", 2),
        WorkerOverview("10.0.0.7:1", False, "", 0, "", 0),
        WorkerOverview("10.0.0.8:1", True, "", 0, "espeak-ng", 1),
    )
