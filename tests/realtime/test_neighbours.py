"""Several nodes behind one balancer: a stream's commands find it, a poll's grant holds everywhere."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from hypothesis import given
from hypothesis import strategies as st

from chatpush.clock import SystemClock
from chatpush.realtime.neighbours import Neighbours
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.servers import free_port

KEY = b"a key of the test, thirty-two b."


class Two:
    """Two nodes with an address each, and one that has none."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self.urls: list[str] = []
        self.nodes: list[RealtimeNode] = []

    async def start(self, *, known: bool) -> None:
        """Add a node."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        place = self._directory / str(port)
        place.mkdir()
        node = realtime_node(place, SystemClock(), node_url=url if known else "")
        self.nodes.append(await self._stack.enter_async_context(node))
        await self._stack.enter_async_context(serving(self.nodes[-1], port))
        self.urls.append(url)


async def line(response: ClientResponse) -> Any:
    return json.loads(await response.content.readline())


async def test_a_command_finds_its_stream_on_the_other_node(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, ClientSession() as http:
        two = Two(tmp_path, stack)
        await two.start(known=True)
        await two.start(known=True)
        first = {"id": 1, "connect": {"token": await two.nodes[0].token("emma")}}
        stream = await stack.enter_async_context(
            http.post(f"{two.urls[0]}/connection/http_stream", json=first)
        )
        connected = (await line(stream))["connect"]
        where = {"session": connected["session"], "node": connected["node"]}
        command = {**where, "data": '{"id":2,"subscribe":{"channel":"news:a"}}'}
        async with http.post(f"{two.urls[1]}/emulation", json=command) as answer:
            assert answer.status == 204
        assert (await line(stream))["subscribe"]["recoverable"]
        # A name whose address is changed is nobody's, and nobody is called.
        node, place, seal = where["node"].split(".")
        for forged in (
            f"{node}.{place}x.{seal}",
            f"{node}x.{place}.{seal}",
            f"{node}.{place}.",
            f"{node}.é.é",
        ):
            async with http.post(f"{two.urls[1]}/emulation", json={**command, "node": forged}) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_a_node_that_is_gone_or_has_no_address(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, ClientSession() as http:
        two = Two(tmp_path, stack)
        await two.start(known=True)
        await two.start(known=False)
        neighbours = two.nodes[0].hub.emulation._neighbours
        # Its own address under another id: what comes back to it, marked, it does not send on again.
        again, gone = (
            neighbours.name(f"node_{number}", url)
            for number, url in enumerate((two.urls[0], f"http://127.0.0.1:{free_port()}"))
        )
        answers = {again: (404, "not_found"), gone: (503, "unavailable")}
        answers[two.nodes[1].hub.emulation.node] = (404, "not_found")
        for name, expected in answers.items():
            asked = {"node": name, "session": "any", "data": "{}"}
            async with http.post(f"{two.urls[0]}/emulation", json=asked) as answer:
                assert (answer.status, (await answer.json())["code"]) == expected


async def test_a_grant_of_one_node_holds_on_the_other(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, ClientSession() as http:
        two = Two(tmp_path, stack)
        await two.start(known=False)
        await two.start(known=False)
        ask = {"token": await two.nodes[0].token("emma"), "timeout": 0}
        async with http.post(f"{two.urls[0]}/connection/poll", json=ask) as answer:
            grant = (await answer.json())["grant"]
        async with http.post(f"{two.urls[1]}/connection/poll", json={"grant": grant, "timeout": 0}) as answer:
            assert answer.status == 200


@given(st.text(max_size=80), st.sampled_from(["http://10.0.0.5:8000", "https://节点.example/", ""]))
def test_only_names_of_ours_have_an_address(text: str, address: str) -> None:
    ours, others = Neighbours(KEY), Neighbours(KEY[::-1])
    assert ours.address(ours.name("node_1", address)) == address.rstrip("/")
    assert others.address(ours.name("node_1", address)) == ""
    assert ours.address(text) == ""


@pytest.mark.parametrize("name", ["node_1", "node_1..", "..", "node_1.aHR0cDovL2V2aWw"])
def test_a_name_without_a_seal_has_none(name: str) -> None:
    assert Neighbours(KEY).address(name) == ""
