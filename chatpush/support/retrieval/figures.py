"""Find the figures of a text in one notation, so that an answer's can be looked for in its sources.

1,234.50 is 1234.5, thirty days and 三十天 are 30, full-width and other scripts'
digits are digits. A *quantity* is a figure with a unit: money, a percentage, a
span of time. Days of the week, months beside a day, and "tomorrow" are
figures, too: ``@mon``, ``@m11``, ``@tomorrow``. A date in a source (2026-11-27)
stands for its month and its day of the week.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_MONEY = "£$€¥￥"
_UNIT = (
    r"%|percent\b|per cent\b|(?:working |business )?(?:days?|weeks?|months?|years?|hours?|minutes?)\b|"
    r"(?:pounds?|dollars?|euros?|yuan|gbp|usd|eur|cny|rmb|pence|cents?)\b|"
    r"个?工作日|天|日|周|个?星期|个?月|年|个?小时|分钟|元|块|英镑|美元|欧元|折|％"
)
_QUANTITY = re.compile(
    rf"[{_MONEY}]\s*(\d[\d,]*(?:\.\d+)?)|(\d[\d,]*(?:\.\d+)?)[\s-]*(?:{_UNIT})", re.IGNORECASE
)
_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: value for value, word in enumerate(_SMALL)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_SPELT = re.compile(
    rf"\b((?:{'|'.join([*_SMALL, *_TENS])})(?:[\s-](?:{'|'.join(_SMALL[1:10])}))?(?:\s(?:hundred|thousand|million))?)"
    rf"[\s-]+(?={_UNIT})",
    re.IGNORECASE,
)
# A figure at the end of what has come, whose unit may still come.
OPEN = re.compile(
    rf"(?:[{_MONEY}]\s*)?(?:\d[\d,.]*|\b(?:{'|'.join([*_SMALL, *_TENS, 'hundred', 'thousand'])}))"
    rf"(?:[\s-]+(?:{'|'.join([*_SMALL, *_TENS, 'hundred', 'thousand', 'working', 'business'])}))*[\s-]*$",
    re.IGNORECASE,
)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_HAN = "零〇一二两三四五六七八九"
_HAN_VALUES = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_HAN_NUMBER = re.compile(
    rf"(?<![{_HAN}十百千万第周期拜])([{_HAN}十百千万]+)(?=个?工作日|天|周(?![一二三四五六日])|个星期|个月|年|个?小时|分钟|元|块钱|块|英镑|美元|欧元|折)"
)
_PERCENT_HAN = re.compile(rf"百分之([{_HAN}十百]+)")
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = "|".join([*_MONTHS, *(name[:3] for name in _MONTHS), "sept"])
_DATED = re.compile(
    rf"\b(?:({_MONTH})\.?\s+\d{{1,4}}(?:st|nd|rd|th)?\b|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\b)",
    re.IGNORECASE,
)
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAY = re.compile(rf"\b({'|'.join(_DAYS)})s?\b", re.IGNORECASE)
_HAN_WEEKDAY = re.compile(r"(?:星期|礼拜|周)([一二三四五六日天])")
_HAN_MONTH = re.compile(r"(\d{1,2})\s*月\s*\d{1,2}\s*[日号]")
_RELATIVE = {
    "tomorrow": re.compile(r"\btomorrow\b|明天|明日", re.IGNORECASE),
    "after": re.compile(r"后天|后日"),
}
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")

# Without one of these a text has no figure: a quick look before the long one.
_TRACE = re.compile(
    rf"\d|[{_HAN}十百千万周拜期明后\u00b2\u00b3\u00b9\u2070-\u2089\u2150-\u218b\u2460-\u24ff\u3220-\u33ff]|[\U0001d7ce-\U0001d7ff]|"
    rf"\b(?:{'|'.join([*_SMALL, *_TENS, *_DAYS, 'tomorrow'])})",
    re.IGNORECASE,
)
NONE_KNOWN: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a text; ``quantities`` are those with a unit, and dates."""

    numbers: frozenset[str]
    quantities: frozenset[str]


def figures(text: str) -> Figures:
    """Return the figures of a text."""
    if not _TRACE.search(text):
        return Figures(NONE_KNOWN, NONE_KNOWN)
    plain = in_digits(text)
    quantities = {_plain(found[1] or found[2]) for found in _QUANTITY.finditer(plain)}
    return Figures(
        frozenset(_plain(one) for one in _NUMBER.findall(plain)), frozenset(quantities | _dates(plain))
    )


def implied(text: str) -> set[str]:
    """Return the months and days of the week that a text's dates stand for."""
    found = set()
    for one in _ISO_DATE.finditer(unicodedata.normalize("NFKC", text)):
        try:
            day = date(int(one[1]), int(one[2]), int(one[3]))
        except ValueError:
            continue
        found |= {f"@m{day.month}", f"@{_DAYS[day.weekday()][:3]}"}
    return found


def numbers(text: str) -> set[str]:
    """Return the numbers of a text in one notation."""
    return set(figures(text).numbers)


def in_digits(text: str) -> str:
    """Return a text with its spelt-out quantities in plain digits."""
    text = unicodedata.normalize("NFKC", text)
    if _SPELT.search(text):
        text = _SPELT.sub(lambda found: f"{_english(found[1])} ", text)
    text = _PERCENT_HAN.sub(lambda found: f"{_chinese(found[1])}%", text)
    return _HAN_NUMBER.sub(lambda found: str(_chinese(found[1])), text)


def _dates(plain: str) -> set[str]:
    found = {f"@{one[1].lower()[:3]}" for one in _WEEKDAY.finditer(plain)}
    found |= {
        f"@{_DAYS['一二三四五六日'.find(one[1].replace('天', '日'))][:3]}"
        for one in _HAN_WEEKDAY.finditer(plain)
    }
    found |= {f"@m{_month(one[1] or one[2])}" for one in _DATED.finditer(plain)}
    found |= {f"@m{int(one[1])}" for one in _HAN_MONTH.finditer(plain)}
    found |= {f"@{name}" for name, pattern in _RELATIVE.items() if pattern.search(plain)}
    return found


def _month(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.lower()[:3]))


def _english(words: str) -> int:
    value = 0
    for word in re.split(r"[\s-]+", words.lower()):
        value = value * _SCALES[word] if word in _SCALES else value + _WORDS[word]
    return value


def _chinese(signs: str) -> int:
    if not any(sign in _HAN_SCALES for sign in signs):
        return int("".join(str(_HAN_VALUES[sign]) for sign in signs))
    total = section = digit = 0
    for sign in signs:
        if sign == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        elif sign in _HAN_SCALES:
            section, digit = section + (digit or 1) * _HAN_SCALES[sign], 0
        else:
            digit = _HAN_VALUES[sign]
    return total + section + digit


def _plain(number: str) -> str:
    try:
        return f"{Decimal(number.replace(',', '')).normalize():f}"
    except InvalidOperation:
        return number
