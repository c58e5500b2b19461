"""Say what a campaign achieved: how far its messages came, what users did afterwards, and whether it was chance.

A conversion is an event of a type (``purchase``) by the user within a window
after the message was sent. Users are counted once, however many runs reached
them. Variants are compared with the first by name; everybody who was to get
the campaign is compared with those held out of it, whether or not a message
went out to them (intention to treat), because only these two groups differ by
chance alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatpush.clock import Clock
from chatpush.domain import TenantId, to_ms
from chatpush.notify.deciding.experiments import HOLDOUT, interval, p_value
from chatpush.schedule.campaigns import Campaigns
from chatpush.store.database import Database, Row

SIGNIFICANT = 0.05
STEPS = ("sent", "delivered", "seen", "clicked", "replied", "converted")
OF_USERS = """
SELECT variant, COUNT(*) AS users, SUM(sent) AS sent, SUM(delivered) AS delivered, SUM(seen) AS seen,
       SUM(clicked) AS clicked, SUM(replied) AS replied, SUM(dismissed) AS dismissed, SUM(converted) AS converted
FROM (
  SELECT d.variant, d.user_id,
    MAX(CASE WHEN d.sent_at IS NULL THEN 0 ELSE 1 END) AS sent,
    MAX(CASE WHEN d.delivered_at IS NULL THEN 0 ELSE 1 END) AS delivered,
    MAX(CASE WHEN d.seen_at IS NULL THEN 0 ELSE 1 END) AS seen,
    MAX(CASE WHEN d.clicked_at IS NULL THEN 0 ELSE 1 END) AS clicked,
    MAX(CASE WHEN d.replied_at IS NULL THEN 0 ELSE 1 END) AS replied,
    MAX(CASE WHEN d.dismissed_at IS NULL THEN 0 ELSE 1 END) AS dismissed,
    MAX(CASE WHEN EXISTS (
      SELECT 1 FROM event WHERE event.tenant = d.tenant AND event.user_id = d.user_id AND event.type = :type
        AND event.at >= COALESCE(d.sent_at, d.created_at)
        AND event.at < COALESCE(d.sent_at, d.created_at) + :span) THEN 1 ELSE 0 END) AS converted
  FROM delivery AS d
  WHERE d.tenant = :t AND d.campaign = :c AND d.campaign <> '' AND d.created_at >= :since
  GROUP BY d.variant, d.user_id
) AS users GROUP BY variant ORDER BY variant
"""
SUPPRESSED = """
SELECT reason, COUNT(*) AS n FROM delivery
WHERE tenant = :t AND campaign = :c AND campaign <> '' AND created_at >= :since AND state = 'suppressed'
GROUP BY reason ORDER BY n DESC LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Users who were to get the campaign, and how many of them came how far."""

    users: int = 0
    sent: int = 0
    delivered: int = 0
    seen: int = 0
    clicked: int = 0
    replied: int = 0
    dismissed: int = 0
    converted: int = 0

    @property
    def click_rate(self) -> float:
        """Clicked of those it was sent to."""
        return self.clicked / self.sent if self.sent else 0.0

    @property
    def conversion_rate(self) -> float:
        """Converted of all who were to get it."""
        return self.converted / self.users if self.users else 0.0


@dataclass(frozen=True, slots=True)
class VariantResult:
    """How one variant did; the p-values are against the first, corrected for how many were tried."""

    name: str
    counts: Counts
    click_p_value: float | None
    conversion_p_value: float | None


@dataclass(frozen=True, slots=True)
class HoldoutResult:
    """What sending changed. ``lift`` is relative to those held out, None while none of these converted.

    ``interval`` holds the difference of the rates with a probability of 95 %.
    """

    held: Counts
    others: Counts
    lift: float | None
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """A campaign's results."""

    conversion: str
    window: timedelta
    total: Counts
    suppressed: dict[str, int]
    variants: list[VariantResult]
    holdout: HoldoutResult | None


class CampaignResults:
    """The results of every tenant's campaigns."""

    def __init__(self, database: Database, campaigns: Campaigns, clock: Clock) -> None:
        self._database = database
        self._campaigns = campaigns
        self._clock = clock

    async def of(
        self, tenant: TenantId, campaign: str, conversion: str, window: timedelta, look_back: timedelta
    ) -> Results:
        """Return the results of what was made within ``look_back``.

        Raises:
            NotFound: there is no such campaign.
        """
        await self._campaigns.get(tenant, campaign)
        return await self.since(tenant, campaign, conversion, window, self._clock.now() - look_back)

    async def since(
        self, tenant: TenantId, campaign: str, conversion: str, window: timedelta, since: datetime
    ) -> Results:
        """Return the results of what was made since then."""
        of_campaign = {"t": tenant, "c": campaign, "since": to_ms(since)}
        span = window // timedelta(milliseconds=1)
        rows = await self._database.read(OF_USERS, type=conversion, span=span, **of_campaign)
        suppressed = await self._database.read(SUPPRESSED, **of_campaign)
        counted = {row["variant"]: _counts(row) for row in rows}
        held = counted.pop(HOLDOUT, None)
        total = _sum(list(counted.values()))
        return Results(
            conversion,
            window,
            total,
            {row["reason"]: row["n"] for row in suppressed},
            _variants({name: counts for name, counts in counted.items() if name}),
            _holdout(held, total) if held is not None else None,
        )


def _variants(counted: dict[str, Counts]) -> list[VariantResult]:
    tried = max(1, len(counted) - 1)
    found: list[VariantResult] = []
    for name, counts in counted.items():
        if not found:
            found.append(VariantResult(name, counts, None, None))
            continue
        first = found[0].counts
        clicks = p_value((first.clicked, first.sent), (counts.clicked, counts.sent))
        conversions = p_value((first.converted, first.users), (counts.converted, counts.users))
        found.append(VariantResult(name, counts, _corrected(clicks, tried), _corrected(conversions, tried)))
    return found


def _holdout(held: Counts, others: Counts) -> HoldoutResult:
    pair = (held.converted, held.users), (others.converted, others.users)
    difference = others.conversion_rate - held.conversion_rate
    return HoldoutResult(
        held,
        others,
        difference / held.conversion_rate if held.converted else None,
        difference,
        interval(*pair),
        p_value(*pair),
    )


def _corrected(p: float | None, tried: int) -> float | None:
    return None if p is None else min(1.0, p * tried)


def _counts(row: Row) -> Counts:
    return Counts(**{name: int(row[name] or 0) for name in Counts.__dataclass_fields__})


def _sum(counts: Sequence[Counts]) -> Counts:
    return Counts(**{name: sum(getattr(one, name) for one in counts) for name in Counts.__dataclass_fields__})
