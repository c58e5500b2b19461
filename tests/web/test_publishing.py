"""Publishing by the hundred: one reply for each, nothing twice, everything in order, on every kind of channel."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT
from tests.realtime.node import API_KEY, RealtimeNode, realtime_node
from tests.web.test_front import Line, listening


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock()) as node:
        yield node


@pytest.fixture(params=["in front", "by aiohttp"])
async def line(node: RealtimeNode, request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    async with listening(node) as port:
        line = Line(*await asyncio.open_connection("127.0.0.1", port))
        if request.param == "by aiohttp":
            await line.ask("/api/info", {}, X_API_Key=API_KEY)
        yield line
        assert ("aiohttp" in line.head) == (request.param == "by aiohttp")
        line.writer.close()


async def stored(node: RealtimeNode, channel: str) -> list[tuple[int, bytes]]:
    found = await node.log.history(DEFAULT_TENANT, channel, 1000)
    return [(one.offset, one.data) for one in found.publications]


async def batch(line: Line, commands: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    status, reply = await line.ask("/api/batch", {"commands": commands, **more}, X_API_Key=API_KEY)
    assert status == 200
    return list(reply["replies"])


@pytest.mark.parametrize("channel", ["news:a", "private:a"])
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_batch_keeps_its_order(node: RealtimeNode, line: Line, channel: str, parallel: bool) -> None:
    for begin in (0, 50):
        commands = [{"publish": {"channel": channel, "data": number}} for number in range(begin, begin + 50)]
        replies = await batch(line, commands, parallel=parallel)
        assert [reply["publish"]["offset"] for reply in replies] == list(range(begin + 1, begin + 51))
    kept = await stored(node, channel)
    assert kept == [(number + 1, b"%d" % number) for number in range(100)][-len(kept) :]
    assert len(kept) >= 10


async def test_what_is_wrong_in_a_batch_hurts_nothing_else(node: RealtimeNode, line: Line) -> None:
    replies = await batch(
        line,
        [
            {"publish": {"channel": "news:a", "data": "é"}},
            {"publish": {"channel": "nowhere:a", "data": 1}},
            {"publish": {"channel": "news:a"}},
            {"publish": {"channel": "news:a", "b64data": "!"}},
            {"publish": {"channel": "news:a", "data": 2, "idempotency_key": "k"}},
            {"publish": {"channel": "news:a", "data": 3, "idempotency_key": "k"}},
            {"publish": {"channel": "room:a", "data": 4, "skip_history": True}},
        ],
    )
    assert [reply.get("error", {}).get("code", 0) for reply in replies] == [0, 102, 107, 107, 0, 0, 0]
    assert [replies[at]["publish"].get("offset") for at in (0, 4, 5, 6)] == [1, 2, 2, None]
    assert await stored(node, "news:a") == [(1, b'"\\u00e9"'), (2, b"2")]


async def test_a_mixed_batch_is_answered_as_well(line: Line, request: pytest.FixtureRequest) -> None:
    commands = [{"publish": {"channel": "news:a", "data": 1}}, {"history": {"channel": "news:a", "limit": 1}}]
    if "in front" in request.node.name:  # only aiohttp answers it
        assert len(await batch(line, commands[:1])) == 1
        return
    replies = await batch(line, commands)
    assert replies[1]["history"]["publications"][0]["data"] == 1


@pytest.mark.parametrize("data", ['"\\ud800"', "1 2", "nan", "{'a':1}", '"\\x01"'])
async def test_what_is_no_json_is_never_published(node: RealtimeNode, data: str) -> None:
    body = f'{{"channel":"news:a","data":{data}}}'
    async with listening(node) as port:
        for path, sent in (("publish", body), ("batch", f'{{"commands":[{{"publish":{body}}}]}}')):
            line = Line(*await asyncio.open_connection("127.0.0.1", port))
            line.writer.write(
                f"POST /api/{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n"
                f"Content-Length: {len(sent)}\r\n\r\n{sent}".encode()
            )
            _, reply = await line.answer()
            assert "error" in reply.get("replies", [reply])[0], reply
            line.writer.close()
    assert await stored(node, "news:a") == []
