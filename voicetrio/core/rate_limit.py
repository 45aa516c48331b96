"""How often each address may ask for something: a token bucket for each. Pure: it does not know what time it is."""

import ipaddress
from collections import OrderedDict

ADDRESSES_MAX = 10_000
"""Addresses that are remembered, about 2 MB. The one that has asked longest ago makes way for the next: who has so many
addresses could not be held back by counting them."""

_MINUTE = 60.0


class RateLimit:
    def __init__(self, per_minute: int, *, addresses_max: int = ADDRESSES_MAX) -> None:
        """Each address may ask `per_minute` times at once, and as often in every minute after that."""
        self._capacity = float(per_minute)
        self._max = addresses_max
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By subnet: how often it may still ask, and when that was so. Asked longest ago comes first."""

    def __len__(self) -> int:
        return len(self._levels)

    def wait(self, address: str, *, now: float) -> float:
        """0, and this was one of its times; or the seconds until its next one, and nothing has changed."""
        key = subnet(address)
        level, since = self._levels.get(key, (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._capacity / _MINUTE)
        if level < 1:
            return (1 - level) * _MINUTE / self._capacity
        self._levels[key] = (level - 1, now)
        self._levels.move_to_end(key)
        self._forget(now)
        return 0.0

    def would_wait(self, address: str, *, now: float) -> float:
        """What `wait` would say; nothing changes."""
        level, since = self._levels.get(subnet(address), (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._capacity / _MINUTE)
        return 0.0 if level >= 1 else (1 - level) * _MINUTE / self._capacity

    def _forget(self, now: float) -> None:
        """Whoever has not asked for a minute may ask as often as somebody who is not known."""
        while len(self._levels) > self._max or next(iter(self._levels.values()))[1] <= now - _MINUTE:
            self._levels.popitem(last=False)


def subnet(address: str) -> str:
    """Whom an address counts for: of IPv6 the first 64 bits, which one household or machine has to itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a Unix socket, which has only one
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)
