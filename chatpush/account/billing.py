"""Tell a tenant what it used, what it owes so far, and whether more is welcome.

Quotas are checked against sums that are at most ``REMEMBER_SECONDS`` old plus
what was let through since, so the check is cheap enough for every message; a
quota may be passed by what other nodes let through in that time.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import structlog

from chatpush.account.metering import Meter
from chatpush.account.plans import (
    PLANS,
    Bill,
    Kind,
    Period,
    Plan,
    Rate,
    Standing,
    Verdict,
    bill_so_far,
    period_of,
)
from chatpush.account.plans import verdict as judge
from chatpush.account.tenants import Tenants
from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.errors import QuotaExceeded
from chatpush.settings import Settings

REMEMBER_SECONDS = 10.0
RETRY_AFTER_SECONDS = 3600

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Remembered:
    until: float
    plan: Plan
    period: Period
    used: dict[str, int]


class Billing:
    """Plans and usage brought together."""

    def __init__(self, tenants: Tenants, meter: Meter, settings: Settings, clock: Clock) -> None:
        self._tenants = tenants
        self._meter = meter
        self._enforce = settings.plan.enforce
        self._clock = clock
        self._remembered: dict[TenantId, _Remembered] = {}

    async def bill(self, tenant: TenantId) -> Bill:
        """Return what the tenant owes for its current period so far.

        Raises:
            NotFound: there is no such tenant.
        """
        plan, period = await self._current(tenant, self._clock.now().date())
        used = await self._meter.total(tenant, period.first, period.last)
        return bill_so_far(used, plan, period)

    async def estimate(self, tenant: TenantId, kind: Kind, more: int) -> tuple[Decimal, str]:
        """Return what so many uses more would cost in the present period, and the currency.

        Raises:
            NotFound: there is no such tenant.
        """
        known = await self._usage(tenant)
        rate, used = known.plan.rates.get(kind, Rate(0)), known.used.get(kind.value, 0)
        return rate.price(used + more) - rate.price(used), known.plan.currency

    async def verdict(self, tenant: TenantId, kind: Kind, more: int = 0) -> Verdict:
        """Judge whether the tenant may use more; without ``plan.enforce`` nothing is refused."""
        known = await self._usage(tenant)
        today = self._clock.now().date()
        judged = judge(known.used.get(kind.value, 0), more, known.plan, kind, known.period, today)
        if judged.standing is Standing.REFUSE and not self._enforce:
            return Verdict(Standing.WARN, judged.reason)
        return judged

    async def allow(self, tenant: TenantId, kind: Kind, more: int = 1) -> Verdict:
        """Let a use pass and remember it until it shows in the sums.

        Raises:
            QuotaExceeded: the plan has no more of it and ``plan.enforce`` is set.
        """
        judged = await self.verdict(tenant, kind, more)
        if judged.standing is Standing.REFUSE:
            log.warning("quota exceeded", tenant=tenant, kind=kind.value, reason=judged.reason)
            raise QuotaExceeded(judged.reason, retry_after_seconds=RETRY_AFTER_SECONDS)
        used = (await self._usage(tenant)).used
        used[kind.value] = used.get(kind.value, 0) + more
        return judged

    async def _current(self, tenant: TenantId, today: date) -> tuple[Plan, Period]:
        known = await self._tenants.get(tenant)
        plan = PLANS[known.plan]
        return plan, period_of(plan, known.plan_since.date(), today)

    async def _usage(self, tenant: TenantId) -> _Remembered:
        known = self._remembered.get(tenant)
        if known is None or known.until <= self._clock.monotonic():
            plan, period = await self._current(tenant, self._clock.now().date())
            used = await self._meter.total(tenant, period.first, period.last)
            known = _Remembered(self._clock.monotonic() + REMEMBER_SECONDS, plan, period, used)
            self._remembered[tenant] = known
        return known
