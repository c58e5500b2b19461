"""Events over HTTP: one or many, once each, and clear problems."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import EventId, UserId
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.schedule.building import Office
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.officing import officing


@pytest.fixture
async def served(
    database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[tuple[Client, Office]]:
    async with officing(database, vault, still_clock) as pair:
        yield pair


async def test_one_event_is_taken_and_its_user_made(served: tuple[Client, Office]) -> None:
    client, office = served
    body = {"user": "u1", "type": "order.paid", "properties": {"order": "A1"}, "id": "paid-A1"}
    answer = await client.post("/v1/events", json=body)
    assert answer.status == 202
    assert await answer.json() == {"accepted": 1, "duplicates": 0, "dropped": 0}
    stored = await office.behaviour.get(office.tenant, EventId("paid-A1"))
    assert stored is not None
    assert (stored.type, stored.properties, stored.at) == (
        "order.paid",
        {"order": "A1"},
        office.runs._clock.now(),
    )
    assert await office.room.users.find(office.tenant, UserId("u1")) is not None
    again = await client.post("/v1/events", json=body)
    assert await again.json() == {"accepted": 0, "duplicates": 1, "dropped": 0}


async def test_a_batch(served: tuple[Client, Office]) -> None:
    client, _ = served
    batch = [
        {"user": f"u{n}", "type": "view", "item": f"i{n}", "at": "2026-11-20T10:00:00+08:00"}
        for n in range(1000)
    ]
    answer = await client.post("/v1/events", json={"events": batch})
    assert (await answer.json())["accepted"] == 1000


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "user"),
        ({"user": "u1"}, "type"),
        ({"user": "u 1", "type": "view"}, "user"),
        ({"user": "u1", "type": "has space"}, "type"),
        ({"user": "u1", "type": "view", "at": "yesterday"}, "at"),
        ({"user": "u1", "type": "view", "at": "2026-11-20T10:00:00"}, "at"),
        ({"user": "u1", "type": "view", "when": "now"}, "when"),
        ({"user": "u1", "type": "view", "properties": [1]}, "properties"),
        ({"user": 7, "type": "view"}, "user"),
        ({"events": []}, "events"),
        ({"events": [{"user": "u1", "type": "view"}] * 1001}, "events"),
        ({"events": [{"user": "u1", "type": "view"}, {"user": "u1"}]}, "events.1.type"),
        ({"events": [{"user": "u1", "type": "view"}, {"user": "a b", "type": "view"}]}, "events.1.user"),
        ({"events": [{"user": "u1", "type": "view"}], "user": "u1"}, "events"),
        ([1, 2], ""),
    ],
)
async def test_bad_ones_name_the_field_and_store_nothing(
    served: tuple[Client, Office], database: Database, body: Any, param: str
) -> None:
    client, _ = served
    assert await problem(await client.post("/v1/events", json=body), 422) == ("invalid_input", param)
    assert await database.read("SELECT 1 FROM event") == []


async def test_users_do_not_report_events(served: tuple[Client, Office]) -> None:
    client, _ = served
    answer = await client.post("/v1/events", json={"user": "u1", "type": "view"}, headers={"X-As": "user:u1"})
    assert answer.status == 403
