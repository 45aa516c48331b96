import pytest

from voicetrio.core.errors import WorkerBusy
from voicetrio.worker.errors import SetupError
from voicetrio.worker.slots import Slots


def test_the_slot_too_many_is_refused_and_takes_nothing():
    slots = Slots("stt", 2)
    with slots.take(), slots.take():
        assert slots.in_use == 2
        with pytest.raises(WorkerBusy, match="all 2 stt slots"), slots.take():
            pass
        assert slots.in_use == 2
    assert slots.in_use == 0


def test_a_slot_comes_back_however_its_block_ends():
    slots = Slots("stt", 1)
    with pytest.raises(KeyError), slots.take():
        raise KeyError
    with pytest.raises(KeyboardInterrupt), slots.take():
        raise KeyboardInterrupt
    with slots.take():
        pass
    assert slots.in_use == 0


def test_a_worker_without_slots_is_a_mistake():
    with pytest.raises(SetupError, match=r"tts\.slots"):
        Slots("tts", 0)
