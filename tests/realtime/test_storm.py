"""Everybody comes back at once: what the tail in memory holds is not read from the file again."""

import asyncio
from pathlib import Path

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT
from tests.realtime.node import realtime_node

CLIENTS = 300
MISSED = 10


async def test_a_reconnect_storm_reads_nothing_from_the_file(tmp_path: Path) -> None:
    async with realtime_node(tmp_path, SystemClock()) as node:
        places = [await node.hub.publish(DEFAULT_TENANT, "news:a", number) for number in range(MISSED + 1)]
        before = node.log.file_reads
        clients = [await node.client() for _ in range(CLIENTS)]
        recover = {"recover": True, "offset": 1, "epoch": places[0].epoch}
        replies = await asyncio.gather(*(client.subscribe("news:a", **recover) for client in clients))
        assert node.log.file_reads == before
        for reply in replies:
            assert reply["recovered"]
            assert [one["data"] for one in reply["publications"]] == list(range(1, MISSED + 1))


async def test_after_a_restart_the_file_is_read_once_for_all_who_ask_the_same(tmp_path: Path) -> None:
    async with realtime_node(tmp_path, SystemClock()) as node:
        place = await node.hub.publish(DEFAULT_TENANT, "news:a", 0)
        await node.hub.publish(DEFAULT_TENANT, "news:a", 1)
    async with realtime_node(tmp_path, SystemClock()) as node:
        clients = [await node.client() for _ in range(CLIENTS)]
        recover = {"recover": True, "offset": place.offset, "epoch": place.epoch}
        replies = await asyncio.gather(*(client.subscribe("news:a", **recover) for client in clients))
        assert all([one["data"] for one in reply["publications"]] == [1] for reply in replies)
        assert 0 < node.log.file_reads < 10


async def test_a_lost_cursor_is_told_to_everybody(tmp_path: Path) -> None:
    async with realtime_node(tmp_path, SystemClock()) as node:
        for number in range(100):
            await node.hub.publish(DEFAULT_TENANT, "short:a", number)
    async with realtime_node(tmp_path, SystemClock()) as node:
        clients = [await node.client("emma") for _ in range(20)]
        replies = await asyncio.gather(
            *(client.subscribe("short:a", recover=True, offset=1, epoch="") for client in clients)
        )
        assert not any(reply.get("recovered") for reply in replies)
