"""Write numbers, money and dates as readers of a language expect them.

Chinese and English are written out here; every other language reads as
English. Values come from JSON, so a price may be text ("12.50") and a time an
ISO 8601 string or milliseconds.
"""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from chatpush.domain import language_of
from chatpush.notify.deciding.hours import zone

Amount = Decimal | int | float | str
Moment = datetime | date | str | int | float

WHOLE_CURRENCIES = {"JPY", "KRW", "VND", "CLP", "ISK", "TWD"}
SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "INR": "₹", "KRW": "₩", "JPY": "¥", "CNY": "CN¥", "HKD": "HK$"}
SIGNS_ZH = {**SIGNS, "USD": "US$", "CNY": "¥", "JPY": "JP¥"}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
STYLES = ("short", "medium", "long", "time", "datetime")


def number(value: Amount, digits: int | None = None) -> str:
    """Return a number with thousands separated, which Chinese and English do alike."""
    exact = _decimal(value)
    if digits is not None:
        exact = _rounded(exact, digits)
    return f"{exact:,f}"


def money(value: Amount, currency: str = "", locale: str = "en") -> str:
    """Return an amount with its currency's sign, or its code where there is none."""
    code = currency.upper()
    exact = _rounded(_decimal(value), 0 if code in WHOLE_CURRENCIES else 2)
    sign = (SIGNS_ZH if language_of(locale) == "zh" else SIGNS).get(code, f"{code} " if code else "")
    return f"{'-' if exact < 0 else ''}{sign}{abs(exact):,f}"


def moment(value: Moment, style: str = "medium", locale: str = "en", zone_name: str = "UTC") -> str:
    """Return a date or time in the reader's zone: short, medium, long, time or datetime."""
    if style not in STYLES:
        raise ValueError(f"no date style {style!r}; use one of {', '.join(STYLES)}")
    local = _local(value, zone_name)
    clock = f"{local:%H:%M}"
    if style == "time":
        return clock
    day = _day(local, "medium" if style == "datetime" else style, locale)
    if style != "datetime":
        return day
    return f"{day} {clock}" if language_of(locale) == "zh" else f"{day}, {clock}"


def _day(local: datetime, style: str, locale: str) -> str:
    year, month, day = local.year, local.month, local.day
    if language_of(locale) == "zh":
        return f"{year}/{month}/{day}" if style == "short" else f"{year}年{month}月{day}日"
    name = MONTHS[month - 1] if style == "long" else MONTHS[month - 1][:3]
    if locale == "en-US":
        return f"{month}/{day}/{year}" if style == "short" else f"{name} {day}, {year}"
    return f"{day:02}/{month:02}/{year}" if style == "short" else f"{day} {name} {year}"


def _local(value: Moment, zone_name: str) -> datetime:
    if isinstance(value, bool):
        raise TypeError("true and false are not dates")
    if isinstance(value, int | float):
        value = datetime.fromtimestamp(value / 1000, UTC)
    elif isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(zone(zone_name))


def _decimal(value: Amount) -> Decimal:
    try:
        exact = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error
    if isinstance(value, bool) or not exact.is_finite() or abs(exact.adjusted()) > 30:
        raise ValueError(f"{value!r} is not a number one can write out")
    return exact


def _rounded(exact: Decimal, digits: int) -> Decimal:
    if not 0 <= digits <= 10:
        raise ValueError("a number has 0 to 10 digits after the point")
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
