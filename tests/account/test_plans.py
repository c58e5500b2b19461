"""Bills are exact to the cent, and verdicts say why."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.account.plans import (
    PLANS,
    Kind,
    Period,
    Rate,
    Standing,
    Tier,
    bill_so_far,
    period_of,
    verdict,
)

NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30), 0)


@pytest.mark.parametrize(
    ("since", "today", "first", "last", "number"),
    [
        (date(2026, 11, 24), date(2026, 11, 24), date(2026, 11, 24), date(2026, 12, 23), 0),
        (date(2026, 11, 24), date(2026, 12, 23), date(2026, 11, 24), date(2026, 12, 23), 0),
        (date(2026, 11, 24), date(2026, 12, 24), date(2026, 12, 24), date(2027, 1, 23), 1),
        (date(2026, 1, 31), date(2026, 2, 27), date(2026, 1, 31), date(2026, 2, 27), 0),
        (date(2026, 1, 31), date(2026, 2, 28), date(2026, 2, 28), date(2026, 3, 30), 1),
        (date(2026, 1, 31), date(2026, 3, 31), date(2026, 3, 31), date(2026, 4, 29), 2),
        (date(2024, 2, 29), date(2026, 2, 28), date(2026, 2, 28), date(2026, 3, 28), 24),
        (date(2026, 11, 24), date(2026, 11, 20), date(2026, 11, 24), date(2026, 12, 23), 0),
    ],
)
def test_periods_begin_on_the_plans_day_of_the_month(
    since: date, today: date, first: date, last: date, number: int
) -> None:
    assert period_of(PLANS["monthly"], since, today) == Period(first, last, number)


@given(st.dates(date(2000, 1, 1), date(2050, 1, 1)), st.integers(0, 5000))
def test_every_day_is_in_exactly_one_period(since: date, later: int) -> None:
    today = date.fromordinal(since.toordinal() + later)
    period = period_of(PLANS["payg"], since, today)
    assert period.first <= today <= period.last
    following = period_of(PLANS["payg"], since, date.fromordinal(period.last.toordinal() + 1))
    assert (following.first.toordinal() - period.last.toordinal(), following.number) == (1, period.number + 1)


def test_tiers_are_graduated() -> None:
    rate = Rate(10, (Tier(100, Decimal(500)), Tier(1000, Decimal(300)), Tier(None, Decimal(100))))
    assert [rate.price(quantity) for quantity in (0, 10, 11, 110, 111, 1010, 1020)] == [
        Decimal(0), Decimal(0), Decimal("0.5"), Decimal(50), Decimal("50.3"), Decimal(320), Decimal(321),
    ]  # fmt: skip


@given(st.integers(0, 5_000_000), st.integers(0, 5_000_000))
def test_using_more_never_costs_less(less: int, more: int) -> None:
    rate = PLANS["payg"].rates[Kind.MESSAGES]
    assert rate.price(min(less, more)) <= rate.price(max(less, more))


def test_pay_as_you_go_charges_each_unit() -> None:
    bill = bill_so_far({"messages": 150_001, "active_users": 12}, PLANS["payg"], NOVEMBER)
    amounts = {line.kind: line.amount for line in bill.lines}
    assert amounts[Kind.MESSAGES] == Decimal("65.00")  # 100 × 0.50 + 50.001 × 0.30 = 65.0003
    assert amounts[Kind.ACTIVE_USERS] == Decimal("0.05")  # 0.048
    assert bill.total == Decimal("65.05")


def test_a_monthly_plan_charges_its_fee_and_what_goes_beyond() -> None:
    bill = bill_so_far({"messages": 500_000}, PLANS["monthly"], NOVEMBER)
    assert bill.total == Decimal("49.00")
    bill = bill_so_far({"messages": 600_000}, PLANS["monthly"], NOVEMBER)
    assert bill.total == Decimal("69.00")


def test_a_yearly_fee_is_due_once_a_year() -> None:
    totals = [
        bill_so_far({}, PLANS["yearly"], Period(NOVEMBER.first, NOVEMBER.last, number)).total
        for number in range(25)
    ]
    assert [number for number, total in enumerate(totals) if total] == [0, 12, 24]
    assert totals[0] == Decimal("490.00")


def test_a_trial_is_free_and_its_bill_shows_what_was_used() -> None:
    bill = bill_so_far({"messages": 10_000, "unknown": 5}, PLANS["trial"], NOVEMBER)
    assert bill.total == Decimal("0.00")
    assert (bill.lines[0].quantity, bill.lines[0].included) == (10_000, 10_000)


@pytest.mark.parametrize(
    ("plan", "used", "more", "standing", "words"),
    [
        ("trial", 0, 1, Standing.OK, ""),
        ("trial", 7_998, 1, Standing.OK, ""),
        ("trial", 7_999, 1, Standing.WARN, "8000 of 10000 included messages"),
        ("trial", 9_999, 1, Standing.WARN, "10000 of 10000"),
        ("trial", 10_000, 1, Standing.REFUSE, "choose a plan"),
        ("trial", 0, 10_001, Standing.REFUSE, "used up"),
        ("payg", 10_000_000, 1, Standing.OK, ""),
        ("monthly", 500_000, 1, Standing.WARN, "the rest is charged"),
    ],
)
def test_quotas_warn_then_refuse_what_is_not_sold(
    plan: str, used: int, more: int, standing: Standing, words: str
) -> None:
    found = verdict(used, more, PLANS[plan], Kind.MESSAGES, NOVEMBER, date(2026, 11, 24))
    assert found.standing is standing
    assert words in found.reason


def test_a_trial_ends() -> None:
    plan = PLANS["trial"]
    period = period_of(plan, date(2026, 11, 1), date(2027, 5, 1))
    assert verdict(0, 1, plan, Kind.MESSAGES, period, date(2026, 11, 30)).standing is Standing.OK
    over = verdict(0, 1, plan, Kind.MESSAGES, period, date(2026, 12, 1))
    assert over.standing is Standing.REFUSE
    assert "ended on 2026-11-30" in over.reason


def test_every_plan_meters_every_kind() -> None:
    for plan in PLANS.values():
        assert set(plan.rates) == set(Kind)
