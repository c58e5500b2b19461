"""What the plans cost, and what a tenant owes so far.

Nothing here reads a clock or a database: usage goes in, a bill or a verdict
comes out. Money is ``Decimal`` from end to end; a line is rounded half up to
cents once, and the total is the sum of what is printed. A plan is data: to
sell another one, add a row to ``PLANS``.

The trial gives a quota for some days and then ends. Pay-as-you-go charges each
unit by graduated tiers. Monthly and yearly plans have a fee, an included
quota, and charge what goes beyond. All are metered in monthly periods that
begin on the day of the month the plan began; the yearly fee is due in the
first period of each year.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType

CENT = Decimal("0.01")
WARN_AT = Decimal("0.8")


class Kind(StrEnum):
    """What is metered."""

    MESSAGES = "messages"
    ACTIVE_USERS = "active_users"
    CONNECTION_MINUTES = "connection_minutes"
    MODEL_TOKENS = "model_tokens"


@dataclass(frozen=True, slots=True)
class Tier:
    """A price for each thousand units up to ``up_to`` units in all; None: without end."""

    up_to: int | None
    per_thousand: Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """How one kind is charged: ``included`` units for the fee, then tiers (none: no more is sold)."""

    included: int
    tiers: tuple[Tier, ...] = ()

    def price(self, quantity: int) -> Decimal:
        """Return the exact price of so many units; the first ones are the included ones."""
        total, below = Decimal(0), 0
        billable = max(0, quantity - self.included)
        for tier in self.tiers:
            within = billable if tier.up_to is None else min(billable, tier.up_to)
            total += tier.per_thousand * max(0, within - below) / 1000
            below = max(below, within)
        return total


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tenant pays and gets."""

    name: str
    title: str
    rates: Mapping[Kind, Rate]
    fee: Decimal = Decimal(0)
    fee_every_months: int = 1
    days: int | None = None
    currency: str = "USD"


def _flat(included: int, per_thousand: str) -> Rate:
    return Rate(included, (Tier(None, Decimal(per_thousand)),))


_PLANS = (
    Plan(
        "trial",
        "Free trial",
        {
            Kind.MESSAGES: Rate(10_000),
            Kind.ACTIVE_USERS: Rate(1_000),
            Kind.CONNECTION_MINUTES: Rate(1_000_000),
            Kind.MODEL_TOKENS: Rate(500_000),
        },
        days=30,
    ),
    Plan(
        "payg",
        "Pay as you go",
        {
            Kind.MESSAGES: Rate(
                0,
                (
                    Tier(100_000, Decimal("0.50")),
                    Tier(1_000_000, Decimal("0.30")),
                    Tier(None, Decimal("0.15")),
                ),
            ),
            Kind.ACTIVE_USERS: Rate(0, (Tier(10_000, Decimal("4.00")), Tier(None, Decimal("2.00")))),
            Kind.CONNECTION_MINUTES: _flat(0, "0.004"),
            Kind.MODEL_TOKENS: _flat(0, "0.004"),
        },
    ),
    Plan(
        "monthly",
        "Monthly",
        {
            Kind.MESSAGES: _flat(500_000, "0.20"),
            Kind.ACTIVE_USERS: _flat(10_000, "3.00"),
            Kind.CONNECTION_MINUTES: _flat(20_000_000, "0.003"),
            Kind.MODEL_TOKENS: _flat(5_000_000, "0.004"),
        },
        fee=Decimal("49.00"),
    ),
    Plan(
        "yearly",
        "Yearly",
        {
            Kind.MESSAGES: _flat(500_000, "0.20"),
            Kind.ACTIVE_USERS: _flat(10_000, "3.00"),
            Kind.CONNECTION_MINUTES: _flat(20_000_000, "0.003"),
            Kind.MODEL_TOKENS: _flat(5_000_000, "0.004"),
        },
        fee=Decimal("490.00"),
        fee_every_months=12,
    ),
)
PLANS: Mapping[str, Plan] = MappingProxyType({plan.name: plan for plan in _PLANS})


@dataclass(frozen=True, slots=True)
class Period:
    """Days that are billed together, ``first`` to ``last``; ``number`` counts from the plan's start."""

    first: date
    last: date
    number: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill; ``kind`` is None for the plan's fee."""

    kind: Kind | None
    quantity: int
    included: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """What is owed for a period so far."""

    plan: str
    currency: str
    period: Period
    lines: tuple[Line, ...]
    total: Decimal


class Standing(StrEnum):
    """How a tenant stands with one quota."""

    OK = "ok"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether more may be used, with the words for whoever asks."""

    standing: Standing
    reason: str = ""


def period_of(plan: Plan, since: date, today: date) -> Period:
    """Return the billing period that holds a day; a trial is one period."""
    if plan.days is not None:
        return Period(since, since + timedelta(days=plan.days - 1), 0)
    number = max(0, (today.year - since.year) * 12 + today.month - since.month)
    if number and _months_later(since, number) > today:
        number -= 1
    return Period(_months_later(since, number), _months_later(since, number + 1) - timedelta(days=1), number)


def bill_so_far(usage: Mapping[str, int], plan: Plan, period: Period) -> Bill:
    """Return what usage within a period costs by a plan, with a line for every kind it meters."""
    lines = []
    if plan.fee and period.number % plan.fee_every_months == 0:
        lines.append(Line(None, 1, 0, _cents(plan.fee)))
    for kind, rate in plan.rates.items():
        quantity = usage.get(kind.value, 0)
        lines.append(Line(kind, quantity, rate.included, _cents(rate.price(quantity))))
    total = sum((line.amount for line in lines), Decimal("0.00"))
    return Bill(plan.name, plan.currency, period, tuple(lines), total)


def verdict(used: int, more: int, plan: Plan, kind: Kind, period: Period, today: date) -> Verdict:
    """Judge whether a tenant that used so much may use more: what isn't sold is refused."""
    rate = plan.rates.get(kind, Rate(0))
    if plan.days is not None and today > period.last:
        return Verdict(Standing.REFUSE, f"the free trial ended on {period.last}; choose a plan")
    words = kind.value.replace("_", " ")
    after = used + more
    if after > rate.included and not rate.tiers:
        return Verdict(
            Standing.REFUSE, f"the {plan.title.lower()}'s {rate.included} {words} are used up; choose a plan"
        )
    if rate.included and after > rate.included:
        return Verdict(Standing.WARN, f"beyond the included {rate.included} {words}; the rest is charged")
    if rate.included and after >= rate.included * WARN_AT:
        return Verdict(Standing.WARN, f"{after} of {rate.included} included {words} are used")
    return Verdict(Standing.OK)


def _months_later(day: date, months: int) -> date:
    """Return the same day some months later, or that month's last day if it has none."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
