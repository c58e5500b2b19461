"""A run whose process is killed again and again reaches everybody, each once."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from chatpush.domain import DEFAULT_TENANT
from tests.schedule.building import spec
from tests.schedule.killed_run import open_office

USERS = 300
ROOT = Path(__file__).parents[2]


async def process_until(path: Path, words: list[str]) -> bool:
    """Run a process until it has said these words in order, kill it, and return whether it was done before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.schedule.killed_run", str(path), *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    waiting = list(words)
    async for line in process.stdout:
        if line.strip() == b"done":
            await process.wait()
            return True
        if waiting and line.strip().decode() == waiting[0]:
            waiting.pop(0)
        if words and not waiting:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            return False
    pytest.fail(f"the process ended with {await process.wait()}")


@pytest.mark.parametrize("one_hour", [True, False], ids=["at once", "at their hour"])
async def test_kill_9_in_the_middle_of_a_run(tmp_path: Path, one_hour: bool) -> None:
    path = tmp_path / "chatpush.db"
    database, office = await open_office(path)
    await office.template("hello")
    await office.people(*(f"user-{n:04}" for n in range(USERS)), attributes={"name": "you"})
    campaign = await office.campaigns.create(DEFAULT_TENANT, spec(send_hour=None if one_hour else "best"))
    run = await office.runs.run_now(DEFAULT_TENANT, campaign.id)
    await office.stop()
    await database.stop()

    for words in (["before"], ["before", "after", "before"], ["after", "after"]):
        assert not await process_until(path, words)
    assert await process_until(path, [])

    database, office = await open_office(path)
    done = await office.runs.get(DEFAULT_TENANT, run.id)
    counted = await database.read("SELECT user_id, COUNT(*) AS n FROM delivery GROUP BY user_id")
    shown = await database.read("SELECT user_id, COUNT(*) AS n FROM inbox_item GROUP BY user_id")
    await office.stop()
    await database.stop()
    assert (done.state, done.users, done.accepted) == ("finished", USERS, USERS)
    assert {row["user_id"]: row["n"] for row in counted} == {f"user-{n:04}": 1 for n in range(USERS)}
    assert all(row["n"] == 1 for row in shown)
    assert not one_hour or len(shown) == USERS
