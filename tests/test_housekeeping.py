"""Chores come when they are due, and one that fails stops no other."""

from datetime import timedelta

from chatpush.housekeeping import Housekeeping
from tests.clocks import StillClock


async def test_chores_come_when_they_are_due(still_clock: StillClock) -> None:
    done: list[str] = []

    async def count() -> None:
        done.append("count")

    async def sweep() -> None:
        done.append("sweep")

    async def broken() -> None:
        done.append("broken")
        raise RuntimeError("the disk is full")

    house = Housekeeping(still_clock, {"broken": broken, "count": count}, {"sweep": sweep})
    await house.turn()
    await house.turn()
    still_clock.forward(timedelta(hours=1))
    await house.turn()
    assert done == ["broken", "count", "sweep", "broken", "count", "broken", "count", "sweep"]
