"""Pick what the user comes back to: what is due to be bought again, and what they looked at lately.

How long a thing lasts is read from everybody's repeated purchases of it, and
from the user's own, drawn towards the shop's usual interval while there are few.
An item bought once by everybody is never due.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from chatpush.clock import Clock
from chatpush.domain import Event, Item, ItemId, TenantId
from chatpush.plugins.contracts import Candidate, RankingRequest
from chatpush.recommend.reasons import NOTHING_TO_SAY
from chatpush.recommend.training.footprints import DAY_MILLISECONDS, PURCHASE, Footprints

SAME_ERRAND_DAYS = 1.0
"""Two purchases closer than this are one."""
LEAST_REPEATS = 5
LEAST_SHARE = 0.25
"""So many repeated purchases, and as a share of all, make an item something that runs out."""
TOWARDS_USUAL = 3.0
EARLY, LATE = 0.8, 2.5
"""Due from here to there, in intervals since the last purchase."""
LOOKED_AT = timedelta(days=14)
LOOKS_FADE_SECONDS = 3 * 86_400.0
LOOKS = frozenset({"view", "click", "cart", "wishlist"})


def intervals(prints: Footprints) -> dict[ItemId, float]:
    """Return days between purchases of each item that people buy again and again."""
    bought = prints.kind == PURCHASE
    user, item, at = prints.user[bought], prints.item[bought], prints.at[bought]
    order = np.lexsort((at, item, user))
    user, item, at = user[order], item[order], at[order]
    same = (user[1:] == user[:-1]) & (item[1:] == item[:-1])
    days = (at[1:] - at[:-1]) / DAY_MILLISECONDS
    again = same & (days >= SAME_ERRAND_DAYS)
    days, which = days[again], item[1:][again]
    if not days.size:
        return {}
    usual = float(np.median(days))
    purchases = np.bincount(item, minlength=len(prints.items))
    order = np.argsort(which, kind="stable")
    which, days = which[order], days[order]
    starts = np.flatnonzero(np.concatenate(([True], which[1:] != which[:-1])))
    found: dict[ItemId, float] = {}
    for number, own in zip(which[starts], np.split(days, starts[1:]), strict=True):
        if own.size >= max(LEAST_REPEATS, LEAST_SHARE * purchases[number]):
            shrunk = (float(np.median(own)) * own.size + usual * TOWARDS_USUAL) / (own.size + TOWARDS_USUAL)
            found[prints.items[int(number)]] = shrunk
    return found


def due(events: Sequence[Event], lasting: Mapping[ItemId, float], now: datetime) -> dict[ItemId, float]:
    """Return, for what a user bought and what is due, a score in 0..1: highest when exactly due."""
    last: dict[ItemId, datetime] = {}
    for event in events:
        if event.type == "purchase" and event.item in lasting and event.item:
            last[event.item] = max(last.get(event.item, event.at), event.at)
    found = {}
    for item, at in last.items():
        share = (now - at) / timedelta(days=lasting[item])
        if EARLY <= share <= LATE:
            found[item] = 1.0 - min(abs(share - 1.0) / (LATE - 1.0), 1.0) * 0.8
    return found


class AgainRanker:
    """Candidates that are due to be bought again."""

    name = "again"
    weight = 0.8

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lasting: dict[TenantId, dict[ItemId, float]] = {}

    def fit(self, tenant: TenantId, prints: Footprints) -> None:
        """Replace the tenant's intervals; runs in a thread."""
        self._lasting[tenant] = intervals(prints)

    def lasting(self, tenant: TenantId) -> Mapping[ItemId, float]:
        """Return days between purchases, for the items that are bought again and again."""
        return self._lasting.get(tenant, {})

    def due(self, tenant: TenantId, events: Sequence[Event]) -> dict[ItemId, float]:
        """Return what is due for a user with these events."""
        lasting = self._lasting.get(tenant)
        return due(events, lasting, self._clock.now()) if lasting else {}

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        return (await asyncio.to_thread(self.rank_many, [request], items))[0]

    def rank_many(
        self, requests: Sequence[RankingRequest], items: Mapping[ItemId, Item]
    ) -> list[list[Candidate]]:
        """Return candidates for several users."""
        found = []
        for request in requests:
            scores = self.due(request.tenant, request.events)
            best = sorted((item for item in scores if item in items), key=lambda item: (-scores[item], item))
            found.append([Candidate(item, scores[item], "again") for item in best[: request.limit]])
        return found


class SeenRanker:
    """Candidates the user looked at or put into the cart lately and did not buy."""

    name = "seen"
    weight = 0.12

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def rank(self, request: RankingRequest, items: Mapping[ItemId, Item]) -> list[Candidate]:
        return self.rank_many([request], items)[0]

    def rank_many(
        self, requests: Sequence[RankingRequest], items: Mapping[ItemId, Item]
    ) -> list[list[Candidate]]:
        """Return candidates for several users."""
        now = self._clock.now()
        return [_looked_at(request, items, now) for request in requests]


def _looked_at(request: RankingRequest, items: Mapping[ItemId, Item], now: datetime) -> list[Candidate]:
    found: dict[ItemId, Candidate] = {}
    bought = {event.item for event in request.events if event.type == "purchase"}
    for event in request.events:
        if event.type not in LOOKS or event.item is None or event.item in found or event.item in bought:
            continue
        age = now - event.at
        if age <= LOOKED_AT and event.item in items:
            score = 2.0 ** (-age.total_seconds() / LOOKS_FADE_SECONDS)
            code = "in_cart" if event.type == "cart" else "seen"
            found[event.item] = Candidate(event.item, score, code, NOTHING_TO_SAY)
    return list(found.values())[: request.limit]
