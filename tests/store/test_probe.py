"""Whether the database takes writes: asked often it writes seldom, and it tells the truth on both."""

import asyncio
from typing import Any

import pytest

from chatpush.errors import StorageFull, Unavailable
from chatpush.fullness import full
from chatpush.store import probe
from chatpush.store.database import Database
from chatpush.store.probe import WriteProbe


async def test_it_writes_and_leaves_nothing(any_database: Database) -> None:
    killed = {"tenant": "", "id": "probe_1", "noise": b"left by a node that was killed"}
    await any_database.write(lambda tx: tx.insert("write_probe", killed))
    nodes = [WriteProbe(any_database), WriteProbe(any_database)]
    await asyncio.gather(*(asked.check() for asked in nodes for _ in range(50)))
    assert await any_database.read("SELECT * FROM write_probe") == []


class Counting:
    """A database that counts writes, and refuses, or never answers, as told."""

    def __init__(self) -> None:
        self.writes = 0
        self.problem: Exception | None = None
        self.hangs = asyncio.Event()
        self.hangs.set()

    async def write(self, job: Any) -> None:
        self.writes += 1
        await self.hangs.wait()
        if self.problem is not None:
            raise self.problem


async def test_many_ask_and_one_write_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    asked = WriteProbe(counting)  # type: ignore[arg-type]
    for _ in range(3):
        await asyncio.gather(*(asked.check() for _ in range(20)))
    assert counting.writes == 2
    counting.problem = full("the disk")
    monkeypatch.setattr(probe, "EVERY_SECONDS", 0.0)
    with pytest.raises(StorageFull, match="free space"):
        await asked.check()
    counting.problem = None
    await asked.check()


async def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_SECONDS", 0.01)
    counting = Counting()
    counting.hangs.clear()
    asked = WriteProbe(counting)  # type: ignore[arg-type]
    for _ in range(3):
        with pytest.raises(Unavailable, match="has not written"):
            await asked.check()
    assert counting.writes == 1
    counting.hangs.set()
    await asked.stop()
    await asked.check()
