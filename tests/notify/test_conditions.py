"""The segment language: what it means, and how it complains."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.errors import InvalidInput
from chatpush.notify.audience.conditions import asks_when, events_in, matches, parse, topics_in

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EMMA: dict[str, Any] = {
    "id": "emma", "locale": "en-GB", "country": "GB", "age": 34, "score": 1.5, "vip": True, "tags": ["gold", "new"],
    "address": {"city": "Leeds"}, "姓": "王", "dotted.name": "flat",
    "since": "2026-11-20", "renews": "2026-11-25T12:00:00+08:00", "last_purchase": NOW - timedelta(days=29),
    "last_order.paid": NOW - timedelta(hours=2),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('country = "GB"', True),
        ("country = 'GB'", True),
        ('country != "GB"', False),
        ('country = "GB" and age >= 30 and topic "vip"', True),
        ('country = "CN" or age > 34 or topic "none"', False),
        ('not country = "CN"', True),
        ('not (country = "GB" and age < 30)', True),
        ('country = "CN" and age > 1 or age = 34', True),
        ('country = "CN" and (age > 1 or age = 34)', False),
        ("age >= 34 and age <= 34.0 and score < 2 and score > -1", True),
        ('locale in ("zh", "en-GB")', True),
        ("age in (1, 2)", False),
        ('tags contains "gold"', True),
        ('tags contains "go"', False),
        ('country contains "B"', True),
        ("vip = true and vip != false", True),
        ("vip = 1", False),
        ("vip exists and nothing exists", False),
        ('address.city = "Leeds" and dotted.name = "flat"', True),
        ('age = "34"', False),
        ('age > "a"', False),
        ('missing = "x"', False),
        ('missing != "x"', True),
        ("missing < 3", False),
        ('姓 = "王"', True),
        (r'"" = ""'.replace('"" =', "id !="), True),
        ('COUNTRY = "GB"', False),
        ('country = "GB" AND NOT topic "none"', True),
        (r'country != "a\"b"', True),
        ("last_purchase < 30 days", True),
        ("last_purchase < 4 weeks", False),
        ("last_purchase >= 696 hours and last_purchase <= 29 days", True),
        ("last_order.paid > 1.5 HOURS and not last_order.paid > 1 day", True),
        ("last_view < 1 week or last_view > 1 week", False),
        ("last_purchase exists and not last_view exists", True),
        ("since < 5 days and since > 4 days", True),
        ("renews < 0 minutes and renews > -1 day", True),
        ("country < 3 days or age > 3 days or tags < 3 days", False),
        ("age > 30 and last_purchase < 30", False),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    assert matches(parse(text), EMMA, {"vip"}, NOW) is expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "position 1: expected an attribute, 'not', 'topic' or '(', found the end"),
        ("country", "position 8: expected a comparison after 'country'"),
        ('country = "GB" age > 3', "position 16: expected 'and' or 'or', found 'age'"),
        ('country == "GB"', "position 10: expected a value"),
        ('(country = "GB"', "position 16: expected ')', found the end"),
        ("country = GB", "position 11: expected a value"),
        ("topic vip", "position 7: expected a topic's name in quotes"),
        ("age in ()", "position 9: expected a value"),
        ('country = "GB', "position 11: this can't be read"),
        ("age > 3; DROP TABLE app_user", "position 8: this can't be read, found ';'"),
        ("__import__('os').system('ls')", "position 17: this can't be read"),
        ("and", "position 1: expected an attribute"),
        ("last_purchase = 3 days", "position 19: expected 'and' or 'or', found 'days'"),
        ("last_purchase < 3 fortnights", "position 19: expected 'and' or 'or', found 'fortnights'"),
        ("last_purchase < 99999999 weeks", "position 17: expected at most 36500 days"),
        ("age in (3 days)", "position 11: expected ')', found 'days'"),
        ("age > 3x", "position 7: this can't be read"),
        ("(" * 100 + "a = 1" + ")" * 100, "at most 40 deep"),
        ("not " * 100 + "a = 1", "at most 40 deep"),
        ("a = 1 or " * 1000, "at most 4000 characters"),
    ],
)
def test_complaints_name_the_position(text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert complaint in caught.value.message
    assert caught.value.param == "where"


def test_events_are_found_anywhere() -> None:
    found = events_in(
        parse('a = 1 or not (last_view exists and (last_x.y > 1 day or last = 2)) or topic "last_z"')
    )
    assert found == {"view", "x.y"}


def test_who_asks_how_long_ago_is_told_anywhere() -> None:
    assert asks_when(parse("a = 1 or not (b exists and since > 1 day)"))
    assert not asks_when(parse("a = 1 or not (b exists and since > 1)"))


def test_topics_are_found_anywhere() -> None:
    assert topics_in(parse('a = 1 or not (topic "x" and (topic "y" or b exists))')) == {"x", "y"}


PIECES = [
    *"ab=<>!()\"'.,1 \\",
    " and ",
    " or ",
    " not ",
    " in ",
    " exists",
    " contains ",
    'topic "x"',
    "a = 1",
    "last_a < 3 days",
]


@given(text=st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_anything_is_either_read_or_refused(text: str) -> None:
    try:
        condition = parse(text)
    except InvalidInput:
        return
    assert matches(condition, {"a": 1, "b": ["1"], "last_a": NOW}, (), NOW) in {True, False}
