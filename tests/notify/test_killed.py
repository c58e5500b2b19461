"""kill -9 in the middle of a fan-out: nobody is lost, and nobody gets it twice."""

import asyncio
import json
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from tests.notify.fanout_process import USERS
from tests.waiting import until


async def start(directory: Path, what: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.notify.fanout_process",
        str(directory),
        what,
        stdout=asyncio.subprocess.PIPE,
    )


def count(directory: Path, condition: str) -> int:
    """Count deliveries from outside, as the file has them."""
    connection = sqlite3.connect(f"file:{directory / 'chatpush.db'}?mode=ro", uri=True, timeout=10)
    try:
        return int(connection.execute(f"SELECT COUNT(*) FROM delivery WHERE {condition}").fetchone()[0])
    finally:
        connection.close()


async def kill_when(directory: Path, condition: str, at_least: int) -> None:
    """Run until so many deliveries fulfil the condition, then kill."""
    process = await start(directory, "run")
    assert process.stdout is not None
    await process.stdout.readline()
    await until(lambda: count(directory, condition) >= at_least, seconds=60)
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_nobody_is_lost_and_nobody_gets_it_twice(tmp_path: Path) -> None:
    accepting = await start(tmp_path, "accept")
    assert await accepting.wait() == 0
    await kill_when(tmp_path, "1 = 1", 1)
    assert count(tmp_path, "1 = 1") < USERS  # in the middle of the fan-out
    await kill_when(tmp_path, "settled_at IS NOT NULL", 1200)
    await kill_when(tmp_path, "state = 'sent'", 2400)
    assert count(tmp_path, "pending = 1") > 0  # in the middle of the delivery
    finishing = await start(tmp_path, "run")
    assert await finishing.wait() == 0
    assert count(tmp_path, "state = 'sent'") == USERS == count(tmp_path, "1 = 1")

    lines = [json.loads(line) for line in (tmp_path / "published").read_text().splitlines()]
    personal = [(channel, delivery, key) for channel, delivery, key in lines if channel.startswith("user:")]
    # Publishing may repeat after a kill, under the same key: the log drops it, and so does the page.
    assert len({channel for channel, _, _ in personal}) == USERS
    keys = Counter(channel for channel, _ in {(channel, key) for channel, _, key in personal})
    assert set(keys.values()) == {1}
    connection = sqlite3.connect(tmp_path / "chatpush.db")
    inboxes = connection.execute("SELECT COUNT(*), COUNT(DISTINCT user_id) FROM inbox_item").fetchone()
    usage = connection.execute("SELECT SUM(quantity) FROM usage_event WHERE kind = 'messages'").fetchone()
    integrity = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    assert (inboxes, usage, integrity) == ((USERS, USERS), (USERS,), ("ok",))
