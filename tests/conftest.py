"""Fixtures every room shares: databases, a vault, a still clock."""

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.store.database import Database, SqliteDatabase
from chatpush.store.migrate import migrate
from chatpush.store.postgres import PostgresDatabase
from chatpush.store.vault import Vault
from chatpush.web.http import server
from tests.clocks import StillClock
from tests.documented import Watch
from tests.servers import Postgres, postgres

MASTER_KEY = bytes(range(32))

# As in production: what a server beside a test logs is no part of what the test's command prints.
structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.__stderr__))


@pytest.fixture(scope="session", autouse=True)
def watch() -> Iterator[Watch]:
    """What looks at every answer of the API in this process, whoever builds the application."""
    watch, build = Watch(), server.build
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "build", lambda *parts: watch.over(build(*parts)))
        yield watch


@pytest.fixture(autouse=True)
def as_documented(watch: Watch, request: pytest.FixtureRequest) -> Iterator[None]:
    """What the API answers and takes in a test is what its OpenAPI document says."""
    watch.succeeded.clear()
    yield
    wrong = watch.taken()
    wrong += [
        f"{one} did not succeed in this test"
        for one in watch.owed(request.node.nodeid.removeprefix("tests/"))
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.fixture
def still_clock() -> StillClock:
    """A clock that moves only when told."""
    return StillClock()


@pytest.fixture
def no_errors(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing may end in a logged exception: neither in our log nor in asyncio's or aiohttp's.

    A test that wants one is marked ``logs("its event")``.
    """
    with structlog.testing.capture_logs() as logged:
        yield
    wanted = [name for mark in request.node.iter_markers("logs") for name in mark.args]
    assert [one["event"] for one in logged if one["log_level"] in ("error", "critical")] == wanted
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh SQLite database with the whole schema."""
    database = SqliteDatabase(tmp_path / "chatpush.db", migrate, synchronous="NORMAL")
    await database.start()
    yield database
    await database.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL cluster of this run."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh database of each kind, for contract tests."""
    if request.param == "sqlite":
        database: Database = SqliteDatabase(tmp_path / "chatpush.db", migrate, synchronous="NORMAL")
        await database.start()
        yield database
        await database.stop()
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    url = server.fresh()
    database = PostgresDatabase(url, migrate)
    await database.start()
    yield database
    await database.stop()
    server.drop(url)


@pytest.fixture
async def vault(database: Database) -> Vault:
    """A vault on the fresh database, ready for the default tenant."""
    vault = Vault(database, MASTER_KEY)
    await vault.ready(DEFAULT_TENANT)
    return vault


@pytest.fixture
def tenant() -> TenantId:
    """The tenant of most tests."""
    return DEFAULT_TENANT
