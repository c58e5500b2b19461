"""Slots, above all in the nights when clocks change, in three zones (and one of half an hour)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chatpush.errors import InvalidInput
from chatpush.schedule import triggers
from chatpush.schedule.triggers import parse, upcoming

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def cron(expression: str, zone: str) -> triggers.Trigger:
    return parse({"kind": "cron", "cron": expression, "timezone": zone}, CREATED)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(trigger: triggers.Trigger, after: str, count: int) -> list[str]:
    return [f"{slot.at:%m-%dT%H:%M}" for slot in upcoming(trigger, utc(after), count)]


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        # Clocks go back: 01:30 comes twice and fires once, at its first coming.
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00", ["11-01T05:30", "11-02T06:30", "11-03T06:30"]),
        ("Europe/London", "30 1 * * *", "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30", "10-27T01:30"]),
        ("Australia/Sydney", "30 2 * * *", "2026-04-04T00:00", ["04-04T15:30", "04-05T16:30", "04-06T16:30"]),
        # Lord Howe Island changes by half an hour: 01:45 comes twice.
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00", ["04-04T14:45", "04-05T15:15"]),
        # Clocks go forward: 02:30 does not exist and fires at the jump.
        ("America/New_York", "30 2 * * *", "2026-03-07T12:00", ["03-08T07:00", "03-09T06:30", "03-10T06:30"]),
        ("Europe/London", "30 1 * * *", "2026-03-28T12:00", ["03-29T01:00", "03-30T00:30", "03-31T00:30"]),
        ("Australia/Sydney", "30 2 * * *", "2026-10-03T00:00", ["10-03T16:00", "10-04T15:30"]),
        # A zone without changes.
        ("Asia/Shanghai", "0 9 * * *", "2026-03-07T12:00", ["03-08T01:00", "03-09T01:00"]),
        # Midnight that does not exist.
        ("America/Santiago", "0 0 * * *", "2026-09-05T12:00", ["09-06T04:00", "09-07T03:00"]),
    ],
)
def test_daily_times_fire_once_a_local_day(
    zone: str, expression: str, after: str, expected: list[str]
) -> None:
    assert times(cron(expression, zone), after, len(expected)) == expected


def test_two_skipped_times_are_one_firing() -> None:
    assert times(cron("0,30 2 * * *", "America/New_York"), "2026-03-08T05:00", 3) == [
        "03-08T07:00", "03-09T06:00", "03-09T06:30",
    ]  # fmt: skip


def test_hourly_ones_go_by_real_time_through_both_changes() -> None:
    back = upcoming(cron("0 * * * *", "America/New_York"), utc("2026-11-01T03:30"), 6)
    assert [slot.at.hour for slot in back] == [4, 5, 6, 7, 8, 9]
    assert len({slot.key for slot in back}) == 6
    forward = upcoming(cron("30 * * * *", "America/New_York"), utc("2026-03-08T05:00"), 4)
    assert [slot.at.hour for slot in forward] == [5, 6, 7, 8]


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Australia/Sydney"])
def test_a_year_of_mornings_has_one_slot_each_day(zone: str) -> None:
    slots = upcoming(cron("30 1 * * *", zone), utc("2025-12-31T23:59"), 400)
    days = [slot.key for slot in slots]
    assert len(set(days)) == len(days) == 400
    local = [slot.at.astimezone(ZoneInfo(zone)).date() for slot in slots]
    assert all(b - a == timedelta(days=1) for a, b in pairwise(local))


def test_days_of_the_calendar_keep_the_hour_and_hours_keep_real_time() -> None:
    daily = {
        "kind": "interval",
        "every": 1,
        "unit": "days",
        "start_at": "2026-10-30T09:00",
        "timezone": "America/New_York",
    }
    assert times(parse(daily, CREATED), "2026-10-31T12:00", 3) == [
        "10-31T13:00",
        "11-01T14:00",
        "11-02T14:00",
    ]
    hourly = {**daily, "every": 6, "unit": "hours"}
    assert times(parse(hourly, CREATED), "2026-10-31T20:00", 3) == [
        "11-01T01:00",
        "11-01T07:00",
        "11-01T13:00",
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "cron", "cron": "*/7 * * * *", "timezone": "Asia/Kolkata"},
        {"kind": "cron", "cron": "15 1,2,3 * * *", "timezone": "Europe/London"},
        {"kind": "interval", "every": 90, "unit": "minutes"},
        {"kind": "interval", "every": 2, "unit": "weeks", "timezone": "America/New_York"},
        {"kind": "interval", "every": 3, "unit": "days", "timezone": "Australia/Sydney"},
    ],
)
def test_the_latest_is_the_last_of_all(spec: dict[str, Any]) -> None:
    trigger = parse(spec, CREATED)
    after, until = utc("2026-03-20T03:10"), utc("2026-04-20T11:17")
    every = [slot for slot in upcoming(trigger, after, 10_000) if slot.at <= until]
    assert trigger.latest(after, until) == every[-1]
    assert trigger.latest(every[-1].at, until) is None
    assert trigger.latest(every[-1].at - timedelta(seconds=1), until) == every[-1]


def test_before_an_interval_begins_nothing_fires() -> None:
    spec = {"kind": "interval", "every": 1, "unit": "hours", "start_at": "2027-01-01T00:00"}
    trigger = parse(spec, CREATED)
    assert trigger.latest(CREATED, utc("2026-12-31T00:00")) is None
    assert times(trigger, "2026-05-01T00:00", 2) == ["01-01T00:00", "01-01T01:00"]


def test_a_date_is_wall_clock_in_its_zone_or_carries_its_offset() -> None:
    local = {"kind": "date", "at": "2026-12-01T09:00", "timezone": "Asia/Shanghai"}
    assert times(parse(local, CREATED), "2026-06-01T00:00", 5) == ["12-01T01:00"]
    offset = {"kind": "date", "at": "2026-12-01T09:00-05:00", "timezone": "Asia/Shanghai"}
    assert times(parse(offset, CREATED), "2026-06-01T00:00", 5) == ["12-01T14:00"]


@pytest.mark.parametrize(
    ("spec", "message", "param"),
    [
        ({}, "kind None", "trigger.kind"),
        ({"kind": "sometimes"}, "use cron, interval, date or event", "trigger.kind"),
        (
            {"kind": "cron", "cron": "0 9 * * *", "timezone": "Mars/Base"},
            "no time zone 'Mars/Base'",
            "trigger.timezone",
        ),
        (
            {"kind": "cron", "cron": "0 9 * * *", "timezone": "../etc/passwd"},
            "no time zone",
            "trigger.timezone",
        ),
        ({"kind": "cron", "cron": "soon"}, "1 fields instead of 5", "trigger.cron"),
        ({"kind": "interval", "every": 0, "unit": "hours"}, "every is a whole number", "trigger.every"),
        ({"kind": "interval", "every": True, "unit": "hours"}, "every is a whole number", "trigger.every"),
        (
            {"kind": "interval", "every": 1, "unit": "fortnights"},
            "use minutes, hours, days, weeks",
            "trigger.unit",
        ),
        ({"kind": "date", "at": "tomorrow"}, "not a time such as", "trigger.at"),
        ({"kind": "date"}, "not a time such as", "trigger.at"),
        ({"kind": "event"}, "needs the event's type", "trigger.type"),
        (
            {"kind": "event", "type": "x", "delay_seconds": -1},
            "delay_seconds is from 0",
            "trigger.delay_seconds",
        ),
    ],
)
def test_wrong_triggers_are_told_clearly(spec: dict[str, Any], message: str, param: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        parse(spec, CREATED)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "date", "at": "2025-12-01T09:00"}, "is in the past"),
        ({"kind": "cron", "cron": "0 0 30 2 *"}, "never comes"),
    ],
)
def test_what_never_fires_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        triggers.check(parse(spec, CREATED), CREATED)


def test_a_leap_day_on_a_monday_is_found() -> None:
    triggers.check(cron("0 0 29 2 *", "UTC"), utc("2026-03-01T00:00"))
