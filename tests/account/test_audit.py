"""The trail says who did what, exactly for what was committed."""

import pytest

from chatpush.account.audit import Audit
from chatpush.account.keys import Keys
from chatpush.domain import Identity, IdentityKind, Role, TenantId
from chatpush.store.database import Database, Transaction

ADA = Identity(TenantId("default"), IdentityKind.PERSON, "psn_1", role=Role.ADMIN, name="Ada")


async def test_deeds_are_listed_newest_first_and_by_pages(audit: Audit, tenant: TenantId) -> None:
    for number in range(5):
        await audit.record(tenant, ADA if number else None, "export", f"user_{number}")
    first = await audit.list(tenant, limit=3)
    rest = await audit.list(tenant, limit=3, starting_after=first[-1].id)
    assert [entry.subject for entry in [*first, *rest]] == [f"user_{number}" for number in (4, 3, 2, 1, 0)]
    assert rest[-1].who == "system"
    assert first[0].who == "person:psn_1"
    assert await audit.list(TenantId("other")) == []


async def test_what_is_rolled_back_leaves_no_entry(
    audit: Audit, database: Database, tenant: TenantId
) -> None:
    def deed(tx: Transaction) -> None:
        audit.record_in(tx, tenant, ADA, "key.issue", "key_1")
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="mind"):
        await database.write(deed)
    assert await audit.list(tenant) == []


async def test_issuing_and_revoking_keys_is_on_record(audit: Audit, keys: Keys, tenant: TenantId) -> None:
    issued = await keys.issue(tenant, "server", scopes=["*"], by=ADA)
    await keys.revoke(tenant, issued.key.id, by=ADA)
    await keys.revoke(tenant, issued.key.id, by=ADA)
    found = [(entry.who, entry.action, entry.subject) for entry in await audit.list(tenant)]
    assert found == [
        ("person:psn_1", "key.revoke", issued.key.id),
        ("person:psn_1", "key.issue", issued.key.id),
    ]
