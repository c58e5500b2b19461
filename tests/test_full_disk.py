"""A full disk: nothing is acknowledged that is not stored, nothing is lost, and it goes on when there is room.

``PRAGMA max_page_count`` makes SQLite answer SQLITE_FULL as a full file system does.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import StorageFull
from chatpush.log import writer
from chatpush.log.contract import Cursor, Draft
from chatpush.store import probe
from tests.serving import Served, serving
from tests.waiting import until

ROOMY = 1_000_000
LONG = "x" * 5_000
NAMESPACES = {"namespaces": [{"name": "orders", "history_size": 1000, "history_ttl_seconds": 3600}]}


async def no_more(served: Served) -> None:
    """Let the database have no page more than it has."""

    def limit(tx: Any) -> None:
        (row,) = tx.query("PRAGMA page_count")
        tx.query(f"PRAGMA max_page_count = {row['page_count']}")

    await served.chatpush.database.write(limit)


async def more(served: Served) -> None:
    """Give it room again."""
    await served.chatpush.database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {ROOMY}"))


async def send(served: Served, number: int) -> Any:
    """Try to send a message under a key of its own."""
    body = {"to": [{"user": "emma"}], "content": {"title": f"{number}", "body": LONG}}
    return await served.ask("POST", "/v1/messages", body, headers={"Idempotency-Key": f"k{number}"})


async def ready(served: Served) -> tuple[int, Any]:
    """Ask whether it wants traffic."""
    answer = await served.http.get(served.url + "/readyz")
    return answer.status, await answer.json()


async def test_messages_are_refused_while_the_disk_is_full_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "EVERY_SECONDS", 0.0)
    async with serving(tmp_path) as served:
        assert await ready(served) == (200, {"status": "ok"})
        taken, refused, number = [], 0, 0
        await no_more(served)
        while refused < 5:
            answer = await send(served, number)
            told = await answer.json()
            if answer.status == 202:
                taken.append(told["id"])
            else:
                assert (answer.status, told["code"]) == (503, "storage_full"), told
                assert "free space" in told["detail"]
                assert "send this again" in told["detail"]
                assert answer.headers["Retry-After"] == "30"
                assert str(tmp_path) not in told["detail"]
                refused += 1
            number += 1
        status, said = await ready(served)
        assert (status, said["status"]) == (503, "storage")
        assert "free space" in said["detail"]
        assert (await served.http.get(served.url + "/healthz")).status == 200
        await more(served)
        assert (await ready(served))[0] == 200
        again = await send(served, number - 1)
        assert again.status == 202, await again.text()
        taken.append((await again.json())["id"])
    async with serving(tmp_path) as served:
        kept = await served.chatpush.database.read("SELECT id FROM message ORDER BY id")
        assert [row["id"] for row in kept] == taken

        async def arrived() -> bool:
            inbox = await served.told("GET", f"/v1/me/inbox?limit={len(taken)}", user="emma")
            return len(inbox["data"]) == len(taken)

        await until(arrived)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """The connections that write logs."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remembered(path: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(path, **options, check_same_thread=False))
        return connections[-1]

    monkeypatch.setattr(writer, "sqlite3", _Sqlite(remembered))
    return connections


async def test_publications_are_refused_while_the_log_is_full_and_leave_no_hole(
    tmp_path: Path, opened: list[sqlite3.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "EVERY_SECONDS", 0.0)
    async with serving(tmp_path, channel=NAMESPACES) as served:
        (log,) = opened

        async def publish(number: int) -> Any:
            body = {"channel": "orders:1", "data": {"n": number, "x": LONG}}
            return await (await served.ask("POST", "/api/publish", body)).json()

        assert (await publish(0))["result"]["offset"] == 1
        assert await ready(served) == (200, {"status": "ok"})
        log.execute(f"PRAGMA max_page_count = {log.execute('PRAGMA page_count').fetchone()[0]}")
        refused: list[Any] = []
        number, offsets = 1, [1]
        while len(refused) < 3:
            answer = await publish(number)
            if "result" in answer:
                offsets.append(answer["result"]["offset"])
            else:
                refused.append(answer["error"])
            number += 1
        assert {one["code"] for one in refused} == {100}
        assert "free space" in refused[0]["message"]
        status, said = await ready(served)
        assert (status, said["status"]) == (503, "storage")
        assert "free space" in said["detail"]
        log.execute(f"PRAGMA max_page_count = {ROOMY}")
        assert (await ready(served))[0] == 200
        offsets.append((await publish(number))["result"]["offset"])
        assert offsets == list(range(1, len(offsets) + 1))
        history = await served.chatpush.hub.history(DEFAULT_TENANT, "orders:1", limit=1000)
        assert [one.offset for one in history.publications] == offsets


async def test_asking_whether_there_is_room_costs_nobody_the_little_there_is(
    tmp_path: Path, opened: list[sqlite3.Connection]
) -> None:
    async with serving(tmp_path, channel=NAMESPACES) as served:
        (connection,) = opened
        log, draft = served.chatpush.log, Draft(b'{"n":1}')
        await log.append(DEFAULT_TENANT, "orders:1", draft)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        done = await asyncio.gather(
            log.append(DEFAULT_TENANT, "orders:1", draft), log.probe(),
            log.append(DEFAULT_TENANT, "orders:1", draft), return_exceptions=True,
        )  # fmt: skip
        assert [type(one) for one in done] == [Cursor, StorageFull, Cursor], done


class _Sqlite:
    """The module, with a door of its own."""

    def __init__(self, connect: Callable[..., sqlite3.Connection]) -> None:
        self.connect = connect
