"""Numbers, money and dates as their readers expect them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from chatpush.notify.templates.formats import moment, money, number


@pytest.mark.parametrize(
    ("value", "currency", "locale", "expected"),
    [
        (12.5, "GBP", "en", "£12.50"),
        ("1234.565", "GBP", "en", "£1,234.57"),
        (-3, "EUR", "en", "-€3.00"),
        (8, "USD", "en-US", "$8.00"),
        (8, "usd", "zh-CN", "US$8.00"),
        (8, "CNY", "zh", "¥8.00"),
        (8, "CNY", "en", "CN¥8.00"),
        (1999.5, "JPY", "en", "¥2,000"),
        (1, "CHF", "en", "CHF 1.00"),
        (1, "", "en", "1.00"),
    ],
)
def test_money(value: Any, currency: str, locale: str, expected: str) -> None:
    assert money(value, currency, locale) == expected


def test_numbers() -> None:
    assert number(1234567) == "1,234,567"
    assert number("1234.5", 2) == "1,234.50"
    for bad in ("x", "NaN", "1e99", True):
        with pytest.raises(ValueError, match="number"):
            number(bad)


@pytest.mark.parametrize(
    ("value", "style", "locale", "zone", "expected"),
    [
        ("2026-11-24", "medium", "en", "UTC", "24 Nov 2026"),
        ("2026-11-24", "short", "en", "UTC", "24/11/2026"),
        ("2026-11-24", "short", "en-US", "UTC", "11/24/2026"),
        ("2026-11-24", "long", "en-US", "UTC", "November 24, 2026"),
        ("2026-11-24", "medium", "zh-CN", "UTC", "2026年11月24日"),
        ("2026-11-24", "short", "zh", "UTC", "2026/11/24"),
        ("2026-11-24T20:30:00Z", "datetime", "en", "Europe/London", "24 Nov 2026, 20:30"),
        ("2026-11-24T20:30:00Z", "datetime", "zh", "Asia/Shanghai", "2026年11月25日 04:30"),
        (datetime(2026, 11, 24, 1, 5, tzinfo=UTC), "time", "en", "UTC", "01:05"),
        (date(2026, 1, 2), "medium", "fr", "UTC", "2 Jan 2026"),
        (0, "short", "zh", "UTC", "1970/1/1"),
    ],
)
def test_moments(value: Any, style: str, locale: str, zone: str, expected: str) -> None:
    assert moment(value, style, locale, zone) == expected


def test_what_is_no_moment() -> None:
    with pytest.raises(ValueError, match="style"):
        moment("2026-11-24", "fancy")
    with pytest.raises(ValueError, match="isoformat"):
        moment("soon")
    with pytest.raises(TypeError):
        moment(True)
