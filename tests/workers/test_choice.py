"""Which worker gets a stream: by its model, by two choices, and by what is known of its slots."""

import random
from collections import Counter

import pytest

from tests.workers.fleet import member, pool
from voicetrio.core.errors import WorkerBusy, WorkerDraining, WorkerRejected, WorkerUnavailable
from voicetrio.session.ports import SpeechRequest, StreamConfig
from voicetrio.workers.choice import in_order
from voicetrio.workers.member import Slots


def config(model: str = "") -> StreamConfig:
    return StreamConfig("test", "", (), partials=True, model=model)


async def taken_by(one, model: str = "") -> str:
    async with one.open_stream(config(model)) as stream:
        return stream.address


async def spoken_by(one, voice: str = "") -> str:
    async with one.open_speech(SpeechRequest("hello", voice, 1.0)) as speech:
        return speech.address


# Two choices.


@pytest.mark.parametrize(
    ("drawn", "first"),
    [((0, 1), "b"), ((1, 0), "b"), ((0, 2), "c"), ((2, 3), "c"), ((1, 3), "d"), ((3, 0), "d")],
)
async def test_of_two_that_are_drawn_the_one_with_more_free_slots_is_asked(drawn, first):
    fleet = [member(name, slots=10, in_use=busy) for name, busy in (("a", 9), ("b", 5), ("c", 1), ("d", 2))]
    assert await taken_by(pool(*fleet, drawn=drawn)) == first


async def test_the_other_one_is_next_and_then_the_rest_by_their_free_slots():
    fleet = [member(name, slots=10, in_use=busy) for name, busy in (("a", 9), ("b", 5), ("c", 3), ("d", 2), ("e", 1))]
    for one in fleet[:4]:
        one.client.fails = WorkerBusy("full, whatever was known")
    order = [one.client.address for one in in_order(fleet, lambda one: one.stt, pool(drawn=(0, 1))._dice)]
    assert order == ["b", "a", "e", "d", "c"]
    assert await taken_by(pool(*fleet, drawn=(0, 1))) == "e"
    assert [one.client.asked for one in fleet] == [1, 1, 0, 0, 1]


async def test_those_that_seem_to_be_full_are_asked_last():
    fleet = [member("full", slots=2, in_use=2), member("a", slots=2, in_use=1)]
    assert await taken_by(pool(*fleet, drawn=(0,))) == "a"
    fleet[1].client.fails = WorkerUnavailable("gone")
    assert await taken_by(pool(*fleet, drawn=(0,))) == "full", "what is known may be old"


def test_real_dice_draw_all_and_prefer_the_free():
    fleet = [member(name, slots=10, in_use=busy) for name, busy in (("a", 0), ("b", 5), ("c", 8))]
    dice = random.Random(1)
    firsts = Counter(in_order(fleet, lambda one: one.stt, dice)[0].client.address for _ in range(600))
    assert firsts["a"] == pytest.approx(400, abs=60), "in two of three pairs"
    assert firsts["b"] == pytest.approx(200, abs=60)
    assert firsts["c"] == 0, "it is always with a better one"


# Free slots.


def test_free_slots_are_the_workers_word_and_what_has_changed_since():
    slots = Slots()
    slots.learn(8, 3, held_before=0)  # three of other gateways
    with slots.taken(), slots.taken():
        assert (slots.in_use, slots.free) == (5, 3)
        slots.learn(8, 5, held_before=2)  # the worker has seen them
        assert slots.in_use == 5
    assert slots.in_use == 3


def test_what_is_opened_while_the_worker_is_asked_counts():
    slots = Slots()
    with slots.taken():
        slots.learn(8, 3, held_before=0)  # asked before it was opened
        assert slots.in_use == 4
    assert slots.in_use == 3


def test_ours_are_never_fewer_than_we_hold():
    slots = Slots()
    with slots.taken(), slots.taken():
        slots.learn(8, 0, held_before=2)  # it has been restarted, and our streams do not know it yet
        assert slots.in_use == 2


async def test_streams_that_are_open_here_count_before_the_worker_says_so():
    fleet = [member("a", slots=4), member("b", slots=4)]
    one = pool(*fleet, drawn=(0, 1))
    async with one.open_stream(config()), one.open_stream(config()), one.open_stream(config()):
        assert [member.stt.held for member in fleet] == [2, 1], "in turns"
    assert [member.stt.in_use for member in fleet] == [0, 0]


async def test_a_worker_that_refuses_is_taken_for_full_until_it_says_otherwise():
    fleet = [member("a", slots=4), member("b", slots=4)]
    one = pool(*fleet, drawn=(0, 1))
    fleet[0].client.fails = WorkerBusy("full")
    assert await taken_by(one) == "b"
    assert (fleet[0].stt.free, fleet[1].stt.free) == (0, 4)
    one._dice._places = (0,)
    assert await taken_by(one) == "b"
    assert fleet[0].client.asked == 1, "it was not drawn again"


# Refusals.


async def test_busy_is_what_is_told_when_some_are_busy_and_others_gone():
    fleet = [member("a"), member("b"), member("c")]
    fleet[0].client.fails = fleet[2].client.fails = WorkerUnavailable("gone")
    fleet[1].client.fails = WorkerBusy("full")
    with pytest.raises(WorkerBusy):
        await taken_by(pool(*fleet))
    assert [one.doubted.is_set() for one in fleet] == [True, False, True], "who did not answer is looked at at once"


async def test_a_stream_that_breaks_is_counted_and_one_that_is_moved_as_such():
    fleet = [member("a")]
    one = pool(*fleet)
    with pytest.raises(WorkerUnavailable):
        async with one.open_stream(config()):
            raise WorkerUnavailable("broken")
    assert (fleet[0].recoveries, fleet[0].moved, fleet[0].doubted.is_set()) == (1, 0, True)
    with pytest.raises(WorkerDraining):
        async with one.open_stream(config()):
            raise WorkerDraining("it ends")
    assert (fleet[0].recoveries, fleet[0].moved, fleet[0].stt.held) == (1, 1, 0)


async def test_a_worker_that_says_it_drains_gets_no_new_stream():
    fleet = [member("a"), member("b")]
    one = pool(*fleet, drawn=(0, 1))
    async with one.open_stream(config()) as stream:
        assert stream.address == "a"
        stream.on_draining()
        assert fleet[0].state == "draining"
        assert one.overview()[0].streams == 1
        one._dice._places = (0,)
        assert await taken_by(one) == "b"
    fleet[1].set_state("not ready")
    with pytest.raises(WorkerUnavailable):
        await taken_by(one)


# Models.


FLEET = ("whisper small", "whisper large", "ctc tiny", "whisper small")


@pytest.mark.parametrize(
    ("wanted", "default", "takes"),
    [
        ("", "", {"0", "3"}),
        ("", "ctc", {"2"}),
        ("whisper large", "ctc", {"1"}),
        ("whisper", "", {"0", "3"}),
        ("large", "", {"1"}),
        ("ctc/tiny", "", {"2"}),
    ],
)
async def test_a_stream_goes_only_to_workers_of_its_engine_and_model(wanted, default, takes):
    fleet = [member(str(number), model) for number, model in enumerate(FLEET)]
    one = pool(*fleet, default_model=default)
    one._dice = random.Random(1)
    assert {await taken_by(one, wanted) for _ in range(40)} == takes
    for busy in fleet:
        if busy.client.address in takes:
            busy.client.fails = WorkerBusy("full")
    with pytest.raises(WorkerBusy):
        await taken_by(one, wanted)
    for gone in fleet:
        if gone.client.address in takes:
            gone.set_state("not ready")
    with pytest.raises(WorkerUnavailable):
        await taken_by(one, wanted)


def test_the_models_are_told_with_the_default_first():
    fleet = [member("speaks", "", speaks="tone"), *(member(str(number), model) for number, model in enumerate(FLEET))]
    one = pool(*fleet, default_model="tiny")
    assert one.model() == "ctc tiny"
    assert one.models() == ("ctc tiny", "whisper small", "whisper large")
    assert pool(*fleet).models() == ("whisper small", "whisper large", "ctc tiny")
    assert pool().models() == ()


def test_languages_are_those_of_the_model():
    one = pool(member("a", "whisper small", languages=("en", "de")), member("b", "ctc tiny", languages=("fr",)))
    assert (one.languages(), one.languages("ctc tiny"), one.languages("other")) == (("en", "de"), ("fr",), ())


async def test_a_model_that_no_worker_has_is_rejected_by_name_once_all_are_known():
    fleet = [member("a", "whisper small"), member("b", "ctc tiny")]
    with pytest.raises(WorkerRejected, match="whisper small, ctc tiny"):
        await taken_by(pool(*fleet), "vosk")
    fleet[1].description.Clear()
    with pytest.raises(WorkerUnavailable):
        await taken_by(pool(*fleet), "vosk")


# Speech.


@pytest.mark.parametrize(
    ("voice", "speaker"),
    [("", "a"), ("en-us", "a"), ("en-us+f3", "a"), ("de", "a"), ("lessac", "b"), ("en", "a"), ("thorsten", "c")],
)
async def test_the_voice_chooses_the_worker(voice, speaker):
    fleet = [
        member("a", "", speaks="espeak-ng", voices=("en-us", "de")),
        member("b", "", speaks="piper", voices=("lessac",)),
        member("c", "", speaks="piper", voices=("thorsten", "de")),
    ]
    one = pool(*fleet)
    assert await spoken_by(one, voice) == speaker


async def test_without_a_voice_the_first_that_is_there_speaks_and_those_with_the_same_voice():
    fleet = [
        member("a", "", speaks="piper", voices=("lessac",), state="draining"),
        member("b", "", speaks="espeak-ng", voices=("en-us",)),
        member("c", "", speaks="piper", voices=("lessac",)),
        member("d", "", speaks="espeak-ng", voices=("en-us", "de")),
    ]
    one = pool(*fleet)
    one._dice = random.Random(1)
    assert {await spoken_by(one) for _ in range(20)} == {"b", "d"}
