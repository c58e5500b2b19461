"""Show over HTTP what a tenant used by day and kind, and its bill so far.

Amounts are strings: money never passes through binary fractions.
"""

from datetime import date

from pydantic import BaseModel, Field

from chatpush.account.billing import Billing
from chatpush.account.metering import Meter
from chatpush.account.plans import Bill
from chatpush.domain import Role
from chatpush.errors import InvalidInput
from chatpush.support.model.budget import Budget, DaySpent
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Call, Operations, Query

routes = Operations("usage")
LONGEST_DAYS = 400


class UsageQuery(Query):
    """Which days; without them, the current billing period."""

    first: date | None = Field(None, description="First day (UTC), such as 2026-11-01.")
    last: date | None = Field(None, description="Last day (UTC).")


class UsageDay(BaseModel):
    """What was used on one day."""

    day: str
    used: dict[str, int]


class BillLine(BaseModel):
    """One line; ``kind`` is ``fee`` or what was metered."""

    kind: str
    quantity: int
    included: int
    amount: str


class BillOut(BaseModel):
    """What is owed for the current period so far."""

    plan: str
    currency: str
    first: str
    last: str
    lines: list[BillLine]
    total: str


class ModelDay(BaseModel):
    """What the language model took on one day; money by ``writer.prices``."""

    day: str
    model: str
    input_tokens: int
    output_tokens: int
    money: str


class ModelUse(BaseModel):
    """The language model's days, and the tenant's daily limits (0: none)."""

    currency: str
    daily_tokens: int
    daily_money: str
    days: list[ModelDay]


class UsageOut(BaseModel):
    """Usage of the days asked for, and the bill of the current period."""

    first: str
    last: str
    days: list[UsageDay]
    used: dict[str, int]
    model: ModelUse
    bill: BillOut


@routes.get("/v1/usage", door=Door(scope="usage:read", role=Role.VIEWER))
async def show_usage(call: Call, query: UsageQuery) -> UsageOut:
    """Show usage by day and kind, and the bill so far."""
    tenant = call.identity.tenant
    bill = await call.need(Billing).bill(tenant)
    first, last = query.first or bill.period.first, query.last or bill.period.last
    if not 0 <= (last - first).days < LONGEST_DAYS:
        raise InvalidInput(
            f"last must be 0 to {LONGEST_DAYS - 1} days after first ({first} to {last})", param="last"
        )
    days = await call.need(Meter).by_day(tenant, first, last)
    used: dict[str, int] = {}
    for kinds in days.values():
        for kind, quantity in kinds.items():
            used[kind] = used.get(kind, 0) + quantity
    return UsageOut(
        first=first.isoformat(),
        last=last.isoformat(),
        days=[UsageDay(day=day, used=kinds) for day, kinds in days.items()],
        used=used,
        model=_model(call.need(Budget), await call.need(Budget).by_day(tenant, first, last)),
        bill=_bill(bill),
    )


def _model(budget: Budget, days: list[DaySpent]) -> ModelUse:
    limits = budget.limits
    return ModelUse(
        currency=limits.currency,
        daily_tokens=limits.daily_tokens_per_tenant,
        daily_money=str(limits.daily_money_per_tenant),
        days=[
            ModelDay(
                day=one.day, model=one.model, input_tokens=one.spent.input_tokens,
                output_tokens=one.spent.output_tokens, money=str(one.spent.money),
            )
            for one in days
        ],
    )  # fmt: skip


def _bill(bill: Bill) -> BillOut:
    return BillOut(
        plan=bill.plan,
        currency=bill.currency,
        first=bill.period.first.isoformat(),
        last=bill.period.last.isoformat(),
        lines=[
            BillLine(
                kind=line.kind.value if line.kind else "fee",
                quantity=line.quantity,
                included=line.included,
                amount=str(line.amount),
            )
            for line in bill.lines
        ],
        total=str(bill.total),
    )
