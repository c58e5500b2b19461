"""Give what a visitor looked at and bought to the user they turned out to be."""

from collections.abc import Awaitable, Callable

from chatpush.domain import TenantId, UserId
from chatpush.store.database import Database, Transaction
from chatpush.store.vault import Vault

AT_ONCE = 500
PLACE = ("event", "properties")


def moving_events(database: Database, vault: Vault) -> Callable[[TenantId, UserId, UserId], Awaitable[int]]:
    """Return what moves all events of one user to another, sealed anew, and returns how many there were."""

    async def move(tenant: TenantId, old: UserId, new: UserId) -> int:
        await vault.ready(tenant, old, new)

        def page(tx: Transaction) -> int:
            rows = tx.query(
                "SELECT id, properties_sealed FROM event WHERE tenant = :t AND user_id = :o LIMIT :n",
                t=tenant, o=old, n=AT_ONCE,
            )  # fmt: skip
            for row in rows:
                sealed = row["properties_sealed"]
                if sealed is not None:
                    plain = vault.open(tenant, old, *PLACE, row["id"], sealed)
                    sealed = vault.seal(tenant, new, *PLACE, row["id"], plain)
                tx.execute(
                    "UPDATE event SET user_id = :u, properties_sealed = :s WHERE tenant = :t AND id = :i",
                    u=new, s=sealed, t=tenant, i=row["id"],
                )  # fmt: skip
            return len(rows)

        moved = 0
        while more := await database.write(page):
            moved += more
        return moved

    return move
