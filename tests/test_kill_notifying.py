"""``kill -9`` of the real server: what is snoozed comes back, and what happened is told, once each."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from chatpush.cli.init import create
from chatpush.configuration import load
from chatpush.domain import iso
from tests.channels.peers import Receiver, receiving
from tests.journeys.premises import free_port
from tests.test_kill import Server, until_killed
from tests.waiting import until

SNOOZED = 12


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A fresh installation, started, whose webhooks may lead to this machine."""
    async with ClientSession() as http:
        keys = await create(tmp_path / "kept", "ada@example.com")
        config = tmp_path / "kept" / "chatpush.toml"
        with config.open("a", encoding="utf-8") as file:
            file.write("\n[channels]\nallow_private = true\n")
        secret = load(config, {}).client.token.hmac_secret_key
        server = Server(config, f"http://127.0.0.1:{free_port()}", keys.secret, secret, http)
        await server.start()
        yield server
        await server.kill()


async def items(server: Server, state: str) -> list[dict[str, Any]]:
    page = await server.ask("GET", "/v1/me/inbox", user="emma", state=state, limit="100")
    found: list[dict[str, Any]] = page["data"]
    return found


async def returned(server: Server) -> Counter[str]:
    """Count the wake-ups that emma's pages were told, by delivery."""
    whole = {"channel": "user:emma", "limit": 1000}
    told = (await server.ask("POST", "/api/history", whole))["result"]["publications"]
    return Counter(one["data"]["returned"] for one in told if one["data"].get("returned"))


async def test_what_is_snoozed_comes_back_and_is_told_once(server: Server) -> None:
    for number in range(SNOOZED):
        body = {"to": [{"user": "emma"}], "content": {"title": f"Later {number}"}}
        await server.ask("POST", "/v1/messages", body)

    async def all_there() -> bool:
        return len(await items(server, "active")) == SNOOZED

    await until(all_there)
    deliveries = [one["delivery"] for one in await items(server, "active")]
    now = datetime.now(UTC)
    for number, delivery in enumerate(deliveries):
        until_when = {"until": iso(now + timedelta(seconds=2 + number * 0.2))}
        await server.ask("POST", f"/v1/me/inbox/{delivery}/snooze", until_when, user="emma")
    assert len(await items(server, "snoozed")) == SNOOZED

    async def some_woke() -> bool:
        return sum((await returned(server)).values()) >= 2

    await until(some_woke)
    await server.restart()  # in the middle of the wake-ups
    await server.restart()

    async def all_woke() -> bool:
        return len(await returned(server)) == SNOOZED

    await until(all_woke)
    assert set(await returned(server)) == set(deliveries)
    assert set((await returned(server)).values()) == {1}
    assert len(await items(server, "active")) == SNOOZED
    assert await items(server, "snoozed") == []


async def test_what_was_acknowledged_is_told_to_webhooks_once(server: Server) -> None:
    async with receiving() as receiver:
        wanted = ["message.accepted", "delivery.sent"]
        await server.ask("POST", "/v1/webhooks", {"url": receiver.url, "types": wanted})

        async def send(number: int) -> str:
            body = {"to": [{"user": f"user-{number}"}], "content": {"title": f"Hello {number}"}}
            return str((await server.ask("POST", "/v1/messages", body))["id"])

        messages = set((await until_killed(server, send, 60)).values())
        await server.start()

        def complete() -> bool:
            heard = told(receiver)
            return all(messages <= set(heard[kind]) for kind in wanted)

        await until(complete, seconds=60)
        # A kill may come between a call and its record, so a receiver hears it again under its id.
        for ids in told(receiver).values():
            assert all(len(known) == 1 for known in ids.values())


def told(receiver: Receiver) -> dict[str, dict[str, set[str]]]:
    """Return type → message → the ids under which it was told."""
    heard: dict[str, dict[str, set[str]]] = {"message.accepted": {}, "delivery.sent": {}}
    for one in receiver.heard:
        event = json.loads(one.body)
        ids = heard[event["type"]].setdefault(event["data"]["message"], set())
        ids.add(one.headers["webhook-id"])
    return heard
