"""Remember what was shown and with which probability, so that other ways of picking can be judged.

Written in the background and in batches: a pick never waits for it. What is
lost in a crash are a few seconds of a sample.
"""

import asyncio
import contextlib
from datetime import timedelta

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, new_id, to_ms
from chatpush.recommend.rankers.assembling import Picked
from chatpush.store.database import Database, Row

log = structlog.get_logger(__name__)
BATCH = 500
FLUSH_SECONDS = 5.0
MOST_WAITING = 50_000
KEPT = timedelta(days=60)


class Exposures:
    """The log of what was shown."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._rows: list[Row] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def note(self, tenant: TenantId, user: UserId, picked: Picked) -> None:
        """Remember one answer."""
        if len(self._rows) > MOST_WAITING:
            return
        now = to_ms(self._clock.now())
        for place, (pick, (chance, tried)) in enumerate(zip(picked.picks, picked.chances, strict=False)):
            self._rows.append(
                {
                    "tenant": tenant, "id": new_id("exp"), "user_id": user, "item": pick.item.id,
                    "place": place, "explored": int(tried), "propensity": chance, "at": now,
                }
            )  # fmt: skip
        if len(self._rows) >= BATCH:
            self._wake.set()

    async def flush(self) -> None:
        """Write what waits."""
        rows, self._rows = self._rows, []
        for start in range(0, len(rows), BATCH):
            await self._insert(rows[start : start + BATCH])

    async def _insert(self, rows: list[Row]) -> None:
        await self._database.write(lambda tx: tx.insert_many("exposure", rows))

    async def erase(self, tenant: TenantId, user: UserId) -> int:
        """Forget what was shown to a user."""
        self._rows = [row for row in self._rows if (row["tenant"], row["user_id"]) != (tenant, user)]
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM exposure WHERE tenant = :t AND user_id = :u", t=tenant, u=user)
        )

    async def sweep(self) -> int:
        """Delete what is too old to judge by."""
        before = to_ms(self._clock.now() - KEPT)
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM exposure WHERE at < :b", b=before)
        )

    async def start(self) -> None:
        """Begin writing in the background."""
        self._loop = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Write what waits and end."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self.flush()

    async def _write_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FLUSH_SECONDS)
            self._wake.clear()
            try:
                await self.flush()
            except Exception as error:
                log.warning("exposures not written", error=str(error))
