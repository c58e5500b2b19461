"""Whatever keeps the records keeps these promises: one contract, both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chatpush.account.audit import Audit
from chatpush.account.metering import Meter
from chatpush.account.plans import Kind
from chatpush.domain import DEFAULT_TENANT, Role, TenantId, new_id
from chatpush.errors import InvalidInput, Unavailable
from chatpush.store.database import Database, Transaction
from chatpush.store.postgres import PostgresDatabase, dialect
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.conftest import MASTER_KEY

TABLE = "contract"


@pytest.fixture
async def table(any_database: Database) -> Database:
    """A database with a small table of every column type."""

    def create(tx: Transaction) -> None:
        schema = (
            f"CREATE TABLE {TABLE} (name TEXT PRIMARY KEY, number BIGINT, ratio DOUBLE PRECISION, note TEXT)"
        )
        tx.execute(dialect(schema) if isinstance(any_database, PostgresDatabase) else schema)

    await any_database.write(create)
    return any_database


def row(name: str, number: Any = 0, ratio: float = 0.5, note: str | None = None) -> dict[str, Any]:
    return {"name": name, "number": number, "ratio": ratio, "note": note}


async def names(database: Database) -> list[str]:
    return [found["name"] for found in await database.read(f"SELECT name FROM {TABLE} ORDER BY name")]


async def test_an_acknowledged_write_is_read(table: Database) -> None:
    assert await table.write(lambda tx: tx.insert(TABLE, row("a", 2**62, 0.1, "退款 % :note '::"))) == 1
    assert await table.read(f"SELECT * FROM {TABLE}") == [row("a", 2**62, 0.1, "退款 % :note '::")]


async def test_a_job_returns_what_it_found(table: Database) -> None:
    def job(tx: Transaction) -> list[dict[str, Any]]:
        assert tx.insert_many(TABLE, [row("a", 1), row("b", 2), row("c", 3)]) == 3
        assert tx.insert_many(TABLE, []) == 0
        assert (
            tx.execute(f"UPDATE {TABLE} SET number = number + :more WHERE number >= :least", more=10, least=2)
            == 2
        )
        assert tx.execute(f"DELETE FROM {TABLE} WHERE name = :name", name="nobody") == 0
        return tx.query(f"DELETE FROM {TABLE} WHERE name <> :name RETURNING name, number", name="a")

    returned = await table.write(job)
    assert sorted((found["name"], found["number"]) for found in returned) == [("b", 12), ("c", 13)]
    assert await names(table) == ["a"]


async def test_a_failing_job_leaves_nothing_and_harms_nobody(table: Database) -> None:
    def bad(tx: Transaction) -> None:
        tx.insert(TABLE, row("bad"))
        raise ValueError("no")

    outcomes = await asyncio.gather(
        table.write(lambda tx: tx.insert(TABLE, row("a"))),
        table.write(bad),
        table.write(lambda tx: tx.execute("SELECT nonsense")),
        table.write(lambda tx: tx.insert(TABLE, row("b"))),
        return_exceptions=True,
    )
    assert (outcomes[0], outcomes[3]) == (1, 1)
    assert isinstance(outcomes[1], ValueError)
    assert isinstance(outcomes[2], Exception)
    assert await names(table) == ["a", "b"]


async def test_conflicts_are_ignored_or_merged_as_asked(table: Database) -> None:
    def job(tx: Transaction) -> tuple[int, int, int]:
        tx.insert(TABLE, row("a", 1))
        ignored = tx.insert(TABLE, row("a", 2), "(name) DO NOTHING")
        merged = tx.insert(
            TABLE, row("a", 5), f"(name) DO UPDATE SET number = {TABLE}.number + excluded.number"
        )
        several = tx.insert_many(TABLE, [row("a", 7), row("b", 7)], "(name) DO NOTHING")
        return ignored, merged, several

    assert await table.write(job) == (0, 1, 1)
    assert [found["number"] for found in await table.read(f"SELECT number FROM {TABLE} ORDER BY name")] == [
        6,
        7,
    ]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
async def test_a_number_that_does_not_fit_is_the_callers_mistake(table: Database, number: int) -> None:
    with pytest.raises(InvalidInput):
        await table.write(lambda tx: tx.insert(TABLE, row("large", number)))
    with pytest.raises(InvalidInput):
        await table.write(lambda tx: tx.insert_many(TABLE, [row("b"), row("large", number)]))
    await table.write(lambda tx: tx.insert(TABLE, row("a", 2**63 - 1)))
    assert await names(table) == ["a"]


async def test_half_a_character_is_the_callers_mistake(table: Database) -> None:
    with pytest.raises(InvalidInput, match="half a character"):
        await table.write(lambda tx: tx.insert(TABLE, row("broken", note="\ud800")))
    with pytest.raises(InvalidInput, match="half a character"):
        await table.read(f"SELECT * FROM {TABLE} WHERE name = :name", name="\ud800")
    assert await table.read(f"SELECT * FROM {TABLE}") == []


async def test_breaking_a_key_is_an_error(table: Database) -> None:
    await table.write(lambda tx: tx.insert(TABLE, row("a")))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await table.write(lambda tx: tx.insert(TABLE, row("a")))


async def test_read_then_write_is_never_lost_among_many(table: Database) -> None:
    await table.write(lambda tx: tx.insert(TABLE, row("a", 0)))

    def increment(tx: Transaction) -> int:
        number = tx.query(f"SELECT number FROM {TABLE} WHERE name = 'a'")[0]["number"]
        tx.execute(f"UPDATE {TABLE} SET number = :number WHERE name = 'a'", number=number + 1)
        return int(number)

    found = await asyncio.gather(*(table.write(increment) for _ in range(60)))
    assert sorted(found) == list(range(60))


async def test_two_writes_that_each_see_room_do_not_both_take_it(table: Database) -> None:
    """Write skew: each job looks at other rows than the one it writes."""

    def take(name: str) -> Callable[[Transaction], bool]:
        def job(tx: Transaction) -> bool:
            if tx.query(f"SELECT COUNT(*) AS taken FROM {TABLE}")[0]["taken"]:
                return False
            tx.insert(TABLE, row(name))
            return True

        return job

    took = await asyncio.gather(*(table.write(take(f"n{number}")) for number in range(20)))
    assert took.count(True) == 1
    assert len(await names(table)) == 1


async def test_claims_never_overlap(table: Database) -> None:
    await table.write(lambda tx: tx.insert_many(TABLE, [row(f"{number:03}") for number in range(100)]))

    def claim(tx: Transaction) -> list[str]:
        found = tx.query(
            f"SELECT name FROM {TABLE} WHERE number = 0 ORDER BY name LIMIT :limit {tx.lock}", limit=10
        )
        for claimed in found:
            tx.execute(f"UPDATE {TABLE} SET number = 1 WHERE name = :name", name=claimed["name"])
        return [claimed["name"] for claimed in found]

    claimed: list[str] = []
    while batches := [
        batch for batch in await asyncio.gather(*(table.write(claim) for _ in range(4))) if batch
    ]:
        claimed += [name for batch in batches for name in batch]
    assert sorted(claimed) == [f"{number:03}" for number in range(100)]


async def test_text_sorts_by_code_point(table: Database) -> None:
    texts = ["b", "B", "a", "A_", "A1", "a-1", "é", "退款", "Z", "_", ""]
    await table.write(lambda tx: tx.insert_many(TABLE, [row(text) for text in texts]))
    assert await names(table) == sorted(texts)
    above = await table.read(f"SELECT name FROM {TABLE} WHERE name > :name ORDER BY name", name="Z")
    assert [found["name"] for found in above] == sorted(text for text in texts if text > "Z")


async def test_numbers_and_truth_come_back_alike(table: Database) -> None:
    await table.write(lambda tx: tx.insert_many(TABLE, [row("a", True), row("b", 3), row("c", None)]))
    found = (
        await table.read(
            f"SELECT SUM(number) AS total, AVG(number) AS mean, COUNT(*) AS n, MAX(number) > 2 AS big,"
            f" SUM(ratio) AS ratio FROM {TABLE}"
        )
    )[0]
    assert found == {"total": 4, "mean": 2, "n": 3, "big": 1, "ratio": 1.5}
    assert type(found["total"]) is int
    assert type(found["big"]) is int
    assert await table.read(f"SELECT SUM(number) AS total FROM {TABLE} WHERE name = 'z'") == [{"total": None}]


async def test_one_parameter_may_stand_in_several_places(table: Database) -> None:
    await table.write(lambda tx: tx.insert_many(TABLE, [row("a", 1), row("b", 2)]))
    sql = f"SELECT name FROM {TABLE} WHERE (:least IS NULL OR number >= :least) AND (:like = '' OR name = :like)"
    assert len(await table.read(sql, least=None, like="")) == 2
    assert await table.read(sql, least=2, like="b") == [{"name": "b"}]


async def test_enumerated_words_and_big_bytes_are_stored_plainly(any_database: Database) -> None:
    blob = bytes(range(256)) * 4000
    values = {"tenant": TenantId("t"), "owner": Role.ADMIN, "key_id": b"", "wrapped": blob}
    await any_database.write(lambda tx: tx.insert("vault_key", values))
    found = (await any_database.read("SELECT * FROM vault_key WHERE wrapped = :blob", blob=blob))[0]
    assert (found["owner"], found["key_id"], found["wrapped"]) == ("admin", b"", blob)
    assert type(found["wrapped"]) is bytes


async def test_a_caller_that_gives_up_does_not_stop_the_write(table: Database) -> None:
    writing = asyncio.ensure_future(table.write(lambda tx: tx.insert(TABLE, row("a"))))
    await asyncio.sleep(0)
    writing.cancel()
    await table.write(lambda tx: tx.insert(TABLE, row("b")))
    assert "b" in await names(table)


async def test_a_stopped_database_says_so(any_database: Database) -> None:
    await any_database.stop()
    await any_database.stop()
    for attempt in (any_database.write(lambda tx: tx.query("SELECT 1")), any_database.read("SELECT 1")):
        with pytest.raises(Unavailable, match="stopped"):
            await attempt


async def test_the_rooms_built_on_it_agree(any_database: Database, still_clock: StillClock) -> None:
    """Sealing, metering and the audit trail on either database."""
    vault, meter = Vault(any_database, MASTER_KEY), Meter(any_database, still_clock)
    await vault.ready_many(DEFAULT_TENANT, ["emma", "lin"])
    again = Vault(any_database, MASTER_KEY)
    await again.ready(DEFAULT_TENANT, "emma")
    sealed = vault.seal_text(DEFAULT_TENANT, "emma", "t", "c", "r", "退款")
    assert again.open_text(DEFAULT_TENANT, "emma", "t", "c", "r", sealed) == "退款"
    uses: list[Awaitable[None]] = [
        meter.record(DEFAULT_TENANT, Kind.MESSAGES, 1, f"m{n % 10}") for n in range(40)
    ]
    await asyncio.gather(*uses)
    today = still_clock.now().date()
    assert await meter.total(DEFAULT_TENANT, today, today) == {"messages": 10}
    audit = Audit(any_database, still_clock)
    for _ in range(3):
        await audit.record(DEFAULT_TENANT, None, "export", new_id("usr"))
    first = await audit.list(DEFAULT_TENANT, limit=2)
    assert len(await audit.list(DEFAULT_TENANT, limit=2, starting_after=first[-1].id)) == 1
