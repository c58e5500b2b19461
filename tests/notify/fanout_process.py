"""A process that fans a message out and delivers it, to be killed in the middle.

    python -m tests.notify.fanout_process DIRECTORY accept|run

It says ``ready`` when it begins, and writes one line per publication to ``published``.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT, Content
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.store.database import SqliteDatabase
from chatpush.store.migrate import migrate
from chatpush.store.vault import Vault
from tests.conftest import MASTER_KEY
from tests.notify.building import build_room
from tests.waiting import until

USERS = 5000


class FilePublisher:
    """Appends every publication to a file, as one write each."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def publish(self, tenant: str, channel: str, data: Any, **options: Any) -> None:
        line = json.dumps([channel, data.get("delivery"), options.get("idempotency_key", "")])
        os.write(self._file, line.encode() + b"\n")


async def complete(database: SqliteDatabase) -> bool:
    """Return whether nothing is left to do."""
    fanning = await database.read("SELECT 1 FROM message WHERE fanned_at IS NULL")
    return not fanning and not await database.read("SELECT 1 FROM delivery WHERE pending = 1 LIMIT 1")


async def main(directory: Path, what: str) -> None:
    """Accept the message, or go on with it until it is complete."""
    database = SqliteDatabase(directory / "chatpush.db", migrate, synchronous="NORMAL")
    await database.start()
    vault = Vault(database, MASTER_KEY)
    await vault.ready(DEFAULT_TENANT)
    publisher = FilePublisher(directory / "published")
    room = build_room(database, vault, SystemClock(), publisher=publisher, read_from_users=USERS)
    if what == "accept":
        await room.topics.add(DEFAULT_TENANT, "all", [f"user{number:05}" for number in range(USERS)])
        draft = MessageDraft(to=(Recipient(topic="all"),), content=Content("Sale", "Everything must go"))
        print(await room.messages.accept(DEFAULT_TENANT, draft), flush=True)
    else:
        await room.outbox.start()
        await room.fanout.start()
        print("ready", flush=True)
        await until(lambda: complete(database), seconds=60)
        await room.fanout.stop()
        await room.outbox.stop()
    await database.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
