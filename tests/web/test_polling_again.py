"""Polls that come again on their connection: known by their bytes, and still refused when they should be."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT, UserId
from chatpush.realtime.polls.polling import Polling
from tests.clocks import StillClock
from tests.realtime.node import SECRET, RealtimeNode, realtime_node
from tests.waiting import until
from tests.web.test_front import Line, listening

pytestmark = pytest.mark.usefixtures("no_errors")
TENANT = DEFAULT_TENANT
EMMA = UserId("emma")


class Regular:
    """A client that sends the same request again and again, with the cursor of the last answer."""

    def __init__(self, line: Line, ask: dict[str, Any], **headers: str) -> None:
        self.line, self.ask, self.headers = line, ask, headers
        self.status = 0

    async def begin(self) -> None:
        _, reply = await self.line.ask("/connection/poll", self.ask, **self.headers)
        self.ask |= {"grant": reply["grant"], "cursor": reply["cursor"]}
        self.ask.pop("token", None)

    def send(self) -> None:
        self.line.send("/connection/poll", self.ask, **self.headers)

    async def hear(self) -> dict[str, Any]:
        self.status, reply = await self.line.answer()
        self.ask["cursor"] = reply.get("cursor", self.ask["cursor"])
        return dict(reply)


class Counted:
    """Counts how often polls were known by their bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        original = Polling.again

        def again(polling: Polling, poll: Any) -> bool:
            known = original(polling, poll)
            self.times += known
            return known

        monkeypatch.setattr(Polling, "again", again)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock()) as node:
        yield node


@pytest.fixture
async def line(node: RealtimeNode) -> AsyncIterator[Line]:
    async with listening(node) as port:
        line = Line(*await asyncio.open_connection("127.0.0.1", port))
        yield line
        line.writer.close()


async def regular(node: RealtimeNode, line: Line, token: str = "", **headers: str) -> Regular:
    token = token or await node.token("emma")
    client = Regular(line, {"token": token, "channels": [{"channel": "news:a"}]}, **headers)
    await client.begin()
    return client


async def held(node: RealtimeNode) -> None:
    await until(lambda: node.hub.counts().connections == 1)


async def test_the_same_request_is_known_by_its_bytes(node: RealtimeNode, line: Line, known: Counted) -> None:
    client = await regular(node, line)
    for number in range(5):
        client.send()
        await held(node)
        await node.hub.publish(TENANT, "news:a", number)
        reply = await client.hear()
        assert [(one["offset"], one["data"]) for one in reply["publications"]] == [(number + 1, number)]
        assert reply["grant"] == client.ask["grant"]
    assert known.times == 4


async def test_polls_with_a_key_are_known_as_well(node: RealtimeNode, line: Line, known: Counted) -> None:
    client = await regular(node, line, X_Chatpush_Key="pk_good")
    for number in range(3):
        client.send()
        await held(node)
        await node.hub.publish(TENANT, "news:a", number)
        assert [one["data"] for one in (await client.hear())["publications"]] == [number]
        assert "aiohttp" not in line.head
    assert known.times == 2


async def test_an_unknown_key_is_for_aiohttp(node: RealtimeNode, line: Line, known: Counted) -> None:
    client = await regular(node, line, X_Chatpush_Key="pk_wrong")
    client.send()
    await held(node)
    await node.hub.publish(TENANT, "news:a", 1)
    await client.hear()
    assert ("aiohttp" in line.head, known.times) == (True, 0)


async def test_what_was_missed_between_two_polls_comes(
    node: RealtimeNode, line: Line, known: Counted
) -> None:
    client = await regular(node, line)
    client.send()
    await held(node)
    await node.hub.publish(TENANT, "news:a", 0)
    await client.hear()
    for number in range(1, 4):
        await node.hub.publish(TENANT, "news:a", number)
    client.send()
    assert [one["data"] for one in (await client.hear())["publications"]] == [1, 2, 3]
    assert known.times == 1


async def test_a_lost_reply_is_repeated_on_the_same_connection(
    node: RealtimeNode, line: Line, known: Counted
) -> None:
    client = await regular(node, line)
    client.send()
    await held(node)
    await node.hub.publish(TENANT, "news:a", 0)
    before = client.ask["cursor"]
    first = await client.hear()
    client.ask["cursor"] = before
    client.send()
    assert (await client.hear())["publications"] == first["publications"]
    assert known.times == 0


async def test_many_with_a_channel_each_are_all_answered(node: RealtimeNode) -> None:
    async with listening(node) as port:
        lines = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(600)]
        for number, line in enumerate(lines):
            grant = await node.hub.polling.admission.authorise(TENANT, await node.token(f"u{number}"), "", [])
            text = node.hub.polling.grants.sign(grant)
            _, reply = await line.ask("/connection/poll", {"grant": text})
            line.send("/connection/poll", {"grant": text, "cursor": reply["cursor"]})
        await until(lambda: node.hub.counts().connections == 600)
        for number in range(600):
            await node.hub.publish(TENANT, f"user:u{number}", number)
        for number, line in enumerate(lines):
            assert [one["data"] for one in (await line.answer())[1]["publications"]] == [number]
            line.writer.close()


async def test_a_long_answer_is_compressed(node: RealtimeNode, line: Line) -> None:
    client = await regular(node, line, Accept_Encoding="gzip, br")
    client.send()
    await held(node)
    await node.hub.publish(TENANT, "news:a", "é" * 2000)
    head = (await line.reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert "content-encoding: gzip" in head
    length = int(head.split("content-length: ")[1].split("\r")[0])
    body = gzip.decompress(await line.reader.readexactly(length))
    assert len(body) > length
    reply = json.loads(body)
    assert ([one["data"] for one in reply["publications"]], reply["grant"]) == (
        ["é" * 2000],
        client.ask["grant"],
    )


@pytest.mark.parametrize("by", ["block", "token", "older tokens", "key"])
@pytest.mark.parametrize("while_it_waits", [True, False])
async def test_what_is_taken_back_holds_for_known_polls(
    node: RealtimeNode, line: Line, known: Counted, by: str, while_it_waits: bool
) -> None:
    client = await regular(node, line, await _token_with_id(node), X_Chatpush_Key="pk_good")
    client.send()
    await held(node)
    if not while_it_waits:
        await node.hub.publish(TENANT, "news:a", "before")
        await client.hear()
    blocks = node.hub.blocks
    if by == "block":
        await blocks.block_user(TENANT, EMMA)
    elif by == "token":
        await blocks.revoke_token(TENANT, "t1")
    elif by == "key":
        blocks.revoke_key("pk_good")
    else:
        await blocks.invalidate_user_tokens(TENANT, EMMA, node.clock.now() + timedelta(seconds=5))
    if while_it_waits:
        assert (await client.hear())["publications"] == []
    client.send()
    assert (await client.hear())["code"] == "unauthenticated"
    assert (client.status, known.times) == (401, 0)


async def test_other_peoples_blocks_only_cost_another_check(
    node: RealtimeNode, line: Line, known: Counted
) -> None:
    client = await regular(node, line)
    client.send()
    await held(node)
    await node.hub.blocks.block_user(TENANT, UserId("lin"))
    await node.hub.publish(TENANT, "news:a", 0)
    assert [one["data"] for one in (await client.hear())["publications"]] == [0]
    client.send()
    await held(node)
    await node.hub.publish(TENANT, "news:a", 1)
    assert [one["data"] for one in (await client.hear())["publications"]] == [1]
    assert known.times == 1


@pytest.mark.parametrize("while_it_waits", [True, False])
async def test_a_grant_that_ran_out_is_not_known_any_more(
    tmp_path: Path, still_clock: StillClock, while_it_waits: bool, known: Counted
) -> None:
    async with realtime_node(tmp_path, still_clock) as node, listening(node) as port:
        line = Line(*await asyncio.open_connection("127.0.0.1", port))
        client = await regular(node, line, await node.token("emma", ttl=timedelta(seconds=60)))
        client.send()
        await held(node)
        if not while_it_waits:
            await node.hub.publish(TENANT, "news:a", "before")
            await client.hear()
        still_clock.forward(timedelta(seconds=61))
        if while_it_waits:
            await node.hub.publish(TENANT, "news:a", "too late")
            assert (await client.hear())["publications"] == []
        client.send()
        assert ((await client.hear())["code"], known.times) == ("grant_expired", 0)
        line.writer.close()


async def test_a_newer_poll_elsewhere_ends_a_known_one(node: RealtimeNode, known: Counted) -> None:
    async with listening(node) as port:
        lines = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
        first = await regular(node, lines[0])
        second = Regular(lines[1], first.ask.copy())
        first.send()
        await held(node)
        second.send()
        assert (await first.hear())["publications"] == []
        first.send()  # and takes over again, looked at closely
        assert (await second.hear())["publications"] == []
        await held(node)
        await node.hub.publish(TENANT, "news:a", 1)
        assert [one["data"] for one in (await first.hear())["publications"]] == [1]
        assert known.times == 0
        for line in lines:
            line.writer.close()


async def test_who_does_not_come_again_is_let_go(
    node: RealtimeNode, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatpush.realtime.polls.stands.REST_SECONDS", 0.01)
    monkeypatch.setattr("chatpush.realtime.registry.POLL_GRACE_SECONDS", -1.0)
    client = await regular(node, line)
    client.send()
    await held(node)
    await node.hub.publish(TENANT, "news:a", 1)
    await client.hear()
    assert node.hub.counts().connections == 0
    await until(lambda: not node.hub.is_online(TENANT, EMMA))


async def test_a_filtered_poll_is_known_and_sleeps_through_what_it_does_not_want(
    node: RealtimeNode, line: Line, known: Counted
) -> None:
    wanted = {"channel": "tagged:a", "tf": {"key": "n", "cmp": "gte", "val": "2"}}
    client = Regular(line, {"token": await node.token("emma"), "channels": [wanted]})
    await client.begin()
    for first in (0, 3):
        client.send()
        await held(node)
        for number in range(first, first + 3):
            await node.hub.publish(TENANT, "tagged:a", number, tags={"n": str(number % 3)})
        reply = await client.hear()
        assert [one["data"] for one in reply["publications"]] == [first + 2]
        assert "aiohttp" not in line.head
    assert known.times == 1


async def _token_with_id(node: RealtimeNode) -> str:
    claims = {"sub": "emma", "jti": "t1", "iat": int(node.clock.now().timestamp())}
    return jwt.encode(claims, SECRET, algorithm="HS256")
