"""Cron expressions, and what is said about wrong ones."""

from datetime import date

import pytest

from chatpush.errors import InvalidInput
from chatpush.schedule.cron import parse


@pytest.mark.parametrize(
    ("expression", "hours", "minutes"),
    [
        ("0 9 * * *", (9,), (0,)),
        ("*/15 9-11 * * *", (9, 10, 11), (0, 15, 30, 45)),
        ("5,35 0-23/12 * * *", (0, 12), (5, 35)),
        ("30/10 8 * * *", (8,), (30, 40, 50)),
        ("@daily", (0,), (0,)),
    ],
)
def test_times(expression: str, hours: tuple[int, ...], minutes: tuple[int, ...]) -> None:
    cron = parse(expression)
    assert (cron.hours, cron.minutes) == (hours, minutes)


@pytest.mark.parametrize(
    ("expression", "day", "fires"),
    [
        ("0 9 * * mon-fri", date(2026, 11, 24), True),
        ("0 9 * * mon-fri", date(2026, 11, 28), False),
        ("0 9 * * 7", date(2026, 11, 29), True),
        ("0 9 * * 0", date(2026, 11, 29), True),
        ("0 9 * * */2", date(2026, 11, 29), True),
        ("0 9 1 * *", date(2026, 12, 1), True),
        ("0 9 1 jan *", date(2026, 12, 1), False),
        ("0 9 1 * fri", date(2026, 11, 27), True),
        ("0 9 1 * fri", date(2026, 12, 1), True),
        ("0 9 1 * fri", date(2026, 12, 2), False),
        ("0 9 29 2 *", date(2028, 2, 29), True),
    ],
)
def test_days(expression: str, day: date, fires: bool) -> None:
    assert parse(expression).on(day) is fires


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "0 fields instead of 5"),
        ("0 9 * *", "4 fields instead of 5"),
        ("60 9 * * *", "minute: '60' is not from 0 to 59"),
        ("0 24 * * *", "hour: '24' is not from 0 to 23"),
        ("0 9 0 * *", "day of month: '0' is not from 1 to 31"),
        ("0 9 * 13 *", "month: '13'"),
        ("0 9 * * 8", "day of week: '8'"),
        ("0 9 * * funday", "day of week: 'funday'"),
        ("9-5 9 * * *", "runs backwards"),
        ("*/0 9 * * *", "the step of '\\*/0' must be"),
        ("*/x 9 * * *", "the step"),
        ("-1 9 * * *", "minute: ''"),
        ("٣ 9 * * *", "minute: '٣'"),
        (", 9 * * *", "minute: ''"),
    ],
)
def test_wrong_ones_name_the_field(expression: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        parse(expression)
