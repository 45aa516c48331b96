"""How often an address may ask."""

import pytest

from voicetrio.core.rate_limit import RateLimit, subnet


def test_so_often_at_once_and_then_as_often_in_a_minute():
    limit = RateLimit(60)
    assert [limit.wait("192.0.2.1", now=100) for _ in range(60)] == [0] * 60
    assert limit.wait("192.0.2.1", now=100) == pytest.approx(1)
    assert limit.wait("192.0.2.1", now=100.75) == pytest.approx(0.25)
    assert limit.wait("192.0.2.1", now=101) == 0
    assert limit.wait("192.0.2.1", now=101) == pytest.approx(1)


def test_asking_in_vain_does_not_count():
    limit = RateLimit(1)
    assert limit.wait("192.0.2.1", now=0) == 0
    for now in range(60):
        assert limit.wait("192.0.2.1", now=now) == pytest.approx(60 - now)
    assert limit.wait("192.0.2.1", now=60) == 0


def test_it_never_saves_up_more_than_a_minute():
    limit = RateLimit(2)
    limit.wait("192.0.2.1", now=0)
    assert [limit.wait("192.0.2.1", now=10_000) for _ in range(3)] == [0, 0, pytest.approx(30)]


def test_addresses_do_not_count_for_each_other_but_a_subnet_of_ipv6_is_one():
    limit = RateLimit(1)
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "unix"):
        assert limit.wait(address, now=0) == 0
    for address in ("::ffff:192.0.2.1", "2001:db8::ffff:ffff:ffff:ffff"):
        assert limit.wait(address, now=0) > 0


@pytest.mark.parametrize(
    ("address", "counts_for"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("<local>", "<local>"),
    ],
)
def test_subnets(address: str, counts_for: str):
    assert subnet(address) == counts_for


def test_the_table_is_bounded_and_forgets_who_has_not_asked_for_a_minute():
    limit = RateLimit(1, addresses_max=100)
    for number in range(1000):
        limit.wait(f"10.0.{number // 256}.{number % 256}", now=number / 1000)
    assert len(limit) == 100
    assert limit.wait("10.0.3.231", now=1) > 0, "the last of them is not forgotten"
    limit.wait("192.0.2.1", now=61)
    assert len(limit) == 1
