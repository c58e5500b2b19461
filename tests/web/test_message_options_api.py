"""Silent commands, badges and timed display, from the API to pages, inbox and phones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chatpush.domain import OutgoingMessage
from chatpush.plugins.contracts import Sent
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.web.harness import Client
from tests.web.notifying import notifying, problem

EMMA = {"X-As": "user:emma"}


class Phone:
    """A channel that remembers messages."""

    name = "phone"
    carries_silent = True

    def __init__(self) -> None:
        self.got: list[OutgoingMessage] = []

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        self.got.append(message)
        return Sent()


class Letters(Phone):
    """One that can't be silent."""

    name = "letters"
    carries_silent = False


class Both:
    """Brings the two."""

    def __init__(self) -> None:
        self.phone, self.letters = Phone(), Letters()

    @hook
    def register_channels(self) -> list[Any]:
        return [self.phone, self.letters]


@asynccontextmanager
async def phoning(
    database: Database, vault: Vault, clock: StillClock
) -> AsyncIterator[tuple[Client, Room, Phone]]:
    """Yield a client, its room, and emma's phone."""
    both = Both()
    async with notifying(database, vault, clock, plugins=Plugins({"both": both})) as (client, room):
        await client.put("/v1/users/emma", json={"endpoints": {"phone": ["p1"]}})
        yield client, room, both.phone


async def send(client: Client, room: Room, **more: Any) -> None:
    body = {"to": [{"user": "emma"}], "content": {"title": "T"}, **more}
    answer = await client.post("/v1/messages", json=body)
    assert answer.status == 202, await answer.text()
    await room.settle()


async def inbox(client: Client) -> Any:
    return await (await client.get("/v1/me/inbox", headers=EMMA)).json()


async def test_a_silent_message_is_a_command_and_nothing_else(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with phoning(database, vault, still_clock) as (client, room, phone):
        await send(client, room)
        content = {"data": {"refresh": "orders"}}
        await send(client, room, silent=True, content=content, channels=["ws", "phone"])
        command = room.publisher.to("emma")[-1]
        assert (command["type"], command["silent"], command["data"]) == (
            "message",
            True,
            {"refresh": "orders"},
        )
        assert command["unread"] == 1
        page = await inbox(client)
        assert ([one["title"] for one in page["data"]], page["unread"]) == (["T"], 1)
        assert (phone.got[0].silent, phone.got[0].badge) == (True, None)
        receipts = {"receipts": [{"delivery": command["delivery"], "kind": "delivered"}]}
        await client.post("/v1/me/receipts", json=receipts, headers=EMMA)
        report = await (await client.get(f"/v1/deliveries/{command['delivery']}")).json()
        assert report["state"] == "delivered"


async def test_badge_counts_or_not_or_is_a_number(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with phoning(database, vault, still_clock) as (client, room, phone):
        await send(client, room, channels=["ws", "phone"])
        await send(client, room, channels=["ws", "phone"], badge=False)
        await send(client, room, channels=["ws", "phone"], badge=42)
        assert [one.badge for one in phone.got] == [1, None, 42]
        assert [one["badge"] for one in room.publisher.to("emma")] == [True, False, 42]
        assert [one["unread"] for one in room.publisher.to("emma")] == [1, 1, 2]
        page = await inbox(client)
        assert (len(page["data"]), page["unread"]) == (3, 2)


async def test_timed_display_travels_everywhere(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with phoning(database, vault, still_clock) as (client, room, phone):
        await send(client, room, channels=["ws", "phone"], display_seconds=8)
        assert room.publisher.to("emma")[-1]["display_seconds"] == 8
        assert phone.got[0].display_seconds == 8
        assert (await inbox(client))["data"][0]["display_seconds"] == 8


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"content": {}}, "content.title"),
        ({"silent": True, "channels": ["letters"]}, "channels"),
        ({"silent": True, "digest": {"key": "k", "window": 60}}, "digest"),
        ({"badge": -1}, "badge"),
        ({"badge": 10_000}, "badge"),
        ({"badge": "many"}, "badge"),
        ({"display_seconds": 0}, "display_seconds"),
        ({"display_seconds": 90_000}, "display_seconds"),
        ({"tags": ["a b"]}, "tags.0"),
        ({"tags": list("abcdef")}, "tags"),
    ],
)
async def test_what_makes_no_sense_names_the_field(
    database: Database, vault: Vault, still_clock: StillClock, more: dict[str, Any], param: str
) -> None:
    async with phoning(database, vault, still_clock) as (client, _, __):
        body = {"to": [{"user": "emma"}], "content": {"title": "T"}, **more}
        answer = await client.post("/v1/messages", json=body)
        assert (await problem(answer, 422))[1].startswith(param)
