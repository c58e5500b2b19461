"""Train models as a job: now, or by itself when enough is new, and serve what is newest.

Training works on a frozen view of events in a thread; the old model serves until
the new one is on disk and laid over the walk in one step. Another process may
train or roll back: the version named in the store is taken up within a minute.
A version that can't be read is passed over; who starts with such a one trains anew at once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.errors import InvalidInput
from chatpush.recommend.rankers.likeminded import LikemindedRanker, trained
from chatpush.recommend.training.choosing import LEAST_USERS, choose
from chatpush.recommend.training.learned import Learned
from chatpush.recommend.training.models import Models, Version
from chatpush.recommend.training.training import Training

log = structlog.get_logger(__name__)
LOOK_SECONDS = 60.0
GROWN = 1.05
"""So much more events are worth a new model."""
OLD_AFTER = 7
"""After so many times as long, others in place of those are: retention keeps the number the same."""
LEAST_EVENTS = 500
Tell = Callable[[str], None]


@dataclass(slots=True)
class Served:
    """What a tenant's ranker serves, and the last training.

    ``wanted``: the version the store names; ``version``: the one that serves, another if that can't be read.
    """

    wanted: str = ""
    version: str = ""
    events: int = 0
    trained_at: float = float("-inf")


class Learning:
    """Trains, keeps, serves."""

    def __init__(
        self,
        training: Training,
        ranker: LikemindedRanker,
        models: Models,
        clock: Clock,
        every_seconds: float = 86_400.0,
    ) -> None:
        self._training = training
        self._ranker = ranker
        self.models = models
        self._clock = clock
        self._every_seconds = every_seconds
        self._served: dict[TenantId, Served] = {}
        self._loop: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def train(self, tenant: TenantId, tell: Tell = lambda _: None) -> Version:
        """Choose the method, fit it on all events, keep it and serve it.

        Raises:
            InvalidInput: there is too little to learn from.
        """
        began = self._clock.monotonic()
        tell("reading events")
        await self._training.refit(tenant)
        prints = self._ranker.prints(tenant)
        if prints is None or prints.user.size < LEAST_USERS:
            raise InvalidInput("there are too few events to learn from; the plain walk serves")

        def job() -> Learned:
            choice = choose(prints.matrix(), tell=tell)
            tell(f"fitting {choice.settings.method}")
            return trained(prints, choice, self._ranker.learned(tenant))

        learned = await asyncio.to_thread(job)
        tell("keeping")
        seconds = self._clock.monotonic() - began
        version = await self.models.keep(tenant, learned, int(prints.user.size), round(seconds, 3))
        await self._training.swap(tenant, lambda: self._ranker.adopt(tenant, learned))
        self._served[tenant] = Served(version.id, version.id, version.events, self._clock.monotonic())
        tell("serving")
        return version

    async def take_up(self, tenant: TenantId) -> str:
        """Serve the version the store names, if that is not done already; return which serves, "" for the walk."""
        served = self._served.setdefault(tenant, Served())
        wanted = await self.models.serving(tenant)
        if wanted == served.wanted:
            return served.version
        found = await self.models.load(tenant)
        version, learned = (found[0].id, found[1]) if found else ("", None)
        await self._training.swap(tenant, lambda: self._ranker.adopt(tenant, learned))
        # The wanted name even if an older one had to do: a damaged file is not tried every minute.
        served.wanted, served.version = wanted, version
        if found and version == wanted:
            newest = (await self.models.list(tenant))[0]
            age = (self._clock.now() - newest.created_at).total_seconds()
            served.events, served.trained_at = newest.events, self._clock.monotonic() - age
            log.info("model taken up", tenant=tenant, model=version)
        elif wanted:
            log.warning(
                "another model serves until one is trained", tenant=tenant, model=version, wanted=wanted
            )
        return version

    async def start(self) -> None:
        """Take up the default tenant's model, then look after all."""
        self._loop = asyncio.create_task(self._look_after())

    async def stop(self) -> None:
        """Leave a training that is under way; the old model goes on serving."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _look_after(self) -> None:
        while True:
            for tenant in {DEFAULT_TENANT, *self._training.tenants()}:
                try:
                    await self.take_up(tenant)
                    if self._is_due(tenant):
                        await self.train(tenant)
                except Exception as error:
                    self._served.setdefault(tenant, Served()).trained_at = self._clock.monotonic()
                    log.exception("training failed; the old model serves", tenant=tenant, error=str(error))
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue

    def _is_due(self, tenant: TenantId) -> bool:
        prints, served = self._ranker.prints(tenant), self._served.setdefault(tenant, Served())
        if self._every_seconds <= 0 or prints is None or prints.user.size < LEAST_EVENTS:
            return False
        since = self._clock.monotonic() - served.trained_at
        if since < self._every_seconds:
            return False
        return prints.user.size > served.events * GROWN or since >= OLD_AFTER * self._every_seconds
