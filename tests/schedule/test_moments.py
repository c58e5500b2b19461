"""Users get their moments by their own clocks, or one after the other, exactly so many a second."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import TenantId, User, UserId, from_ms, to_ms
from chatpush.schedule.moments import RECIPIENT, at_wall, paced, page_size

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TENANT = TenantId("t")


def people(*zones: str) -> list[User]:
    return [User(TENANT, UserId(name), timezone=name) for name in zones]


def test_everybody_gets_it_when_their_own_clock_shows_the_hour() -> None:
    due = at_wall(people("Asia/Shanghai", "UTC", "America/New_York"), time(9, 0), RECIPIENT, NOW)
    assert {name: f"{at:%d %H:%M}" for name, at in due.items()} == {
        "Asia/Shanghai": "25 01:00", "UTC": "25 09:00", "America/New_York": "24 14:00",
    }  # fmt: skip


def test_one_zones_hour_is_one_moment_for_all() -> None:
    due = at_wall(people("Asia/Shanghai", "America/New_York"), time(13, 0), "Europe/London", NOW)
    assert {f"{at:%d %H:%M}" for at in due.values()} == {"24 13:00"}


@pytest.mark.parametrize(
    ("zone", "wall", "after", "expected"),
    [
        # Does not exist on that day: the moment of the jump. Comes twice: the first.
        ("America/New_York", time(2, 30), datetime(2026, 3, 8, 5, 0, tzinfo=UTC), "08 07:00"),
        ("America/New_York", time(1, 30), datetime(2026, 11, 1, 4, 0, tzinfo=UTC), "01 05:30"),
        ("America/New_York", time(1, 30), datetime(2026, 11, 1, 5, 31, tzinfo=UTC), "02 06:30"),
        ("UTC", time(12, 0), NOW, "24 12:00"),
    ],
)
def test_changed_clocks(zone: str, wall: time, after: datetime, expected: str) -> None:
    (due,) = at_wall(people(zone), wall, RECIPIENT, after).values()
    assert f"{due:%d %H:%M}" == expected


@given(
    st.integers(1, 2000),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3000)), min_size=1, max_size=20),
)
def test_no_second_ever_sees_more_than_the_throttle(throttle: int, pages: list[tuple[int, int]]) -> None:
    now, until, moments = NOW, 0, []
    for wanted, pause in pages:
        size = min(wanted, page_size(throttle, 250))
        due, until = paced(people(*(f"z{n}" for n in range(size))), throttle, until, now)
        moments += [to_ms(at) for at in due.values()]
        now = max(now + timedelta(milliseconds=pause), from_ms(until) - timedelta(milliseconds=250))
    assert all(one <= other for one, other in pairwise(moments))
    for index in range(len(moments) - throttle):
        assert moments[index + throttle] - moments[index] >= 1000


def test_a_clock_that_was_set_back_does_not_stop_a_run_for_hours() -> None:
    ahead = to_ms(NOW + timedelta(hours=3))
    due, until = paced(people("a"), 10, ahead, NOW)
    assert due["a"] == NOW  # type: ignore[index]
    assert until == to_ms(NOW) + 100


def test_pages_of_a_throttled_run_are_a_quarter_of_a_second() -> None:
    assert [page_size(throttle, 250) for throttle in (None, 1, 3, 40, 100_000)] == [250, 1, 1, 10, 250]
