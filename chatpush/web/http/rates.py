"""Limit how fast one caller may ask, and tell them how much is left.

A bucket for each secret key and each signed-in user: it holds a minute's worth
and fills evenly. Answers carry ``RateLimit-Policy`` and ``RateLimit`` (IETF
httpapi draft), refusals too; a caller that is over gets 429 with ``Retry-After``.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chatpush.clock import Clock, SystemClock
from chatpush.domain import Identity, IdentityKind
from chatpush.errors import TooMany
from chatpush.web.http.operations import IDENTITY

WINDOW_SECONDS = 60
CALLERS = 100_000
LEFT_TO_ASK = web.RequestKey("left_to_ask", dict)
"""The headers for a request's answer, whatever it will be."""
LIMITED = {IdentityKind.KEY: "key", IdentityKind.USER: "user"}


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Every caller's bucket."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._quota = per_minute
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str, str], _Bucket] = OrderedDict()

    def take(self, identity: Identity) -> "Taken":
        """Take one request of a caller, if there is one left."""
        kind = LIMITED.get(identity.kind)
        if kind is None or self._quota <= 0:
            return Taken({}, 0)
        now, per_second = self._clock.monotonic(), self._quota / WINDOW_SECONDS
        place = (identity.tenant, kind, identity.subject)
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = _Bucket(float(self._quota), now)
            if len(self._buckets) > CALLERS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(place)
        bucket.left = min(self._quota, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        wait = math.ceil((1 - bucket.left) / per_second) if bucket.left < 1 else 0
        if not wait:
            bucket.left -= 1
        full_in = math.ceil((self._quota - bucket.left) / per_second)
        headers = {
            "RateLimit-Policy": f'"{kind}";q={self._quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"{kind}";r={int(bucket.left)};t={full_in}',
        }
        return Taken(headers, wait)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is left, and how long to wait if that was nothing."""

    headers: dict[str, str]
    wait_seconds: int


def limiting(per_minute: int, clock: Clock | None = None) -> Middleware:
    """Return the middleware; it needs to know the identity already."""
    rates = Rates(per_minute, clock or SystemClock())

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        taken = rates.take(request[IDENTITY])
        request[LEFT_TO_ASK] = taken.headers
        wait = taken.wait_seconds
        if wait:
            raise TooMany(
                f"over {per_minute} requests a minute; come back in {wait} s", retry_after_seconds=wait
            )
        return await handler(request)

    return limit
