"""Numbers and traces for screens: deliveries over time, who a message went to, what happened to it.

Reading only, over what the pipeline has written. Ids sort by birth, so a lower
bound on the id keeps each look at the newest part of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatpush.domain import DeliveryId, MessageId, TenantId, UserId, from_ms, to_ms
from chatpush.notify.reading.trace import TraceEntry, entry_of
from chatpush.store.database import Database
from chatpush.store.parameters import among

SENT_LATER = timedelta(days=3)
"""How long after its birth a delivery still shows in a series when it is sent."""
ENGAGEMENT = ("seen", "clicked", "replied", "dismissed")
MOMENTS = ("sent_at", "delivered_at", "seen_at")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Series:
    """Counts per step of time: sent, delivered and seen, oldest first."""

    at: tuple[datetime, ...]
    sent: tuple[int, ...]
    delivered: tuple[int, ...]
    seen: tuple[int, ...]


class Figures:
    """The figures of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def series(self, tenant: TenantId, until: datetime, step: timedelta, steps: int) -> Series:
        """Return how many deliveries were sent, delivered and seen in each of the last steps."""
        size = step // timedelta(milliseconds=1)
        last = to_ms(until) // size
        first = last - steps + 1
        columns = [await self._per_step(tenant, column, first, size) for column in MOMENTS]
        counts = [tuple(found.get(number, 0) for number in range(first, last + 1)) for found in columns]
        at = tuple(from_ms(number * size) for number in range(first, last + 1))
        return Series(at, counts[0], counts[1], counts[2])

    async def totals(self, tenant: TenantId, since: datetime) -> dict[str, int]:
        """Return how many deliveries born since then are in which state, and seen, clicked, replied, dismissed."""
        rows = await self._database.read(
            "SELECT state, COUNT(*) AS n, COUNT(seen_at) AS seen, COUNT(clicked_at) AS clicked,"
            " COUNT(replied_at) AS replied, COUNT(dismissed_at) AS dismissed FROM delivery"
            " WHERE tenant = :t AND id >= :oldest GROUP BY state",
            t=tenant, oldest=_id_at(since),
        )  # fmt: skip
        totals = {str(row["state"]): int(row["n"]) for row in rows}
        return totals | {kind: sum(int(row[kind]) for row in rows) for kind in ENGAGEMENT}

    async def users(self, tenant: TenantId) -> int:
        """Return how many users are known."""
        rows = await self._database.read("SELECT COUNT(*) AS n FROM app_user WHERE tenant = :t", t=tenant)
        return int(rows[0]["n"])

    async def only_users(self, tenant: TenantId, messages: Sequence[MessageId]) -> dict[MessageId, UserId]:
        """Return the recipient of each of these messages that has exactly one."""
        ids, params = among(messages)
        rows = await self._database.read(
            f"SELECT message, MIN(user_id) AS user_id FROM delivery WHERE tenant = :t AND message IN {ids}"
            " GROUP BY message HAVING COUNT(*) = 1",
            t=tenant, **params,
        )  # fmt: skip
        return {MessageId(row["message"]): UserId(row["user_id"]) for row in rows}

    async def traces(
        self, tenant: TenantId, deliveries: Sequence[DeliveryId]
    ) -> dict[DeliveryId, list[TraceEntry]]:
        """Return what happened to each of these deliveries, oldest first."""
        ids, params = among(deliveries)
        rows = await self._database.read(
            f"SELECT * FROM trace_entry WHERE tenant = :t AND delivery IN {ids} ORDER BY delivery, id",
            t=tenant, **params,
        )  # fmt: skip
        found: dict[DeliveryId, list[TraceEntry]] = {}
        for row in rows:
            found.setdefault(DeliveryId(row["delivery"]), []).append(entry_of(row))
        return found

    async def _per_step(self, tenant: TenantId, column: str, first: int, size: int) -> dict[int, int]:
        begin = first * size
        rows = await self._database.read(
            f"SELECT {column} / :size AS number, COUNT(*) AS n FROM delivery"
            f" WHERE tenant = :t AND id >= :oldest AND {column} >= :begin GROUP BY 1",
            t=tenant, size=size, begin=begin, oldest=_id_at(from_ms(begin) - SENT_LATER),
        )  # fmt: skip
        return {int(row["number"]): int(row["n"]) for row in rows}


def _id_at(moment: datetime) -> str:
    """Return a bound below every delivery id that was born at or after a moment (see ``new_id``)."""
    micros = max(0, to_ms(moment)) * 1000
    return "dlv_" + "".join(_ALPHABET[(micros >> shift) & 31] for shift in range(50, -1, -5))
