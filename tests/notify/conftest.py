"""Fixtures of the notify tests."""

from collections.abc import AsyncIterator

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room, build_room


@pytest.fixture
async def room(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[Room]:
    """The whole room on a fresh database."""
    room = build_room(database, vault, still_clock)
    yield room
    await room.away.stop()
    await room.renderers.stop()
