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
