"""Session ids of the form session-{time}-{random}, and what their time says."""

import re
import time

import pytest

from voicetrio.core.session_id import ALPHABET, RANDOM_CHARS, began_ms, session_id
from voicetrio.session.identity import is_session_id
from voicetrio.session.session_id import new_session_id


def test_the_documents_example_is_one():
    assert began_ms("session-1703123456789-k3m9x7q2w") == 1_703_123_456_789


def test_it_says_when_it_began():
    assert session_id(1_703_123_456_789, "k3m9x7q2w4ab") == "session-1703123456789-k3m9x7q2w4ab"
    assert began_ms(session_id(0, "a" * 9)) == 0


@pytest.mark.parametrize(
    "text",
    [
        *["", "session", "test-room", "room-0123456789ab", "session-1703123456789", "session-1703123456789-"],
        *["session-1703123456789-k3m9x7q2", "session-1703123456789-" + "a" * 33, "session-170312345678-k3m9x7q2w"],
        *["session-17031234567890-k3m9x7q2w", "session-1703123456789-K3M9X7Q2W", "session-1703123456789-k3m9x7q2w\n"],
        *[
            "xsession-1703123456789-k3m9x7q2w",
            "session-\uff11703123456789-k3m9x7q2w",
            "session-1703123456789-k3m9x7q2é",
        ],
    ],
)
def test_other_names_say_nothing(text: str):
    assert began_ms(text) is None


def test_a_new_one_has_the_time_of_now_and_can_be_a_session():
    before = time.time_ns() // 1_000_000
    fresh = new_session_id()
    assert re.fullmatch(r"session-\d{13}-[a-z0-9]{12}", fresh)
    assert before <= began_ms(fresh) <= time.time_ns() // 1_000_000
    assert is_session_id(fresh)


def test_ten_thousand_of_them_are_different_and_use_all_of_the_alphabet():
    randoms = [new_session_id().rpartition("-")[2] for _ in range(10_000)]
    assert len(set(randoms)) == 10_000
    for place in range(RANDOM_CHARS):
        # Chance of a character that is missing, anywhere: 12 * 36 * (35/36)**10000, below 1e-119.
        assert {random[place] for random in randoms} == set(ALPHABET)
