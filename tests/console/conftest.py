"""The whole house with a console in front of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.console.whole import Client, Whole, build_whole, console
from tests.realtime.node import realtime_node


@pytest.fixture
async def whole(
    database: Database, vault: Vault, still_clock: StillClock, tmp_path: Path
) -> AsyncIterator[Whole]:
    """Every service, with an afternoon in the shop behind it."""
    async with realtime_node(tmp_path, still_clock) as node:
        whole = await build_whole(database, vault, still_clock, node)
        await whole.fill()
        yield whole
        await whole.world.recommender.stop()
        await whole.house.close()
        await whole.room.away.stop()
        await whole.room.renderers.stop()


@pytest.fixture
async def client(whole: Whole) -> AsyncIterator[Client]:
    """A browser-like client of the console, not signed in."""
    async with console(whole) as client:
        yield client
