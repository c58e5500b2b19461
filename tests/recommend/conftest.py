"""The small shop as a fixture."""

import pytest

from chatpush.domain import TenantId
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.recommend.world import World


@pytest.fixture
def world(database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId) -> World:
    """An empty shop."""
    return World(database, vault, still_clock, tenant)
