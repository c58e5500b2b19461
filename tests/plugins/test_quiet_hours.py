"""Advertising waits for the day's window; clock changes and holidays don't confuse it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import Category
from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.contracts import Defer
from tests.clocks import StillClock
from tests.plugins.firstparty import load
from tests.serving import serving
from tests.waiting import until


async def decided(
    at: str, zone: str = "Europe/London", own: dict[str, Any] | None = None, **user: Any
) -> str:
    """Return when a promotion goes out that is ready at a local time: a local time, or "now"."""
    plugins, module = load("quiet_hours", **own or {})
    now = datetime.fromisoformat(at).replace(tzinfo=module.ZoneInfo(zone))
    clock = StillClock()
    clock.set(now.astimezone(UTC))
    module.clock = clock  # type: ignore[attr-defined]
    plugins._clock = clock
    sent = samples.message(user=samples.user(timezone=zone, **user))
    verdict = await plugins.filter_message(sent)
    if verdict is sent:
        return "now"
    assert isinstance(verdict, Defer), plugins.states()[0].last_error
    return verdict.until.astimezone(module.ZoneInfo(zone)).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("at", "zone", "goes"),
    [
        ("2026-11-24T12:00", "Europe/London", "now"),
        ("2026-11-24T09:00", "Europe/London", "now"),
        ("2026-11-24T08:59", "Europe/London", "2026-11-24T09:00+00:00"),
        ("2026-11-24T20:00", "Asia/Shanghai", "2026-11-25T09:00+08:00"),
        ("2026-11-27T21:00", "America/New_York", "2026-11-28T10:00-05:00"),
        ("2026-11-28T18:00", "America/New_York", "2026-11-30T09:00-05:00"),
        ("2026-03-28T23:00", "Europe/London", "2026-03-30T09:00+01:00"),  # the clock goes forward between
        ("2026-10-31T23:30", "America/New_York", "2026-11-02T09:00-05:00"),  # and back
        ("2026-10-04T01:00", "Australia/Lord_Howe", "2026-10-05T09:00+11:00"),
    ],
)
async def test_a_promotion_waits_for_the_readers_next_window(at: str, zone: str, goes: str) -> None:
    assert await decided(at, zone) == goes


async def test_holidays_and_countries_have_calendars_of_their_own() -> None:
    own = {
        "holidays": ["2026-11-25"],
        "countries": {"FR": {"days": {"sun": "12:00-13:00"}, "holidays": ["2026-11-29"]}},
    }
    assert await decided("2026-11-24T21:00", own=own) == "2026-11-26T09:00+00:00"
    french = {"country": "fr"}
    assert await decided("2026-11-24T12:00", own=own, attributes=french) == "2026-12-06T12:00+00:00"


async def test_orders_and_urgent_messages_do_not_wait() -> None:
    plugins, module = load("quiet_hours")
    clock = StillClock()
    clock.set(datetime(2026, 11, 22, 12, tzinfo=UTC))
    module.clock = clock  # type: ignore[attr-defined]
    for changes in ({"category": Category.TRANSACTIONAL}, {"priority": "high"}):
        sent = samples.message(**changes)
        assert await plugins.filter_message(sent) is sent


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"days": {"monday": "09:00-10:00"}}, "'monday' is no day: use weekday, mon"),
        ({"days": {"mon": "20:00-09:00"}}, "ends before it begins"),
        ({"days": {"mon": "always"}}, "'always' is no window"),
        ({"days": {}}, "no day has a window"),
        ({"countries": {"FR": {"dayz": {}}}}, r"countries\.FR\.dayz: no such setting"),
        ({"holidays": ["christmas"]}, r"holidays\.0"),
    ],
)
def test_wrong_settings_stop_the_start(own: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        load("quiet_hours", **own)


async def test_a_message_waits_with_its_reason_and_goes_when_the_window_opens(
    tmp_path: Path, still_clock: StillClock
) -> None:
    still_clock.set(datetime(2026, 11, 22, 23, tzinfo=UTC))
    module = load("quiet_hours")[1]
    module.clock = still_clock  # type: ignore[attr-defined]
    async with serving(tmp_path, plugins={"quiet_hours": module}, clock=still_clock) as served:
        await served.told(
            "PUT", "/v1/users/emma", {"timezone": "Europe/London", "consents": {"marketing": True}}
        )
        message = {
            "to": [{"user": "emma"}], "category": "marketing", "content": {"title": "Lamps", "body": "New"},
        }  # fmt: skip
        sent = await served.told("POST", "/v1/messages", message)

        async def delivery(state: str) -> dict[str, Any]:
            seen = await served.told("GET", f"/v1/messages/{sent['id']}")
            one = (seen["deliveries"] or [{}])[0]
            return one if one.get("state") == state else {}

        waiting = await until(lambda: delivery("scheduled"))
        assert waiting["reason"] == "waits for Monday 09:00"
        still_clock.forward(timedelta(hours=10))
        served.chatpush.outbox.ring()

        async def arrived() -> bool:
            inbox = await served.told("GET", "/v1/me/inbox", user="emma")
            return [one["title"] for one in inbox["data"]] == ["Lamps"]

        await until(arrived)
