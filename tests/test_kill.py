"""``kill -9`` of the real server: what it had acknowledged is there, nobody gets it twice, nobody is left out.

The server is a process of its own and everything is said over HTTP, as an app's
backend says it. Kills fall into the middle of the work, and again into what
follows the restart.
"""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web

from chatpush.app import Chatpush
from chatpush.cli.init import create
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT
from examples.shop.push import customer_token
from tests.journeys.premises import free_port
from tests.waiting import until

AT_ONCE = 8
USERS = 100_000
KILLS = 3
MORE_SETTINGS = """
[[channel.namespaces]]
name = "news"
history_size = 5000
history_ttl_seconds = 3600

[plugins]
enabled = ["order_lookup"]

[plugins.settings.order_lookup]
url = "{orders}"
token = "known to both"
"""


@dataclass
class Server:
    """``chatpush serve`` as a process, to be killed."""

    config: Path
    url: str
    key: str
    token_secret: str
    http: ClientSession
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        port = self.url.rpartition(":")[2]
        foreign = ("OPENAI_", "CHATPUSH_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        with (self.config.parent / "serve.log").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "chatpush", "--config", str(self.config), "serve", "--port", port,
                stdout=output, stderr=output,
                env=own,
            )  # fmt: skip
        await until(self._ready, seconds=60)

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, (self.config.parent / "serve.log").read_text()[-2000:]
        try:
            async with self.http.get(f"{self.url}/readyz") as answer:
                return answer.ok
        except ClientError:
            return False

    async def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def restart(self) -> None:
        """Kill it and start it again."""
        await self.kill()
        await self.start()

    async def ask(
        self, method: str, path: str, body: Any = None, *, user: str = "", key: str = "", **query: str
    ) -> Any:
        """Return what the server says to the backend, or to a user; what is not a success raises."""
        bearer = customer_token(user, user, self.token_secret) if user else self.key
        headers = {"Authorization": f"Bearer {bearer}"} | ({"Idempotency-Key": key} if key else {})
        if path.startswith("/api/"):
            headers = {"X-API-Key": self.key}
        async with self.http.request(
            method, self.url + path, json=body, headers=headers, params=query
        ) as answer:
            assert answer.ok, f"{answer.status}: {await answer.text()}"
            return await answer.json() if answer.status != 204 else None


@asynccontextmanager
async def orders_of(book: dict[str, list[dict[str, Any]]]) -> AsyncIterator[str]:
    """Serve a shop's order book and yield its address."""

    async def orders(request: web.Request) -> web.Response:
        assert request.headers["X-Shop-Token"] == "known to both"
        return web.json_response({"orders": book.get(request.query["user"], [])})

    app = web.Application()
    app.router.add_get("/orders", orders)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/orders"
    await runner.cleanup()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A fresh installation, started."""
    book = {"emma": [{"id": "HL-1", "status": "shipped", "carrier": "Royal Mail"}]}
    async with orders_of(book) as orders, ClientSession() as http:
        keys = await create(tmp_path / "kept", "ada@example.com")
        config = tmp_path / "kept" / "chatpush.toml"
        with config.open("a", encoding="utf-8") as file:
            file.write(MORE_SETTINGS.format(orders=orders))
        secret = load(config, {}).client.token.hmac_secret_key
        server = Server(config, f"http://127.0.0.1:{free_port()}", keys.secret, secret, http)
        await server.start()
        yield server
        await server.kill()


async def until_killed(
    server: Server, work: Callable[[int], Awaitable[Any]], acknowledged: int
) -> dict[int, Any]:
    """Do numbered work, several at once, kill the server in the middle, and return what it acknowledged."""
    answers: dict[int, Any] = {}
    numbers = iter(range(10 * acknowledged))
    enough = asyncio.Event()

    async def go_on() -> None:
        for number in numbers:
            try:
                answers[number] = await work(number)
            except (ClientError, ConnectionError):
                return
            if len(answers) >= acknowledged:
                enough.set()

    workers = [asyncio.create_task(go_on()) for _ in range(AT_ONCE)]
    await enough.wait()
    await server.kill()
    await asyncio.gather(*workers)
    assert acknowledged <= len(answers) < 10 * acknowledged  # the kill fell into the middle
    return answers


async def test_an_acknowledged_publication_keeps_its_place(server: Server) -> None:
    async def publish(number: int) -> dict[str, Any]:
        body = {"channel": "news:today", "data": {"n": number}, "idempotency_key": f"n-{number}"}
        said: dict[str, Any] = (await server.ask("POST", "/api/publish", body))["result"]
        return said

    positions = await until_killed(server, publish, 100)
    await server.start()
    whole = {"channel": "news:today", "limit": 5000}
    kept = (await server.ask("POST", "/api/history", whole))["result"]
    at = {one["data"]["n"]: one["offset"] for one in kept["publications"]}
    assert {number: at.get(number) for number in positions} == {
        number: position["offset"] for number, position in positions.items()
    }
    assert {position["epoch"] for position in positions.values()} == {kept["epoch"]}

    again = [await publish(number) for number in sorted(at)]  # whose reply may have been lost
    assert [one["offset"] for one in again] == [at[number] for number in sorted(at)]
    after = (await server.ask("POST", "/api/history", whole))["result"]
    assert [one["offset"] for one in after["publications"]] == list(range(1, len(at) + 1))
    assert (await publish(-1))["offset"] == len(at) + 1


async def test_an_acknowledged_message_arrives_once(server: Server) -> None:
    async def send(number: int) -> str:
        body = {"to": [{"user": f"user-{number}"}], "content": {"title": f"Hello {number}"}}
        return str((await server.ask("POST", "/v1/messages", body, key=f"hello-{number}"))["id"])

    messages = await until_killed(server, send, 60)
    await server.start()
    for number, message in messages.items():
        assert await send(number) == message

    async def titles(user: str) -> list[str]:
        return [item["title"] for item in (await server.ask("GET", "/v1/me/inbox", user=user))["data"]]

    for number in messages:
        await until(lambda number=number: titles(f"user-{number}"))  # type: ignore[misc]
    await server.restart()
    for number in messages:
        assert await titles(f"user-{number}") == [f"Hello {number}"]


async def test_a_promise_is_kept_once(server: Server) -> None:
    conversation = (await server.ask("POST", "/v1/me/conversations", {}, user="emma"))["id"]
    place = f"/v1/me/conversations/{conversation}"

    async def turns() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await server.ask("GET", place, user="emma"))["turns"]
        return found

    async def say(text: str, expected: Callable[[dict[str, Any]], Any]) -> None:
        await server.ask("POST", f"{place}/turns", {"text": text, "client_id": text}, user="emma")

        async def answered() -> bool:
            last = (await turns())[-1]
            return bool(last["by"] == "assistant" and not last["streaming"] and expected(last))

        await until(answered)

    await say("where is my order?", lambda turn: turn["actions"] and "HL-1" in turn["text"])
    await say("yes", lambda turn: turn["promise"])
    await server.restart()
    assert len((await server.ask("GET", "/v1/me/promises", user="emma"))["data"]) == 1

    delivered = {"id": "e-1", "user": "emma", "type": "order.delivered", "properties": {"order": "HL-1"}}
    foreign = {**delivered, "id": "e-2", "user": "noah"}
    await server.ask("POST", "/v1/events", {"events": [foreign, delivered]})
    await server.kill()  # the event is acknowledged; whether it has been acted upon, nobody knows
    await server.start()

    async def kept() -> list[str]:
        return [turn["text"] for turn in await turns() if "has been delivered" in turn["text"]]

    assert await until(kept) == ["Good news: your order HL-1 has been delivered."]
    await server.ask("POST", "/v1/events", delivered)
    await server.restart()
    assert len(await kept()) == 1
    assert (await turns())[-1]["text"] == "Good news: your order HL-1 has been delivered."


async def introduce(server: Server, users: list[str]) -> None:
    """Make users of a topic beside the server, as an import does."""
    async with Chatpush(load(server.config, {})).records() as chatpush:
        for start in range(0, len(users), 10_000):
            await chatpush.topics.add(DEFAULT_TENANT, "all", users[start : start + 10_000])


def counted(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what a database file says, read from outside."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


async def test_a_campaign_to_a_hundred_thousand_loses_nobody_and_reaches_nobody_twice(server: Server) -> None:
    await server.kill()
    users = [f"user-{number:06}" for number in range(USERS)]
    await introduce(server, users)
    await server.start()
    campaign = await server.ask(
        "POST",
        "/v1/campaigns",
        {
            "name": "News",
            "trigger": {"kind": "date", "at": "2099-01-01T09:00"},
            "to": [{"topic": "all"}],
            "content": {"title": "News", "body": "for everybody"},
            "category": "alert",
            "quiet_hours": "ignore",
        },
    )
    place = f"/v1/campaigns/{campaign['id']}"
    run = f"{place}/runs/{(await server.ask('POST', f'{place}/run', {}))['id']}"
    seed = random.randrange(10**6)
    marks = sorted(random.Random(seed).randrange(USERS * 9 // 10) for _ in range(KILLS))
    for mark in marks:

        async def reached(mark: int = mark) -> bool:
            return bool((await server.ask("GET", run))["users"] >= mark)

        await until(reached, seconds=60)
        await server.restart()

    async def finished() -> bool:
        return bool((await server.ask("GET", run))["state"] == "finished")

    await until(finished, seconds=90)
    assert (await server.ask("GET", run))["users"] == USERS

    settings = load(server.config, {})
    records, log = settings.path("chatpush.db"), settings.path("log.db")

    def settled() -> bool:
        return not counted(records, "SELECT 1 FROM delivery WHERE pending = 1 LIMIT 1")

    await until(settled, seconds=60)
    told = f"seed {seed}"
    assert counted(records, "SELECT state, COUNT(*) FROM delivery GROUP BY state") == [("sent", USERS)], told
    for table in ("delivery", "inbox_item"):
        once = counted(records, f"SELECT COUNT(*), COUNT(DISTINCT user_id) FROM {table}")
        assert once == [(USERS, USERS)], told
    # The offset of a channel's last publication is how often its user was told.
    tops = counted(log, "SELECT top, COUNT(*) FROM channel WHERE channel LIKE 'user:%' GROUP BY top")
    assert tops == [(1, USERS)], told
    for user in (users[0], users[USERS // 2], users[-1]):
        inbox = await server.ask("GET", "/v1/me/inbox", user=user)
        assert [item["title"] for item in inbox["data"]] == ["News"]
