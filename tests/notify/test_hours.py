"""Wall clocks become instants, also in the nights when an hour is missing or doubled."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import QuietHours
from chatpush.errors import InvalidInput
from chatpush.notify.deciding.hours import instant, parse_window, quiet_hours, quiet_until, zone

ZONES = ["UTC", "Asia/Shanghai", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
MOMENTS = st.integers(1_735_689_600, 1_830_297_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone_name", "local", "later", "expected"),
    [
        ("Asia/Shanghai", "2026-11-24T09:00", False, "2026-11-24T01:00"),
        ("America/New_York", "2026-03-08T02:30", False, "2026-03-08T07:00"),  # skipped: the jump itself
        ("America/New_York", "2026-11-01T01:30", False, "2026-11-01T05:30"),  # doubled: the first
        ("America/New_York", "2026-11-01T01:30", True, "2026-11-01T06:30"),  # doubled: the second
        ("Europe/London", "2026-03-29T01:15", True, "2026-03-29T01:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:10", False, "2026-10-03T15:30"),  # half an hour is skipped
    ],
)
def test_instants(zone_name: str, local: str, later: bool, expected: str) -> None:
    assert instant(datetime.fromisoformat(local), zone(zone_name), later=later) == utc(expected)


@pytest.mark.parametrize(
    ("zone_name", "now", "window", "until"),
    [
        ("UTC", "2026-11-24T23:00", ("22:00", "08:00"), "2026-11-25T08:00"),
        ("UTC", "2026-11-24T07:59", ("22:00", "08:00"), "2026-11-24T08:00"),
        ("UTC", "2026-11-24T08:00", ("22:00", "08:00"), None),
        ("UTC", "2026-11-24T22:00", ("22:00", "08:00"), "2026-11-25T08:00"),
        ("UTC", "2026-11-24T13:00", ("12:00", "14:00"), "2026-11-24T14:00"),
        ("UTC", "2026-11-24T14:00", ("12:00", "14:00"), None),
        ("Asia/Shanghai", "2026-11-24T15:00", ("22:00", "08:00"), "2026-11-25T00:00"),
        # Spring: the night is an hour shorter; autumn: an hour longer.
        ("Europe/London", "2026-03-29T00:30", ("22:00", "08:00"), "2026-03-29T07:00"),
        ("Europe/London", "2026-10-25T00:30", ("22:00", "08:00"), "2026-10-25T08:00"),
        # The window's end is skipped, or comes twice: it ends once, with the longer reading.
        ("America/New_York", "2026-03-08T06:59", ("22:00", "02:30"), "2026-03-08T07:00"),
        ("America/New_York", "2026-03-08T07:00", ("22:00", "02:30"), None),
        ("America/New_York", "2026-11-01T05:45", ("22:00", "01:30"), "2026-11-01T06:30"),
        ("America/New_York", "2026-11-01T06:30", ("22:00", "01:30"), None),
    ],
)
def test_quiet_hours_end(zone_name: str, now: str, window: tuple[str, str], until: str | None) -> None:
    assert quiet_until(utc(now), QuietHours(*window), zone_name) == (utc(until) if until else None)


@given(now=MOMENTS, start=TIMES, end=TIMES, zone_name=st.sampled_from(ZONES))
def test_quiet_hours_always_end_soon_and_once(now: datetime, start: str, end: str, zone_name: str) -> None:
    if start == end:
        return
    window = QuietHours(start, end)
    until = quiet_until(now, window, zone_name)
    local = now.astimezone(zone(zone_name)).strftime("%H:%M")
    inside = start <= local < end if start < end else local >= start or local < end
    if until is None:
        changes = {(now + timedelta(hours=h)).astimezone(zone(zone_name)).utcoffset() for h in (-26, 0, 26)}
        assert not inside or len(changes) > 1
    else:
        assert now < until <= now + timedelta(hours=25)
        assert quiet_until(until, window, zone_name) is None


@pytest.mark.parametrize("text", ["22:00", "22-08", "24:00-08:00", "08:00-08:00", "a-b", "-"])
def test_malformed_windows(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_window(text)


def test_windows_and_zones_are_checked() -> None:
    assert parse_window("") is None
    assert parse_window("22:00-08:00") == quiet_hours("22:00", "08:00")
    for name in ("", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe"):
        with pytest.raises(InvalidInput):
            zone(name)
