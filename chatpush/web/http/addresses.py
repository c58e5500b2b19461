"""Where a request comes from, and how often one address may ask for something."""

import ipaddress
import math
from collections import OrderedDict

from aiohttp import web

from chatpush.clock import Clock
from chatpush.errors import TooMany
from chatpush.realtime.limits import Bucket
from chatpush.settings import Settings

REMEMBERED = 10_000
SUBSCRIBER_BITS = 64


def address_of(request: web.Request, settings: Settings | None) -> str:
    """Return the client's address; a forwarded one only from a trusted proxy."""
    peer = request.remote or ""
    if settings and peer in settings.server.trusted_proxies:
        forwarded = request.headers.get("X-Forwarded-For", "")
        return forwarded.rpartition(",")[2].strip() or peer
    return peer


def network_of(address: str) -> str:
    """Return what one caller can change at will: an IPv4 address is one caller, of IPv6 the first 64 bits are.

    A household or a rented server has 2⁶⁴ addresses of IPv6 (RFC 6177), so that
    a limit for each of them would be none.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, SUBSCRIBER_BITS), strict=False))


class Throttle:
    """A token bucket for each address or IPv6 network; the least recent ones are forgotten."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str) -> None:
        """Let one more pass.

        Raises:
            TooMany: the address, or its IPv6 network, asked too often.
        """
        address = network_of(address)
        now = self._clock.monotonic()
        bucket = self._buckets.pop(address, None) or Bucket(self._per_minute / 60, self._per_minute, now)
        self._buckets[address] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if not bucket.take(now):
            wait = math.ceil(60 / self._per_minute)
            raise TooMany(f"at most {self._per_minute} a minute from one address", retry_after_seconds=wait)
