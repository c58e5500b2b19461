"""The account room on a fresh database."""

import pytest

from chatpush.account.attempts import Attempts
from chatpush.account.audit import Audit
from chatpush.account.keys import Keys
from chatpush.account.metering import Meter
from chatpush.account.people import People
from chatpush.account.sessions import Sessions
from chatpush.account.tenants import Tenants
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock


@pytest.fixture
def database(any_database: Database) -> Database:
    """Accounts are shared by all nodes: every test of this room runs on both databases."""
    return any_database


@pytest.fixture
def audit(database: Database, still_clock: StillClock) -> Audit:
    return Audit(database, still_clock)


@pytest.fixture
def keys(database: Database, still_clock: StillClock, audit: Audit) -> Keys:
    return Keys(database, still_clock, audit)


@pytest.fixture
def meter(database: Database, still_clock: StillClock) -> Meter:
    return Meter(database, still_clock)


@pytest.fixture
def sessions(database: Database, vault: Vault, still_clock: StillClock) -> Sessions:
    return Sessions(database, vault, still_clock)


@pytest.fixture
def people(
    database: Database, vault: Vault, still_clock: StillClock, audit: Audit, sessions: Sessions
) -> People:
    return People(database, vault, still_clock, audit, sessions, Attempts(database, still_clock))


@pytest.fixture
async def tenants(database: Database, vault: Vault, still_clock: StillClock, audit: Audit) -> Tenants:
    tenants = Tenants(database, vault, still_clock, Settings(), audit)
    await tenants.start()
    return tenants
