"""The room of customer service as a fixture."""

from collections.abc import AsyncIterator

import pytest

from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.support.house import House, build


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock) -> AsyncIterator[House]:
    """The room without a model."""
    house = await build(database, vault, still_clock)
    yield house
    await house.close()
