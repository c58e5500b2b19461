"""Office hours: spans, breaks, holidays and nights in which the clock changes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.errors import InvalidInput
from chatpush.support.people.office_hours import OfficeHours, office_hours

LONDON = office_hours(
    {
        "zone": "Europe/London",
        "week": {"mon": ["09:00-12:30", "13:30-17:00"], "fri": ["22:00-24:00"], "sun": ["01:00-03:00"]},
        "holidays": ["2026-04-06"],
    }
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "is_open", "opens"),
    [
        ("2026-03-02 09:00", True, "2026-03-02 09:00"),  # Monday, winter time
        ("2026-03-02 12:30", False, "2026-03-02 13:30"),  # the break
        ("2026-03-02 17:00", False, "2026-03-06 22:00"),
        ("2026-03-06 23:59", True, "2026-03-06 23:59"),
        ("2026-03-07 00:00", False, "2026-03-08 01:00"),
        ("2026-03-30 08:00", True, "2026-03-30 08:00"),  # summer time: nine o'clock in London
        ("2026-03-30 07:59", False, "2026-03-30 08:00"),
        ("2026-04-06 08:30", False, "2026-04-10 21:00"),  # Easter Monday
    ],
)
def test_open_and_when_next(moment: str, is_open: bool, opens: str) -> None:
    assert LONDON.is_open(at(moment)) is is_open
    assert LONDON.opens_at(at(moment)) == at(opens)


def test_the_night_of_the_clock_change() -> None:
    # On 29 March 2026 the hour from one to two does not exist in London.
    assert LONDON.is_open(at("2026-03-29 01:30"))
    assert not LONDON.is_open(at("2026-03-29 02:00"))


def test_without_hours_somebody_is_always_there() -> None:
    now = at("2026-12-25 03:00")
    assert OfficeHours().is_open(now)
    assert OfficeHours().opens_at(now) == now
    closed = OfficeHours(holidays=("2026-12-25",))
    assert not closed.is_open(now)
    assert closed.opens_at(now) == at("2026-12-26 00:00")


def test_whoever_never_opens_says_so() -> None:
    days = tuple((at("2026-01-01 00:00") + timedelta(days=n)).date().isoformat() for n in range(100))
    assert OfficeHours(holidays=days).opens_at(at("2026-01-02 00:00")) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"zone": "Europe/Atlantis"}, "time zone"),
        ({"zone": "../etc/passwd"}, "time zone"),
        ({"week": {"monday": ["09:00-17:00"]}}, "no day"),
        ({"week": {"mon": ["9-17"]}}, "no span"),
        ({"week": {"mon": ["17:00-09:00"]}}, "no span"),
        ({"week": {"mon": ["25:00-26:00"]}}, "no span"),
        ({"week": {"mon": ["09:00-10:00"] * 7}}, "at most"),
        ({"holidays": ["Christmas"]}, "no date"),
    ],
)
def test_what_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        office_hours(given)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - its zone comes below
def test_opening_is_the_first_moment_that_is_open(moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    opens = LONDON.opens_at(now)
    assert opens is not None
    assert opens >= now
    assert LONDON.is_open(opens)
    if opens > now:
        assert not LONDON.is_open(opens - timedelta(microseconds=1))
