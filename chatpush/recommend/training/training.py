"""Keep every tenant's rankers fitted, beside the work and never in its way.

A fit runs in a thread on a frozen view of items and events and is swapped in
whole. It starts when there is something new, and then waits long enough that
fitting takes a small share of the machine; every ``refit_seconds`` the events
are read anew, so that erased ones stop counting.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from chatpush.clock import Clock
from chatpush.domain import Item, TenantId
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue, Shelf
from chatpush.recommend.rankers.content import ContentRanker
from chatpush.recommend.training.footprints import Footprints, Ledger
from chatpush.store.database import Database

log = structlog.get_logger(__name__)
REST = 20.0
"""A fit of one second is followed by this many seconds of rest."""
SHORTEST_REST_SECONDS = 1.0
QUICK_SECONDS = 0.5
"""A fit that took no longer is worth waiting for when there are new items."""
TENANTS_KEPT = 64


class Fitted(Protocol):
    """A ranker that learns from everybody's events."""

    def fit(self, tenant: TenantId, prints: Footprints) -> None:
        """Replace what was learned for the tenant."""
        ...


@dataclass(slots=True)
class Progress:
    """How far a tenant's rankers know the world."""

    ledger: Ledger
    shelf_version: int = -1
    worded_version: int = -1
    behaviour_version: int = -1
    read_at: float = 0.0
    rest_until: float = float("-inf")
    seconds: float = 0.0
    events: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None


def _must_wait(progress: Progress, shelf: Shelf) -> bool:
    """Return whether a pick should wait for a fit."""
    new_items = progress.shelf_version != shelf.version
    return progress.shelf_version < 0 or (new_items and progress.seconds < QUICK_SECONDS)


class Training:
    """Fits rankers when they have something to learn."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        behaviour: Behaviour,
        clock: Clock,
        rankers: Sequence[Fitted],
        content: ContentRanker,
        refit_seconds: float = 900.0,
        look: Callable[[TenantId], Awaitable[None]] | None = None,
    ) -> None:
        self._look = look
        self._database = database
        self._catalogue = catalogue
        self._behaviour = behaviour
        self._clock = clock
        self._rankers = rankers
        self._content = content
        self._refit_seconds = refit_seconds
        self._progress: OrderedDict[TenantId, Progress] = OrderedDict()

    async def ready(self, tenant: TenantId) -> Shelf:
        """Return the shelf, fitted.

        The first call waits for a fit, and one after new items does if that is quick;
        otherwise the old fit serves while a new one is made in the background.
        """
        shelf = await self._catalogue.shelf(tenant)
        progress = self._of(tenant)
        if _must_wait(progress, shelf):
            async with progress.lock:
                if _must_wait(progress, shelf):
                    await self._fit(tenant, progress, shelf)
        elif self._is_due(tenant, progress, shelf) and (progress.task is None or progress.task.done()):
            progress.task = asyncio.create_task(self._fit_quietly(tenant, progress, shelf))
        return shelf

    def warm(self, tenant: TenantId) -> None:
        """Begin the first fit in the background."""
        progress = self._of(tenant)
        progress.task = asyncio.create_task(self._warm(tenant))

    async def _warm(self, tenant: TenantId) -> None:
        try:
            await self.ready(tenant)
        except Exception as error:
            log.exception("first fit failed; the first pick will try again", tenant=tenant, error=str(error))

    def _of(self, tenant: TenantId) -> Progress:
        progress = self._progress.get(tenant)
        if progress is None:
            progress = self._progress[tenant] = Progress(Ledger(tenant, self._database))
            while len(self._progress) > TENANTS_KEPT:
                self._progress.popitem(last=False)
        return progress

    async def refit(self, tenant: TenantId) -> Progress:
        """Fit now and return how it went."""
        shelf = await self._catalogue.shelf(tenant)
        progress = self._of(tenant)
        async with progress.lock:
            await self._fit(tenant, progress, shelf)
        return progress

    def tenants(self) -> list[TenantId]:
        """Return the tenants that were asked for."""
        return list(self._progress)

    async def swap(self, tenant: TenantId, job: Callable[[], None]) -> None:
        """Run a job that changes a ranker, in a thread and never beside a fit."""
        async with self._of(tenant).lock:
            await asyncio.to_thread(job)

    async def stop(self) -> None:
        """Leave fits that are under way; they are made anew at the next start."""
        tasks = [one.task for one in self._progress.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_due(self, tenant: TenantId, progress: Progress, shelf: Shelf) -> bool:
        now = self._clock.monotonic()
        if now < progress.rest_until:
            return False
        new = shelf.version != progress.shelf_version
        new = new or self._behaviour.version(tenant) != progress.behaviour_version
        return new or now - progress.read_at > self._refit_seconds

    async def _fit_quietly(self, tenant: TenantId, progress: Progress, shelf: Shelf) -> None:
        try:
            async with progress.lock:
                await self._fit(tenant, progress, shelf)
        except Exception as error:
            progress.rest_until = self._clock.monotonic() + self._refit_seconds
            log.exception("fit failed; the old one goes on serving", tenant=tenant, error=str(error))

    async def _fit(self, tenant: TenantId, progress: Progress, shelf: Shelf) -> None:
        began = self._clock.monotonic()
        version = self._behaviour.version(tenant)
        if began - progress.read_at > self._refit_seconds:
            progress.ledger, progress.read_at = Ledger(tenant, self._database), began
        progress.events += await progress.ledger.read_on()
        prints = await asyncio.to_thread(progress.ledger.footprints, tuple(shelf.items))
        for ranker in self._rankers:
            await asyncio.to_thread(ranker.fit, tenant, prints)
        if progress.worded_version != shelf.version:
            items: list[Item] = list(shelf.items.values())
            await asyncio.to_thread(self._content.fit_items, tenant, items)
            progress.worded_version = shelf.version
        if self._look is not None:
            await self._look(tenant)
        progress.shelf_version, progress.behaviour_version = shelf.version, version
        progress.seconds = self._clock.monotonic() - began
        progress.rest_until = began + max(progress.seconds * REST, SHORTEST_REST_SECONDS)
