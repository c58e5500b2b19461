"""The settings choose the database."""

import sys
from pathlib import Path

import pytest

from chatpush.errors import InvalidSettings
from chatpush.settings import Settings
from chatpush.store import opening
from chatpush.store.database import SqliteDatabase
from chatpush.store.postgres import PostgresDatabase


def settings(database: str, directory: Path) -> Settings:
    return Settings.model_validate({"data_dir": str(directory), "store": {"database": database}})


async def test_a_file_name_opens_sqlite_below_the_data_directory(tmp_path: Path) -> None:
    database = opening.open_database(settings("shop.db", tmp_path))
    assert isinstance(database, SqliteDatabase)
    await database.start()
    await database.stop()
    assert (tmp_path / "shop.db").exists()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_an_address_opens_postgresql(tmp_path: Path, scheme: str) -> None:
    database = opening.open_database(settings(f"{scheme}://u@127.0.0.1/d", tmp_path))
    assert isinstance(database, PostgresDatabase)


def test_a_missing_driver_and_a_strange_address_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidSettings, match="not mysql://"):
        opening.open_database(settings("mysql://u@127.0.0.1/d", tmp_path))
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InvalidSettings, match=r"chatpush\[postgres\]"):
        opening.open_database(settings("postgresql://u@127.0.0.1/d", tmp_path))


@pytest.mark.parametrize("held", [b"no database at all, but a text that is long enough" * 100, b""])
async def test_a_file_that_is_no_database_is_named(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "shop.db"
    path.write_bytes(held) if held else path.mkdir()
    with pytest.raises(InvalidSettings, match=r"store\.database: .*shop\.db can't be opened"):
        await opening.open_database(settings("shop.db", tmp_path)).start()


async def test_a_half_lost_database_is_named(tmp_path: Path) -> None:
    database = opening.open_database(settings("shop.db", tmp_path))
    await database.start()
    await database.stop()
    path = tmp_path / "shop.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidSettings, match="malformed"):
        await opening.open_database(settings("shop.db", tmp_path)).start()
