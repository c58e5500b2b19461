"""Dead letters: found, looked at with what the provider said, sent again, given up."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.errors import Unavailable
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.notify.following import Follower, followed
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.test_escalation_api import RISK, chained, delivery


@pytest.fixture
def database(any_database: Database) -> Database:
    """Letters lie in each kind of database."""
    return any_database


async def letters(client: Client, query: str = "") -> list[dict[str, Any]]:
    """Return the dead letters of a query."""
    answer = await client.get(f"/v1/dead-letters{query}")
    assert answer.status == 200, await answer.text()
    found: list[dict[str, Any]] = (await answer.json())["data"]
    return found


async def send(client: Client, room: Room, channels: list[str], user: str = "emma") -> str:
    """Send by all of some channels at once, and let it go out."""
    body = {"content": RISK, "to": [{"user": user}], "channels": channels}
    message = str((await (await client.post("/v1/messages", json=body)).json())["id"])
    await room.settle()
    return message


async def test_dead_letters_are_sent_again(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.mail.failing = ValueError("mailbox full")
        body = {"content": RISK, "to": [{"user": "emma"}], "channels": ["ws", "push", "mail"]}
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p1"], [])
        (one,) = (await (await client.get("/v1/dead-letters?channel=mail")).json())["data"]
        posts.mail.failing = None
        answer = await client.post(f"/v1/dead-letters/{one['id']}/redrive")
        assert (answer.status, await answer.json()) == (202, {"redriven": 1})
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p1"], ["emma@example.com"])
        assert len(room.publisher.to("emma")) == 1
        assert (await (await client.get("/v1/dead-letters")).json())["data"] == []
        again = await (await client.get("/v1/dead-letters?redriven=true")).json()
        assert again["data"][0]["redriven_at"] is not None
        gone = await client.post(f"/v1/dead-letters/{one['id']}/redrive")
        assert await problem(gone, 404) == ("not_found", "id")
        none = await client.post("/v1/dead-letters/redrive", json={"message": message})
        assert await none.json() == {"redriven": 0}
        neither = await client.post("/v1/dead-letters/redrive", json={})
        assert (await problem(neither, 422))[0] == "invalid_input"


async def test_a_letter_says_what_the_provider_answered_to_each_attempt(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.mail.failing = Unavailable("452 <emma@example.com> over quota")
        await send(client, room, ["mail"])
        for words in ("452 over quota", "451 greylisted", "421 closing", "451 for emma@example.com: no room"):
            posts.mail.failing = Unavailable(words)
            still_clock.forward(timedelta(hours=1))
            await room.settle()
        (one,) = await letters(client)
        assert (one["attempts"], one["reason"]) == (5, "unavailable: 451 for (address): no room")
        shown = await (await client.get(f"/v1/dead-letters/{one['id']}")).json()
        assert [(each["verdict"], each["said"]) for each in shown["tries"]] == [
            ("unavailable", "452 <(address)> over quota"), ("unavailable", "452 over quota"),
            ("unavailable", "451 greylisted"), ("unavailable", "421 closing"),
            ("failed", "unavailable: 451 for (address): no room"),
        ]  # fmt: skip
        assert {name: shown[name] for name in one} == one
        found = await delivery(client, one["message"])
        assert "emma@" not in str(found["trace"])
        unknown = await client.get("/v1/dead-letters/dead_none")
        assert await problem(unknown, 404) == ("not_found", "id")


async def test_letters_are_found_and_sent_again_by_what_they_have_in_common(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        await client.put("/v1/users/noah", json={"endpoints": {"push": ["p2"], "mail": ["noah@example.com"]}})
        posts.mail.failing = posts.push.failing = ValueError("refused")
        first = await send(client, room, ["push", "mail"])
        await send(client, room, ["push", "mail"], "noah")
        assert len(await letters(client)) == 4
        assert [one["user"] for one in await letters(client, "?channel=mail")] == ["noah", "emma"]
        assert len(await letters(client, "?user=noah")) == 2
        assert {one["message"] for one in await letters(client, "?user=emma&channel=push")} == {first}
        posts.mail.failing = posts.push.failing = None
        (push,) = await letters(client, "?user=noah&channel=push")
        (mail,) = await letters(client, "?user=noah&channel=mail")
        answer = await client.post(
            "/v1/dead-letters/redrive", json={"ids": [push["id"], mail["id"], "dead_no"]}
        )
        assert await answer.json() == {"redriven": 2}
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p2"], ["noah@example.com"])
        answer = await client.post("/v1/dead-letters/redrive", json={"channel": "mail"})
        assert await answer.json() == {"redriven": 1}
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p2"], ["noah@example.com", "emma@example.com"])
        answer = await client.post("/v1/dead-letters/redrive", json={"user": "emma"})
        assert await answer.json() == {"redriven": 1}


async def test_what_fails_again_while_all_are_sent_again_waits_for_the_next_time(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.mail.failing = ValueError("refused")
        await send(client, room, ["mail"])
        (first,) = await letters(client)
        still_clock.forward(timedelta(seconds=1))
        answer = await client.post("/v1/dead-letters/redrive", json={"channel": "mail"})
        assert await answer.json() == {"redriven": 1}
        await room.settle()
        (again,) = await letters(client)
        assert again["id"] != first["id"]
        assert len(await letters(client, "?redriven=true")) == 2


async def test_what_is_given_up_is_gone_and_the_trace_says_so(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        follower = Follower()
        exports = followed(room, still_clock, follower)
        posts.mail.failing = ValueError("refused")
        message = await send(client, room, ["mail"])
        await send(client, room, ["mail"])
        (second, first) = await letters(client)
        assert (await client.delete(f"/v1/dead-letters/{first['id']}")).status == 204
        assert [one["id"] for one in await letters(client)] == [second["id"]]
        gone = await client.delete(f"/v1/dead-letters/{first['id']}")
        assert await problem(gone, 404) == ("not_found", "id")
        again = await client.post(f"/v1/dead-letters/{first['id']}/redrive")
        assert await problem(again, 404) == ("not_found", "id")
        dropped = await client.post("/v1/dead-letters/drop", json={"channel": "mail"})
        assert await dropped.json() == {"dropped": 1}
        assert await letters(client, "?redriven=true") == []
        found = await delivery(client, message)
        assert found["state"] == "failed"
        assert [one["verdict"] for one in found["trace"] if one["step"] == "redrive"] == ["dropped"]
        still_clock.forward(timedelta(seconds=20))
        await exports.turn()
        assert [one.type for one in follower.records].count("delivery.given_up") == 2


@pytest.mark.parametrize("path", ["redrive", "drop"])
async def test_nothing_or_too_much_is_refused(
    database: Database, vault: Vault, still_clock: StillClock, path: str
) -> None:
    async with chained(database, vault, still_clock) as (client, _, _):
        neither = await client.post(f"/v1/dead-letters/{path}", json={})
        assert await problem(neither, 422) == ("invalid_input", "ids")
        many = await client.post(f"/v1/dead-letters/{path}", json={"ids": ["dead_x"] * 501})
        assert (await problem(many, 422))[0] == "invalid_input"
