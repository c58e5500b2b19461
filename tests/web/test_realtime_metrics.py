"""What went over the wires shows at ``/metrics``: by transport, by type, by code."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientWebSocketResponse
from websockets.asyncio.client import connect

from chatpush.domain import DEFAULT_TENANT
from chatpush.realtime.traffic import Spread
from tests.serving import Served, serving
from tests.waiting import until

CHANNELS = {
    "namespaces": [
        {"name": "news", "history_size": 2, "allow_subscribe_for_client": True, "join_leave": True},
    ]
}


async def shown(served: Served) -> dict[str, float]:
    """Return the numbers by their line's text."""
    text = await (await served.http.get(served.url + "/metrics")).text()
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("chatpush_"): float(value) for name, value in lines}


async def ask(asked: ClientWebSocketResponse, number: int, **command: Any) -> dict[str, Any]:
    """Send a command and return its reply, past whatever is pushed meanwhile."""
    await asked.send_json({"id": number, **command})
    while True:
        message = await asked.receive()
        for line in message.data.splitlines():
            reply: dict[str, Any] = json.loads(line)
            if reply.get("id") == number:
                return reply


def way(kind: str, transport: str = "websocket", protocol: str = "json") -> str:
    return f'{{protocol="{protocol}",tenant="default",transport="{transport}",type="{kind}"}}'


async def test_messages_and_bytes_are_counted_by_type_and_transport(tmp_path: Path) -> None:
    async with serving(tmp_path, channel=CHANNELS) as served:
        async with served.http.ws_connect(served.wire) as wire:
            await ask(wire, 1, connect={"token": served.token("emma")})
            await ask(wire, 2, subscribe={"channel": "news:a", "join_leave": True})
            assert (await ask(wire, 3, publish={"channel": "news:a", "data": 1}))["error"]["code"] == 103
            async with served.http.post(
                served.url + "/connection/uni_sse", json={"token": served.token("lin")}
            ) as stream:
                await stream.content.readline()
                for number in range(3):
                    await served.chatpush.hub.publish(DEFAULT_TENANT, "news:a", {"n": number})
                heard = 0
                while heard < 3:
                    heard += str((await wire.receive()).data).count('"pub"')
                numbers = await shown(served)
        assert numbers["messages_sent_total" + way("publication")] == 3
        pushed = '{"push":{"channel":"news:a","pub":{"data":{"n":0},"offset":1}}}'
        assert numbers["sent_bytes_total" + way("publication")] == 3 * len(pushed)
        for kind in ("connect", "subscribe", "error"):
            assert numbers["messages_sent_total" + way(kind)] == 1
        assert numbers["commands_total" + way("publish")] == 1
        assert numbers['received_bytes_total{protocol="json",tenant="default",transport="websocket"}'] > 100
        assert numbers["messages_sent_total" + way("connect", "uni_sse")] == 1
        assert numbers['publish_seconds_count{tenant="default"}'] == 3
        assert numbers['publish_seconds_bucket{le="+Inf",tenant="default"}'] == 3
        assert 0 < numbers['publish_seconds_sum{tenant="default"}'] < 30
        assert numbers['channels{namespace="news",tenant="default"}'] == 1


async def test_who_is_here_and_who_is_slow_shows(tmp_path: Path) -> None:
    async with serving(tmp_path, channel=CHANNELS) as served:
        narrow = socket.create_connection(("127.0.0.1", served.chatpush.port))
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        narrow.setblocking(False)
        async with connect(served.wire, sock=narrow, proxy=None, max_queue=1) as reader:
            await reader.send(json.dumps({"id": 1, "connect": {"token": served.token("emma")}}))
            await reader.recv()
            await reader.send('{"id":2,"subscribe":{"channel":"news:a"}}')
            await reader.recv()
            numbers = await shown(served)
            for name, number in (("connections", 1), ("users_online", 1), ("slow_readers", 0)):
                assert numbers[name + '{tenant="default"}'] == number
            for space in ("news", "user"):
                assert numbers[f'subscriptions{{namespace="{space}",tenant="default"}}'] == 1
            for number in range(60):
                await served.chatpush.hub.publish(DEFAULT_TENANT, "user:emma", [number, "x" * 100_000])
            numbers = await shown(served)
            assert numbers['slow_readers{tenant="default"}'] == 1
            assert numbers['fell_behind_total{protocol="json",tenant="default",transport="websocket"}'] >= 1
            while "[59," not in (message := str(await reader.recv()))[:80]:
                if message == "{}":  # a ping; this machine is busy
                    await reader.send("{}")
            assert (await shown(served))['slow_readers{tenant="default"}'] == 0
        await until(lambda: served.chatpush.hub.counts().connections == 0)
        assert (await shown(served))['connections{tenant="default"}'] == 0
        await until(_lag_is_measured(served))


def _lag_is_measured(served: Served) -> Callable[[], Awaitable[bool]]:
    async def measured() -> bool:
        numbers = await shown(served)
        return numbers["loop_lag_seconds_count"] > 0 and numbers['loop_lag_seconds_bucket{le="+Inf"}'] > 0

    return measured


async def test_recoveries_disconnects_and_held_polls_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, channel=CHANNELS) as served:
        publish = served.chatpush.hub.publish
        place = await publish(DEFAULT_TENANT, "news:a", 0)
        for number in range(1, 4):
            await publish(DEFAULT_TENANT, "news:a", number)
        for offset in (place.offset, place.offset + 2):  # the first is beyond what is kept
            async with served.http.ws_connect(served.wire) as wire:
                await ask(wire, 1, connect={"token": served.token("emma")})
                place_asked = {"recover": True, "epoch": place.epoch, "offset": offset}
                await ask(wire, 2, subscribe={"channel": "news:a", **place_asked})
        async with served.http.ws_connect(served.wire) as wire:
            await wire.send_str("nonsense")
            assert (await wire.receive()).data == 3501
        poll = {"token": served.token("lin"), "channels": [{"channel": "news:a"}], "timeout": 30}
        await until(lambda: served.chatpush.hub.counts().connections == 0)
        first = await (await served.http.post(served.url + "/connection/poll", json=poll)).json()
        waiting = served.http.post(
            served.url + "/connection/poll", json={**poll, "cursor": first["cursor"], "grant": first["grant"]}
        )
        held = asyncio.ensure_future(waiting.__aenter__())
        await until(lambda: served.chatpush.hub.polls_by_tenant().total() == 1)
        numbers = await shown(served)
        await publish(DEFAULT_TENANT, "news:a", "the end")
        (await held).close()
        assert numbers['recoveries_total{recovered="yes",tenant="default"}'] == 1
        assert numbers['recoveries_total{recovered="no",tenant="default"}'] == 1
        assert numbers['disconnects_total{code="3501",tenant="default"}'] == 1
        assert numbers['disconnects_total{code="3000",tenant="default"}'] == 2
        assert numbers['poll_holds{tenant="default"}'] == 1
        assert numbers["messages_sent_total" + way("empty", "poll")] == 1
        numbers = await shown(served)
        assert numbers["messages_sent_total" + way("publication", "poll")] == 1
        assert numbers["sent_bytes_total" + way("publication", "poll")] > len("the end")


def test_an_observation_on_a_bound_counts_below_it() -> None:
    spread = Spread((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.5):
        spread.observe(value)
    assert (spread.counts, spread.total) == ([2, 1, 1], 5.5)
