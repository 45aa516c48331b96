import math

import pytest

from voicetrio.core.allowance import Allowance


def test_it_begins_full_and_fills_at_its_rate_up_to_its_size():
    allowance = Allowance(10, 6)
    assert [allowance.take(20, now=100.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take(11, now=101.0)
    assert allowance.take(10, now=101.0)
    assert not allowance.take(61, now=1000.0)
    assert allowance.take(60, now=1000.0)


@pytest.mark.parametrize("flood", [1, 100, 100_000])
def test_who_was_refused_often_is_served_again_at_the_rate(flood: int):
    allowance = Allowance(10, 10)
    assert allowance.take(100, now=0.0)
    assert not any(allowance.take(1, now=0.0) for _ in range(flood))
    served = sum(allowance.take(1, now=step / 64) for step in range(1, 5 * 64 + 1))
    assert served == 50


def test_without_a_limit_there_is_always_enough():
    allowance = Allowance(math.inf, 60)
    assert all(allowance.take(1e12, now=0.0) for _ in range(3))
