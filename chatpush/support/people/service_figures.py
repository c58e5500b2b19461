"""Count how well it went: resolution, containment, response times, ratings, promises, by day and in all.

A conversation counts once its user (or a person) has said something in it.
*Contained* are those no person ever got; *resolved* those that are neither
waiting nor with a person: closed, or left with the assistant. Response times
are medians and 90th percentiles of stopped clocks. A kept-promise rate is kept
over kept and expired; what its user cancelled is nobody's failure. Everything
is read from records, bounded by ``MOST_ROWS`` of the newest.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chatpush.domain import ConversationState, TenantId, from_ms, to_ms
from chatpush.store.database import Database, Row
from chatpush.support.people.deadlines import KINDS
from chatpush.support.people.ratings import SATISFIED

MOST_ROWS = 50_000
WITH_PEOPLE = {ConversationState.WAITING, ConversationState.AGENT}


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """How long something took, in seconds, and how often it took too long."""

    count: int = 0
    median: float | None = None
    p90: float | None = None
    breached: int = 0
    with_target: int = 0


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day, UTC."""

    day: str
    conversations: int = 0
    handed_over: int = 0
    resolved: int = 0
    first_response: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """How well it went within some time. Shares are 0 to 1, None where there is nothing to share."""

    conversations: int
    handed_over: int
    contained: float | None
    resolved: float | None
    clocks: dict[str, ClockFigures]
    ratings: int
    score: float | None
    satisfied: float | None
    scores: dict[int, int]
    promises: dict[str, int]
    kept: float | None
    days: list[DayFigures] = field(default_factory=list)


class ServiceFigures:
    """The figures of every tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, tenant: TenantId, since: datetime, until: datetime) -> ServiceReport:
        """Return what happened from ``since`` to ``until``."""
        span = {"t": tenant, "s": to_ms(since), "u": to_ms(until), "l": MOST_ROWS}
        conversations = await self._database.read(
            "SELECT state, handed_at, created_at FROM conversation WHERE tenant = :t AND created_at >= :s"
            " AND created_at <= :u AND updated_at > created_at AND merged_into = ''"
            " ORDER BY created_at DESC LIMIT :l",
            **span,
        )
        clocks = await self._database.read(
            "SELECT kind, started_at, met_at, due_at, breached FROM service_clock WHERE tenant = :t"
            " AND started_at >= :s AND started_at <= :u ORDER BY started_at DESC LIMIT :l",
            **span,
        )
        ratings = await self._database.read(
            "SELECT score, rated_at FROM rating WHERE tenant = :t AND rated_at >= :s AND rated_at <= :u"
            " ORDER BY rated_at DESC LIMIT :l",
            **span,
        )
        promises = await self._promises(tenant, since, until)
        scores = [row["score"] for row in ratings]
        handed = sum(row["handed_at"] is not None for row in conversations)
        resolved = sum(row["state"] not in WITH_PEOPLE for row in conversations)
        settled = promises.get("kept", 0) + promises.get("expired", 0)
        return ServiceReport(
            conversations=len(conversations),
            handed_over=handed,
            contained=_share(len(conversations) - handed, len(conversations)),
            resolved=_share(resolved, len(conversations)),
            clocks={kind: _clock([row for row in clocks if row["kind"] == kind]) for kind in KINDS},
            ratings=len(scores),
            score=sum(scores) / len(scores) if scores else None,
            satisfied=_share(sum(score >= SATISFIED for score in scores), len(scores)),
            scores={score: scores.count(score) for score in range(1, 6)},
            promises=promises,
            kept=_share(promises.get("kept", 0), settled),
            days=_days(since, until, conversations, clocks, ratings),
        )

    async def _promises(self, tenant: TenantId, since: datetime, until: datetime) -> dict[str, int]:
        rows = await self._database.read(
            "SELECT state, COUNT(*) AS n FROM promise WHERE tenant = :t"
            " AND (state = 'pending' OR (settled_at >= :s AND settled_at <= :u)) GROUP BY state",
            t=tenant, s=to_ms(since), u=to_ms(until),
        )  # fmt: skip
        return {row["state"]: row["n"] for row in rows}


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of some numbers."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(share * 100) // 100) - 1))]


def _clock(rows: Sequence[Row]) -> ClockFigures:
    took = _seconds(rows)
    return ClockFigures(
        count=len(took),
        median=percentile(took, 0.5),
        p90=percentile(took, 0.9),
        breached=sum(bool(row["breached"]) for row in rows),
        with_target=sum(row["due_at"] is not None for row in rows),
    )


def _seconds(rows: Sequence[Row]) -> list[float]:
    return [(row["met_at"] - row["started_at"]) / 1000 for row in rows if row["met_at"] is not None]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _days(
    since: datetime,
    until: datetime,
    conversations: Sequence[Row],
    clocks: Sequence[Row],
    ratings: Sequence[Row],
) -> list[DayFigures]:
    talked = _by_day(conversations, lambda row: row["created_at"])
    first = _by_day([row for row in clocks if row["kind"] == "first"], lambda row: row["started_at"])
    rated = _by_day(ratings, lambda row: row["rated_at"])
    found = []
    day = since.astimezone(UTC).date()
    while day <= until.astimezone(UTC).date():
        name = day.isoformat()
        scores = [row["score"] for row in rated[name]]
        found.append(
            DayFigures(
                day=name,
                conversations=len(talked[name]),
                handed_over=sum(row["handed_at"] is not None for row in talked[name]),
                resolved=sum(row["state"] not in WITH_PEOPLE for row in talked[name]),
                first_response=percentile(_seconds(first[name]), 0.5),
                score=sum(scores) / len(scores) if scores else None,
            )
        )
        day += timedelta(days=1)
    return found


def _by_day(rows: Sequence[Row], at: Callable[[Row], int]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[f"{from_ms(at(row)):%Y-%m-%d}"].append(row)
    return found
