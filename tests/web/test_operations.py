"""Declared operations: doors, bodies, problems, idempotency, CORS, OpenAPI."""

import asyncio
from datetime import timedelta
from typing import Any

from aiohttp import ClientResponse
from pydantic import BaseModel, Field

from chatpush.clock import SystemClock
from chatpush.domain import Role
from chatpush.errors import NotFound, TooMany
from chatpush.fullness import full
from chatpush.settings import Settings
from chatpush.store.database import Database, Row
from chatpush.web.http.doors import Door
from chatpush.web.http.idempotency import Replies
from chatpush.web.http.operations import Body, Call, Operations, PageQuery
from tests.clocks import StillClock
from tests.waiting import until
from tests.web.harness import NOBODY, person, serve, user

routes = Operations("things")


class Counter:
    """A service that counts."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()


class ThingIn(Body):
    name: str = Field(min_length=1)


@routes.post("/v1/things", door=Door(scope="things:write", role=Role.EDITOR), status=202, idempotent=True)
async def make_thing(call: Call, body: ThingIn) -> dict[str, object]:
    """Make a thing."""
    counter = call.need(Counter)
    counter.count += 1
    if body.name == "late":
        raise TooMany("slow down", retry_after_seconds=7)
    if body.name == "bug":
        raise RuntimeError("secret inside")
    if body.name == "slow":
        await counter.gate.wait()
    return {"name": body.name, "count": counter.count}


class Page(BaseModel):
    """A page of limits."""

    data: list[int]
    has_more: bool


@routes.get("/v1/things", door=Door(scope="things:read"))
async def list_things(call: Call, query: PageQuery) -> Page:
    """List things."""
    return Page(data=[query.limit], has_more=False)


@routes.get("/v1/things/{id}", door=Door(anyone=True))
async def get_thing(call: Call) -> dict[str, str]:
    """Get a thing."""
    if call.path["id"] == "bug":
        raise RuntimeError("secret inside")
    raise NotFound(f"no thing {call.path['id']}")


@routes.get("/v1/me/things", door=Door(user=True))
async def my_things(call: Call) -> dict[str, str]:
    """Say whose things."""
    return {"user": call.identity.user}


async def test_a_good_call_and_the_ways_a_bad_one_is_told() -> None:
    async with serve(routes, {Counter: Counter()}) as client:
        assert (await client.post("/v1/things", json={"name": "a"})).status == 202
        for body, param in ({"name": ""}, "name"), ({"nam": "a"}, "name"), ({"name": 1}, "name"):
            answer = await client.post("/v1/things", json=body)
            told = await answer.json()
            assert answer.status == 422
            assert answer.content_type == "application/problem+json"
            assert param in {item["param"] for item in told["errors"]}
            assert told["request_id"] == answer.headers["X-Request-Id"]
        assert (await client.post("/v1/things", data=b"{")).status == 422
        assert (await client.post("/v1/things", data=b"[" * 100_000)).status == 422
        assert (await client.get("/v1/things?limit=1000")).status == 422
        assert (await (await client.get("/v1/things/x")).json())["code"] == "not_found"
        assert (await client.get("/nowhere")).status == 404
        assert (await client.put("/v1/things")).status == 405
        late = await client.post("/v1/things", json={"name": "late"})
        assert (late.status, late.headers["Retry-After"]) == (429, "7")


async def test_a_surprise_tells_nothing_of_the_inside() -> None:
    async with serve(routes, {Counter: Counter()}) as client:
        answer = await client.get("/v1/things/bug")
        assert answer.status == 500
        assert "secret inside" not in await answer.text()


async def test_a_large_body_is_refused() -> None:
    settings = Settings.model_validate({"server": {"max_body_bytes": 2000}})
    async with serve(routes, {Counter: Counter()}, settings=settings) as client:
        answer = await client.post("/v1/things", json={"name": "a" * 3000})
        assert answer.status == 413


async def test_doors_open_for_whom_they_name() -> None:
    async with serve(routes, {Counter: Counter()}, NOBODY) as client:
        assert (await client.post("/v1/things", json={"name": "a"})).status == 401
    async with serve(routes, {Counter: Counter()}, user("emma")) as client:
        assert (await client.post("/v1/things", json={"name": "a"})).status == 403
        assert (await (await client.get("/v1/me/things")).json()) == {"user": "emma"}
    async with serve(routes, {Counter: Counter()}, person(Role.AGENT)) as client:
        assert (await client.post("/v1/things", json={"name": "a"})).status == 403
    async with serve(routes, {Counter: Counter()}, person(Role.ADMIN)) as client:
        assert (await client.post("/v1/things", json={"name": "a"})).status == 202


async def test_a_keyed_post_happens_once(database: Database) -> None:
    counter = Counter()
    services = {Counter: counter, Replies: Replies(database, SystemClock())}
    async with serve(routes, services) as client:
        keyed = {"Idempotency-Key": "k1"}
        first = await client.post("/v1/things", json={"name": "a"}, headers=keyed)
        again = await client.post("/v1/things", json={"name": "a"}, headers=keyed)
        assert await first.text() == await again.text()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert counter.count == 1
        other = await client.post("/v1/things", json={"name": "b"}, headers=keyed)
        assert (other.status, (await other.json())["code"]) == (422, "idempotency_key_reused")
        invalid = await client.post("/v1/things", json={"name": ""}, headers={"Idempotency-Key": "k2"})
        mended = await client.post("/v1/things", json={"name": "c"}, headers={"Idempotency-Key": "k2"})
        assert (invalid.status, mended.status) == (422, 202)
        long = await client.post("/v1/things", json={"name": "a"}, headers={"Idempotency-Key": "k" * 256})
        assert (long.status, (await long.json())["code"]) == (400, "idempotency_key_too_long")


async def test_a_failure_of_ours_is_not_tried_again_under_the_same_key(database: Database) -> None:
    counter = Counter()
    async with serve(routes, {Counter: counter, Replies: Replies(database, SystemClock())}) as client:
        keyed = {"Idempotency-Key": "k1"}
        first, again = [
            await client.post("/v1/things", json={"name": "bug"}, headers=keyed) for _ in range(2)
        ]
        assert (first.status, again.status, counter.count) == (500, 500, 1)
        assert await first.text() == await again.text()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.content_type == "application/problem+json"
        for _ in range(2):
            late = await client.post("/v1/things", json={"name": "late"}, headers={"Idempotency-Key": "k2"})
            assert (late.status, "Idempotent-Replayed" in late.headers) == (429, False)


async def test_who_asks_again_too_soon_is_told_to_wait_and_a_lost_request_frees_its_key(
    database: Database, still_clock: StillClock
) -> None:
    counter = Counter()
    async with serve(routes, {Counter: counter, Replies: Replies(database, still_clock)}) as client:

        async def ask() -> ClientResponse:
            return await client.post("/v1/things", json={"name": "slow"}, headers={"Idempotency-Key": "k1"})

        first = asyncio.create_task(ask())
        await until(lambda: counter.count == 1)
        early = await ask()
        assert (early.status, early.headers["Retry-After"]) == (409, "1")
        assert (await early.json())["code"] == "in_progress"
        still_clock.forward(timedelta(minutes=5, seconds=1))
        second = asyncio.create_task(ask())
        await until(lambda: counter.count == 2)
        counter.gate.set()
        assert [(await one).status for one in (first, second)] == [202, 202]
        still_clock.forward(timedelta(hours=23))
        assert (await ask()).headers["Idempotent-Replayed"] == "true"
        still_clock.forward(timedelta(hours=2))
        assert "Idempotent-Replayed" not in (await ask()).headers
        assert counter.count == 3


async def test_what_was_done_is_not_done_again_though_its_key_was_long_without_an_answer(
    database: Database, still_clock: StillClock
) -> None:
    counter, disk = Counter(), Full(database)
    replies = Replies(disk, still_clock)  # type: ignore[arg-type]
    async with serve(routes, {Counter: counter, Replies: replies}) as client:

        async def ask() -> ClientResponse:
            return await client.post("/v1/things", json={"name": "a"}, headers={"Idempotency-Key": "k1"})

        disk.left = 1  # to take the key, not to keep the answer
        first = await ask()
        disk.left = 1000
        still_clock.forward(timedelta(minutes=6))
        again = await ask()
        assert (again.headers["Idempotent-Replayed"], counter.count) == ("true", 1)
        assert await first.text() == await again.text()
        still_clock.forward(timedelta(hours=25))
        assert "Idempotent-Replayed" not in (await ask()).headers
        await replies.sweep()
        assert (await ask()).headers["Idempotent-Replayed"] == "true"
        assert counter.count == 2


async def test_only_allowed_origins_may_read() -> None:
    settings = Settings.model_validate({"client": {"allowed_origins": ["https://shop.example"]}})
    async with serve(routes, {Counter: Counter()}, user("emma"), settings) as client:
        ask = {"Access-Control-Request-Method": "GET"}
        good = await client.options("/v1/me/things", headers={"Origin": "https://shop.example", **ask})
        assert (good.status, good.headers["Access-Control-Allow-Origin"]) == (204, "https://shop.example")
        assert good.headers["X-Request-Id"].startswith("req_")
        bad = await client.options("/v1/me/things", headers={"Origin": "https://evil.example", **ask})
        assert "Access-Control-Allow-Origin" not in bad.headers
        server_side = await client.get("/v1/things", headers={"Origin": "https://shop.example"})
        assert "Access-Control-Allow-Origin" not in server_side.headers


async def test_openapi_describes_what_was_declared() -> None:
    async with serve(routes, {Counter: Counter()}) as client:
        document = await (await client.get("/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        post = document["paths"]["/v1/things"]["post"]
        assert post["summary"] == "Make a thing."
        assert post["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ThingIn")
        assert {"key": ["things:write"]} in post["security"]


class Full:
    """A database that takes so many writes more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.left = 1000

    async def read(self, sql: str, **params: Any) -> list[Row]:
        return await self._database.read(sql, **params)

    async def write(self, job: Any) -> Any:
        if self.left == 0:
            raise full("the disk")
        self.left -= 1
        return await self._database.write(job)


async def test_what_was_done_is_answered_once_though_its_answer_has_no_room(database: Database) -> None:
    counter, disk = Counter(), Full(database)
    replies = Replies(disk, SystemClock())  # type: ignore[arg-type]
    async with serve(routes, {Counter: counter, Replies: replies}) as client:

        async def ask(key: str, name: str) -> ClientResponse:
            return await client.post("/v1/things", json={"name": name}, headers={"Idempotency-Key": key})

        disk.left = 1  # to take the key, not to keep the answer
        first = await ask("k1", "a")
        disk.left = 1
        again = await ask("k1", "a")
        assert (first.status, again.status, counter.count) == (202, 202, 1)
        assert await first.text() == await again.text()
        disk.left = 1
        assert (await (await ask("k1", "b")).json())["code"] == "idempotency_key_reused"
        disk.left = 1  # to take the key, not to let it go
        refused = await ask("k2", "late")
        assert refused.status == 429
        shut = await ask("k2", "a")
        assert (shut.status, (await shut.json())["code"]) == (503, "storage_full")
        disk.left = 1000
        assert (await ask("k2", "a")).status == 202
        assert await replies.sweep() == 0
    fresh = Replies(database, SystemClock())
    async with serve(routes, {Counter: counter, Replies: fresh}) as client:
        kept = await client.post("/v1/things", json={"name": "a"}, headers={"Idempotency-Key": "k1"})
        assert (kept.headers["Idempotent-Replayed"], counter.count) == ("true", 3)  # k1, and k2 twice
