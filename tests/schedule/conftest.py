"""Notify, recommend and schedule together."""

from collections.abc import AsyncIterator

import pytest

from chatpush.domain import TenantId
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.schedule.building import Office, build_office


@pytest.fixture
async def office(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> AsyncIterator[Office]:
    """An office with small pages, a template and three users."""
    office = build_office(database, vault, still_clock, tenant, page_size=2)
    await office.template("hello")
    await office.people("ann", "bob", "cat", attributes={"name": "you"})
    yield office
    await office.stop()
