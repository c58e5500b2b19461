"""Seal the log with the vault: a personal channel with its user's key, others with the tenant's."""

from chatpush.domain import TenantId
from chatpush.log.contract import Sealing
from chatpush.realtime.permissions import owner_of
from chatpush.store.vault import Vault

TABLE = "publication"
COLUMN = "body_sealed"


def sealing_by(vault: Vault) -> Sealing:
    """Return the log's sealing by this vault."""

    async def ready(tenant: TenantId, channel: str) -> None:
        owner = owner_of(channel)
        await vault.ready(tenant, *([owner] if owner else []))

    def loaded(tenant: TenantId, channel: str) -> bool:
        owner = owner_of(channel)
        return vault.has(tenant, *([owner] if owner else []))

    def seal(tenant: TenantId, channel: str, place: str, data: bytes) -> bytes:
        return vault.seal(tenant, owner_of(channel), TABLE, COLUMN, place, data)

    def open_(tenant: TenantId, channel: str, place: str, sealed: bytes) -> bytes:
        return vault.open(tenant, owner_of(channel), TABLE, COLUMN, place, sealed)

    return Sealing(ready, seal, open_, loaded)
