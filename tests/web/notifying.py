"""Serve the notification API over the whole room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chatpush.clock import Clock
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.web.api import (
    dead_letters,
    deliveries,
    experiments,
    inbox,
    messages,
    preferences,
    segments,
    templates,
    topics,
    users,
)
from tests.notify.building import Room, build_room
from tests.web.harness import Client, serve

MODULES = (
    dead_letters, deliveries, experiments, inbox, messages, preferences, segments, templates, topics, users,
)  # fmt: skip
NOUNS = [noun.routes for noun in MODULES]


@asynccontextmanager
async def notifying(
    database: Database, vault: Vault, clock: Clock, **options: Any
) -> AsyncIterator[tuple[Client, Room]]:
    """Yield a client with a secret key, and the room behind it."""
    room = build_room(database, vault, clock, **options)
    try:
        async with serve(NOUNS, {**room.services(), Settings: Settings()}) as client:
            yield client, room
    finally:
        await room.renderers.stop()


async def problem(response: Any, status: int) -> tuple[str, str]:
    """Return (code, param) of a problem with this status."""
    body = await response.json(content_type="application/problem+json")
    assert response.status == status, body
    assert body["detail"]
    return body["code"], body.get("param", "")
