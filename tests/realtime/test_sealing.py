"""The log is sealed with the vault: nothing readable at rest, and erasure is final."""

from pathlib import Path

import pytest

from chatpush.domain import TenantId
from chatpush.errors import CursorLost
from chatpush.log.contract import Draft
from chatpush.log.embedded import EmbeddedLog
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.sealing import sealing_by
from chatpush.settings import Channel
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.conftest import MASTER_KEY


def file_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("log.db*"))


async def test_publications_are_sealed_by_owner(
    tmp_path: Path, database: Database, tenant: TenantId, still_clock: StillClock
) -> None:
    def log(vault: Vault) -> EmbeddedLog:
        return EmbeddedLog(
            tmp_path / "log.db", Namespaces(Channel()).retention, sealing_by(vault), still_clock,
            synchronous="NORMAL",
        )  # fmt: skip

    vault = Vault(database, MASTER_KEY)
    before = log(vault)
    await before.start()
    emma = await before.append(tenant, "user:emma", Draft(b'"your secret order"'))
    cnv = await before.append(tenant, "conversation:cnv_1", Draft(b'"a secret talk"'))
    await before.stop()
    assert b"secret" not in file_of(tmp_path)

    fresh = Vault(database, MASTER_KEY)
    after = log(fresh)
    await after.start()
    assert (await after.history(tenant, "user:emma", 10)).publications[0].data == b'"your secret order"'
    assert (await after.history(tenant, "conversation:cnv_1", 10)).publications[0].data == b'"a secret talk"'
    await fresh.forget(tenant, "emma")
    assert (await after.history(tenant, "user:emma", 10)).publications == ()
    with pytest.raises(CursorLost):
        await after.after(tenant, "user:emma", type(emma)(emma.epoch, 0), 10)
    assert (await after.append(tenant, "user:emma", Draft(b"1"))).offset == 2
    assert (await after.top(tenant, "conversation:cnv_1")) == cnv
    await after.stop()
