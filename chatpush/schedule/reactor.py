"""Let every stored event have its consequences, at least once, in order.

The event's ``reaction`` row stays until all reactors are through with it, so a
killed process does it again: every reactor's effect must be idempotent by the
event's id. One user's events are handled one after the other, different users'
side by side. A reaction that fails is tried again later and later, and in the
end parked with its error, where people can see it and release it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from chatpush.clock import Clock
from chatpush.domain import Event, EventId, TenantId, to_ms
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.rounds import Rounds
from chatpush.store.database import Database, Row, Transaction

log = structlog.get_logger(__name__)
React = Callable[[Event], Awaitable[None]]

BATCH = 200
SIDE_BY_SIDE = 8
LEASE = timedelta(seconds=60)
REACTOR_SECONDS = 20.0
FIRST_BACKOFF = timedelta(seconds=1)
MOST_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Parked:
    """A reaction that was given up."""

    id: str
    event: EventId
    attempts: int
    error: str


class Reactor:
    """Takes reactions and calls the reactors, in the order they are given."""

    def __init__(
        self, database: Database, behaviour: Behaviour, reactors: Sequence[React], clock: Clock, *,
        node: str = "embedded",
    ) -> None:  # fmt: skip
        self._database = database
        self._behaviour = behaviour
        self._reactors = list(reactors)
        self._clock = clock
        self._node = node
        self._rounds = Rounds("schedule.reactor", self.turn)
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Handle what was left undone, then whatever comes."""
        now = to_ms(self._clock.now())
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE reaction SET due_at = :now, leased_by = '' WHERE leased_by = :n AND parked_at IS NULL",
                now=now, n=self._node,
            )
        )  # fmt: skip
        await self._rounds.start()
        self._listener = asyncio.create_task(self._listen(), name="schedule.reactor.bell")

    async def stop(self) -> None:
        """Finish what is being handled."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
            self._listener = None
        await self._rounds.stop()

    async def turn(self) -> float | None:
        """Handle one batch; say when to come again."""
        rows = await self._database.write(self._claim)
        if not rows:
            return await self._pause()
        by_user: dict[tuple[str, str], list[tuple[Row, Event]]] = {}
        gone: list[Row] = []
        for row in rows:
            event = await self._behaviour.get(TenantId(row["tenant"]), EventId(row["event"]))
            if event is None:
                gone.append(row)  # erased with its user
            else:
                by_user.setdefault((event.tenant, event.user), []).append((row, event))
        if gone:
            await self._database.write(lambda tx: _delete(tx, gone))
        gate = asyncio.Semaphore(SIDE_BY_SIDE)
        await asyncio.gather(*(self._handle_all(pairs, gate) for pairs in by_user.values()))
        return 0

    async def parked(self, tenant: TenantId, limit: int = 50) -> list[Parked]:
        """Return reactions that were given up, newest first."""
        rows = await self._database.read(
            """SELECT id, event, attempts, error FROM reaction
               WHERE tenant = :t AND parked_at IS NOT NULL ORDER BY id DESC LIMIT :n""",
            t=tenant, n=limit,
        )  # fmt: skip
        return [Parked(row["id"], EventId(row["event"]), row["attempts"], row["error"]) for row in rows]

    async def release(self, tenant: TenantId, reaction: str) -> bool:
        """Try a parked reaction again; return whether there was one."""
        now = to_ms(self._clock.now())
        changed = await self._database.write(
            lambda tx: tx.execute(
                """UPDATE reaction SET parked_at = NULL, attempts = 0, due_at = :now
                   WHERE tenant = :t AND id = :r AND parked_at IS NOT NULL""",
                now=now, t=tenant, r=reaction,
            )
        )  # fmt: skip
        self._rounds.ring()
        return changed > 0

    async def _listen(self) -> None:
        """Ring whenever behaviour does."""
        while True:
            await self._behaviour.bell.wait()
            self._behaviour.bell.clear()
            self._rounds.ring()

    async def _pause(self) -> float | None:
        rows = await self._database.read("SELECT MIN(due_at) AS at FROM reaction WHERE parked_at IS NULL")
        if rows[0]["at"] is None:
            return None
        return max(float((rows[0]["at"] - to_ms(self._clock.now())) / 1000), 0.05)

    def _claim(self, tx: Transaction) -> list[Row]:
        """Take the oldest that are due; they are ours until the lease ends."""
        now = to_ms(self._clock.now())
        rows = tx.query(
            f"""SELECT tenant, id, event, attempts FROM reaction
                WHERE parked_at IS NULL AND due_at <= :now ORDER BY due_at, id LIMIT :n {tx.lock}""",
            now=now, n=BATCH,
        )  # fmt: skip
        until = now + int(LEASE.total_seconds() * 1000)
        for row in rows:
            tx.execute(
                "UPDATE reaction SET due_at = :u, leased_by = :n WHERE tenant = :t AND id = :r",
                u=until, n=self._node, t=row["tenant"], r=row["id"],
            )  # fmt: skip
        return rows

    async def _handle_all(self, pairs: list[tuple[Row, Event]], gate: asyncio.Semaphore) -> None:
        """Handle one user's events in order; a failing one does not hold up the others."""
        async with gate:
            done = [row for row, event in pairs if await self._handle(row, event)]
        if done:
            await self._database.write(lambda tx: _delete(tx, done))

    async def _handle(self, row: Row, event: Event) -> bool:
        try:
            for react in self._reactors:
                async with asyncio.timeout(REACTOR_SECONDS):
                    await react(event)
        except Exception as error:
            await self._again(row, f"{type(error).__name__}: {error}")
            return False
        return True

    async def _again(self, row: Row, error: str) -> None:
        attempts = row["attempts"] + 1
        now = self._clock.now()
        parked = to_ms(now) if attempts >= MOST_ATTEMPTS else None
        due = to_ms(now + FIRST_BACKOFF * 2 ** (attempts - 1))
        log.warning(
            "reaction failed", event_id=row["event"], attempts=attempts, error=error, parked=bool(parked)
        )
        await self._database.write(
            lambda tx: tx.execute(
                """UPDATE reaction SET attempts = :a, due_at = :d, leased_by = '', parked_at = :p, error = :e
                   WHERE tenant = :t AND id = :r""",
                a=attempts, d=due, p=parked, e=error[:500], t=row["tenant"], r=row["id"],
            )
        )  # fmt: skip


def _delete(tx: Transaction, rows: Sequence[Row]) -> None:
    for row in rows:
        tx.execute("DELETE FROM reaction WHERE tenant = :t AND id = :r", t=row["tenant"], r=row["id"])
