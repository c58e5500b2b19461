"""A process that carries runs on until it is killed: ``python -m tests.schedule.killed_run FILE [WORD …]``.

It says ``before`` and ``after`` each page is accepted, and ``done`` when no run is left. Having said the words
given, in this order, it stands still, so that it is killed there however late that is.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT, MessageId, TenantId
from chatpush.notify.messages.drafts import MessageDraft
from chatpush.store.database import SqliteDatabase
from chatpush.store.migrate import migrate
from chatpush.store.vault import Vault
from tests.conftest import MASTER_KEY
from tests.schedule.building import Office, build_office
from tests.waiting import until

PAGE = 20


async def open_office(path: Path) -> tuple[SqliteDatabase, Office]:
    """Open the office on a file."""
    database = SqliteDatabase(path, migrate, synchronous="NORMAL")
    await database.start()
    vault = Vault(database, MASTER_KEY)
    await vault.ready(DEFAULT_TENANT)
    return database, build_office(database, vault, SystemClock(), DEFAULT_TENANT, page_size=PAGE)


async def carry_on(path: Path, until_said: list[str]) -> None:
    """Carry every run on, telling each step; stand still once these words are said."""
    database, office = await open_office(path)
    accept = office.room.messages.accept
    waiting = list(until_said)

    def say(word: str) -> None:
        print(word, flush=True)
        if waiting and waiting[0] == word:
            waiting.pop(0)
            while not waiting:
                signal.pause()

    async def telling(
        tenant: TenantId, draft: MessageDraft, idempotency_key: str = "", **more: Any
    ) -> MessageId:
        say("before")
        message = await accept(tenant, draft, idempotency_key, **more)
        say("after")
        return message

    office.room.messages.accept = telling  # type: ignore[method-assign, assignment]
    await office.runs.start()

    async def finished() -> bool:
        return not await database.read("SELECT 1 FROM run WHERE state = 'running'")

    await until(finished)
    await office.runs.stop()
    await office.room.settle()
    await office.stop()
    await database.stop()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(carry_on(Path(sys.argv[1]), sys.argv[2:]))
