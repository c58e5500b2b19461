"""Old turns are indexed in the background: bounded, resumable, and never what was taken back."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from chatpush.domain import DEFAULT_TENANT, UserId
from chatpush.store.database import Database, SqliteDatabase, Transaction
from chatpush.store.migrate import DIRECTORY, migrate
from chatpush.store.vault import Vault
from chatpush.support.conversations.erasure import erasing
from chatpush.support.people import search_backfill
from chatpush.support.people.search_backfill import SearchBackfill
from tests.clocks import StillClock
from tests.conftest import MASTER_KEY
from tests.support.house import ADA, BOB, House, build

WORDS = [f"{kind}{number}" for kind in ("lantern", "bunting") for number in range(6)]


@asynccontextmanager
async def opened(
    path: Path, clock: StillClock, migrations: Path = DIRECTORY
) -> AsyncIterator[tuple[House, Database]]:
    """Open a database of this age and build the room on it."""
    database = SqliteDatabase(path, partial(migrate, directory=migrations), synchronous="NORMAL")
    await database.start()
    try:
        house = await build(database, Vault(database, MASTER_KEY), clock)
        yield house, database
        await house.close()
    finally:
        await database.stop()


@pytest.fixture
async def old(tmp_path: Path, still_clock: StillClock) -> Path:
    """A database in which two users talked before there was an index."""
    before = tmp_path / "before"
    shutil.copytree(DIRECTORY, before, ignore=shutil.ignore_patterns("0091_*"))
    path = tmp_path / "old.db"
    async with opened(path, still_clock, before) as (house, database):
        for number, word in enumerate(WORDS):
            await house.conversations.ask(
                await house.conversation((ADA, BOB)[number % 2]), f"My {word} is broken", "en"
            )
        await database.write(lambda tx: tx.execute("DELETE FROM conversation_word"))
    return path


async def found(house: House, word: str) -> list[UserId]:
    """Return whose conversations hold a word."""
    return [one.conversation.user for one in await house.people.staff.search.find(DEFAULT_TENANT, word)]


async def finish(backfill: SearchBackfill) -> int:
    """Go on to the end; return in how many turns."""
    turns = 1
    while await backfill.turn() is not None:
        turns += 1
    return turns


@pytest.mark.usefixtures("small_pages")
async def test_old_turns_are_found_after_an_upgrade(old: Path, still_clock: StillClock) -> None:
    async with opened(old, still_clock) as (house, _database):
        backfill = house.people.staff.backfill
        assert await found(house, "lantern0") == []
        progress = await backfill.progress(DEFAULT_TENANT)
        assert progress is not None
        assert (progress.share, progress.total) == (0.0, len(WORDS) + 2)  # with two greetings
        await backfill.turn()
        progress = await backfill.progress(DEFAULT_TENANT)
        assert progress is not None
        assert progress.indexed == 3
        # Said while it runs: found at once, and never counted.
        await house.conversations.ask(await house.conversation(UserId("eve")), "My garland fell", "en")
        assert await found(house, "garland") == ["eve"]
        await finish(backfill)
        for number, word in enumerate(WORDS):
            assert await found(house, word) == [(ADA, BOB)[number % 2]]
        assert await backfill.progress(DEFAULT_TENANT) is None
        assert await backfill.turn() is None


@pytest.mark.usefixtures("small_pages")
async def test_a_kill_after_any_page_loses_and_repeats_nothing(old: Path, still_clock: StillClock) -> None:
    told: list[int] = []
    for _ in range(20):
        async with opened(old, still_clock) as (house, _database):  # nothing is kept but the database
            before = await house.people.staff.backfill.progress(DEFAULT_TENANT)
            if before is None:
                break
            told.append(before.indexed)
            await house.people.staff.backfill.turn()
    assert told == [0, 3, 6, 9, 12, 14]
    async with opened(old, still_clock) as (house, _database):
        assert [await found(house, word) for word in WORDS] == [
            [(ADA, BOB)[n % 2]] for n in range(len(WORDS))
        ]


@pytest.mark.usefixtures("small_pages")
async def test_a_failure_between_words_and_place_keeps_neither(
    old: Path, still_clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(old, still_clock) as (house, database):
        search, backfill = house.people.staff.search, house.people.staff.backfill
        plain: Callable[..., None] = search.index
        calls = 0

        def fail(tx: Transaction, *rest: object) -> None:
            nonlocal calls
            calls += 1
            plain(tx, *rest)
            if calls == 2:
                raise OSError("the power went")

        monkeypatch.setattr(search, "index", fail)
        with pytest.raises(OSError, match="power"):
            await backfill.turn()
        assert await database.read("SELECT word FROM conversation_word") == []
        progress = await backfill.progress(DEFAULT_TENANT)
        assert progress is not None
        assert progress.indexed == 0
        await finish(backfill)
        assert await found(house, "bunting5") == [BOB]


@pytest.mark.usefixtures("small_pages")
async def test_who_is_erased_meanwhile_stays_out_and_two_nodes_share_the_work(
    old: Path, still_clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(old, still_clock) as (house, database):
        backfill = house.people.staff.backfill
        other = SearchBackfill(
            database, Vault(database, MASTER_KEY), house.conversations, house.people.staff.search
        )
        write = database.write

        async def forget(tenant: object, channel: str) -> None:
            """No channel here."""

        async def between(job: Callable[[Transaction], object]) -> object:
            """Let another node do this page, and Ada go, between reading and writing."""
            monkeypatch.setattr(database, "write", write)
            await other.turn()
            await erasing(database, forget)(DEFAULT_TENANT, ADA)
            return await write(job)

        monkeypatch.setattr(database, "write", between)
        await backfill.turn()
        progress = await backfill.progress(DEFAULT_TENANT)
        assert progress is not None
        assert progress.indexed == 3  # one page, done once
        await finish(backfill)
        assert await found(house, "lantern1") == [BOB]
        conversations = await database.read("SELECT DISTINCT conversation FROM conversation_word")
        bobs = await house.conversations.of_user(DEFAULT_TENANT, BOB)
        assert [row["conversation"] for row in conversations] == [bobs[0].id]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three turns a page."""
    monkeypatch.setattr(search_backfill, "TURNS_PER_PAGE", 3)
