"""Fixtures every room shares: databases, a vault, a still clock."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.store.database import Database, SqliteDatabase
from chatpush.store.migrate import migrate
from chatpush.store.vault import Vault
from tests.clocks import StillClock

MASTER_KEY = bytes(range(32))


@pytest.fixture
def still_clock() -> StillClock:
    """A clock that moves only when told."""
    return StillClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh SQLite database with the whole schema."""
    database = SqliteDatabase(tmp_path / "chatpush.db", migrate, synchronous="NORMAL")
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
async def vault(database: Database) -> Vault:
    """A vault on the fresh database, ready for the default tenant."""
    vault = Vault(database, MASTER_KEY)
    await vault.ready(DEFAULT_TENANT)
    return vault


@pytest.fixture
def tenant() -> TenantId:
    """The tenant of most tests."""
    return DEFAULT_TENANT
