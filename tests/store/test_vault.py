"""Sealed values open at their own place and nowhere else."""

from pathlib import Path

import pytest

from chatpush.domain import TenantId
from chatpush.errors import InvalidSettings, VaultError
from chatpush.store.database import Database
from chatpush.store.vault import Vault, create_master_key, read_master_key
from tests.conftest import MASTER_KEY


async def test_what_is_sealed_opens_at_its_place(vault: Vault, tenant: TenantId) -> None:
    await vault.ready(tenant, "emma")
    sealed = vault.seal_text(tenant, "emma", "turn", "text", "t1", "退款")
    assert "退款".encode() not in sealed
    assert vault.open_text(tenant, "emma", "turn", "text", "t1", sealed) == "退款"


@pytest.mark.parametrize("elsewhere", [("lin", "turn", "text", "t1"), ("emma", "note", "text", "t1"),
                                       ("emma", "turn", "title", "t1"), ("emma", "turn", "text", "t2")])  # fmt: skip
async def test_a_moved_value_does_not_open(
    vault: Vault, tenant: TenantId, elsewhere: tuple[str, str, str, str]
) -> None:
    await vault.ready(tenant, "emma", "lin")
    sealed = vault.seal_text(tenant, "emma", "turn", "text", "t1", "secret")
    with pytest.raises(VaultError):
        vault.open_text(tenant, *elsewhere, sealed)


async def test_keys_survive_a_restart_and_erasure_is_final(
    vault: Vault, database: Database, tenant: TenantId
) -> None:
    await vault.ready_many(tenant, ["emma", "lin"])
    sealed = vault.seal_text(tenant, "emma", "turn", "text", "t1", "secret")
    restarted = Vault(database, MASTER_KEY)
    await restarted.ready(tenant, "emma")
    assert restarted.open_text(tenant, "emma", "turn", "text", "t1", sealed) == "secret"
    await restarted.forget(tenant, "emma")
    await restarted.ready(tenant, "emma")
    with pytest.raises(VaultError):
        restarted.open_text(tenant, "emma", "turn", "text", "t1", sealed)


async def test_the_wrong_master_key_opens_nothing(vault: Vault, database: Database, tenant: TenantId) -> None:
    with pytest.raises(VaultError, match="master key"):
        await Vault(database, bytes(32)).ready(tenant)


async def test_blind_indexes_differ_by_tenant_and_field(vault: Vault, tenant: TenantId) -> None:
    other = TenantId("other")
    await vault.ready(other)
    assert vault.blind(tenant, "email", "a@b.c") == vault.blind(tenant, "email", "a@b.c")
    assert vault.blind(tenant, "email", "a@b.c") != vault.blind(other, "email", "a@b.c")
    assert vault.blind(tenant, "email", "a@b.c") != vault.blind(tenant, "phone", "a@b.c")


def test_a_master_key_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    create_master_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_master_key(path)) == 32
    with pytest.raises(FileExistsError):
        create_master_key(path)
    path.chmod(0o644)
    with pytest.raises(InvalidSettings, match="chmod 600"):
        read_master_key(path)
    with pytest.raises(InvalidSettings, match="chatpush init"):
        read_master_key(tmp_path / "missing")


@pytest.mark.parametrize("held", ["", "zz", "ab" * 16])
def test_a_damaged_master_key_is_to_be_put_back_and_not_made_anew(tmp_path: Path, held: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(held)
    path.chmod(0o600)
    with pytest.raises(InvalidSettings, match="put back the file that this data was sealed with"):
        read_master_key(path)
