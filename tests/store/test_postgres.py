"""What only PostgreSQL does: types, collisions, several nodes, lost connections."""

import asyncio
import threading
from pathlib import Path

import psycopg
import pytest

from chatpush.errors import InvalidSettings, Unavailable
from chatpush.store.database import Transaction
from chatpush.store.migrate import migrate
from chatpush.store.postgres import PostgresDatabase, dialect
from tests.servers import Postgres


def test_the_schema_gets_the_servers_types() -> None:
    assert dialect("a TEXT NOT NULL, b BYTES") == 'a TEXT COLLATE "C" NOT NULL, b BYTEA'


@pytest.fixture
def url(postgres_server: Postgres) -> str:
    return postgres_server.fresh()


async def test_nodes_that_start_together_migrate_once(url: str) -> None:
    nodes = [PostgresDatabase(url, migrate) for _ in range(4)]
    await asyncio.gather(*(node.start() for node in nodes))
    seen = await asyncio.gather(*(node.read("SELECT COUNT(*) AS n FROM migration") for node in nodes))
    assert len({rows[0]["n"] for rows in seen}) == 1
    await asyncio.gather(*(node.stop() for node in nodes))


async def test_a_collision_runs_the_job_again(url: str) -> None:
    database = PostgresDatabase(url, migrate)
    await database.start()
    await database.write(lambda tx: tx.execute("CREATE TABLE counter (number BIGINT)"))
    await database.write(lambda tx: tx.insert("counter", {"number": 0}))
    both_have_read = threading.Barrier(2)
    runs = []

    def increment(tx: Transaction) -> None:
        number = tx.query("SELECT number FROM counter")[0]["number"]
        runs.append(number)
        if len(runs) <= 2:
            both_have_read.wait(10)
        tx.execute("UPDATE counter SET number = :number", number=number + 1)

    await asyncio.gather(database.write(increment), database.write(increment))
    assert await database.read("SELECT number FROM counter") == [{"number": 2}]
    assert runs == [0, 0, 1]
    await database.stop()


async def test_a_lost_connection_costs_nothing(url: str, postgres_server: Postgres) -> None:
    database = PostgresDatabase(url, migrate)
    await database.start()
    await database.write(lambda tx: tx.execute("CREATE TABLE note (text TEXT)"))
    for number in range(3):
        postgres_server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{url.rpartition('/')[2]}'"
        )
        await database.write(lambda tx: tx.insert("note", {"text": "kept"}))
        assert len(await database.read("SELECT text FROM note")) == number + 1
    await database.stop()


async def test_a_full_queue_refuses(url: str) -> None:
    database = PostgresDatabase(url, migrate, write_queue=1)
    await database.start()
    go = threading.Event()
    first = asyncio.ensure_future(database.write(lambda tx: go.wait(10)))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many writes"):
        await database.write(lambda tx: None)
    go.set()
    await first
    await database.stop()


async def test_an_unreachable_server_stops_the_start_without_showing_the_password() -> None:
    database = PostgresDatabase("postgresql://ada:s3cret@127.0.0.1:1/none", migrate)
    with pytest.raises(Unavailable, match=r"store\.database") as caught:
        await database.start()
    assert "s3cret" not in str(caught.value)


async def test_a_newer_schema_stops_the_start(url: str, tmp_path: Path) -> None:
    database = PostgresDatabase(url, migrate)
    await database.start()
    await database.write(lambda tx: tx.insert("migration", {"name": "9999_future"}))
    await database.stop()
    with pytest.raises(InvalidSettings, match="newer chatpush"):
        await PostgresDatabase(url, migrate).start()


async def test_readers_can_not_write(url: str) -> None:
    database = PostgresDatabase(url, migrate)
    await database.start()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await database.read("DELETE FROM tenant RETURNING tenant")
    await database.stop()
