"""Serve events, items, recommendations and campaigns over the whole office."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.web.api import (
    campaign_results,
    campaign_runs,
    campaign_what_if,
    campaigns,
    events,
    items,
    recommendations,
)
from tests.schedule.building import Office, build_office
from tests.web.harness import Client, serve

NOUNS = [
    noun.routes
    for noun in (campaigns, campaign_runs, campaign_what_if, campaign_results, events, items, recommendations)
]


@asynccontextmanager
async def officing(database: Database, vault: Vault, clock: Clock) -> AsyncIterator[tuple[Client, Office]]:
    """Yield a client with a secret key, and the office behind it."""
    office = build_office(database, vault, clock, DEFAULT_TENANT)
    own = (
        office.catalogue,
        office.behaviour,
        office.recommender,
        office.campaigns,
        office.runs,
        office.dry_runs,
        office.results,
        office.what_if,
    )
    services = {Clock: clock, **office.room.services(), **{type(one): one for one in own}}
    try:
        async with serve(NOUNS, services) as client:
            yield client, office
    finally:
        await office.stop()
