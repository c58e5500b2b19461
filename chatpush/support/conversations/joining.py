"""Give what a visitor said to the user they turned out to be.

Whatever was sealed under the visitor's key is sealed anew under the user's: one
conversation after the other, each all or nothing, so that a crash halfway
leaves nothing unreadable and joining again goes on from there. Then the visitor
is erased: their id leads nowhere any more.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chatpush.domain import VISITOR_PREFIX, TenantId, UserId
from chatpush.errors import Forbidden, NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

# Moves one kind of thing from a visitor to a user, and returns how many.
Mover = Callable[[TenantId, UserId, UserId], Awaitable[int]]
Erase = Callable[[TenantId, UserId], Awaitable[object]]
SEALED = "_sealed"


@dataclass(frozen=True, slots=True)
class Joined:
    """How much changed hands."""

    conversations: int
    others: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A table with rows of a conversation; ``place`` is what its rows were sealed as."""

    table: str
    place: Callable[[Row], str]
    key: tuple[str, ...]
    owned: bool = True


KEPT = (
    _Kept("turn", lambda row: row["id"], ("id",), owned=False),
    _Kept("promise", lambda row: row["id"], ("id",)),
    _Kept("conversation_note", lambda row: row["id"], ("id",), owned=False),
    _Kept("answer_trail", lambda row: row["turn"], ("turn",)),
    _Kept("attachment", lambda row: row["id"], ("id",)),
    _Kept("letter", lambda row: row["id"], ("id",)),
    _Kept("rating", lambda row: f"{row['conversation']}:{row['ended_at']}", ("ended_at",)),
)


class Joining:
    """Makes a visitor's past a user's own; ``movers`` bring what other rooms keep of the visitor."""

    def __init__(self, database: Database, vault: Vault, movers: Sequence[Mover], erase: Erase) -> None:
        self._database = database
        self._vault = vault
        self._movers = movers
        self._erase = erase

    async def join(self, tenant: TenantId, visitor: UserId, user: UserId) -> Joined:
        """Move what the visitor has to the user, and erase the visitor. Doing it again changes nothing.

        Raises:
            Forbidden: ``visitor`` is no visitor, or ``user`` is one.
        """
        if not visitor.startswith(VISITOR_PREFIX):
            raise Forbidden("only what a visitor did can be joined to a user")
        if user.startswith(VISITOR_PREFIX):
            raise Forbidden("a visitor's past can only become a signed-in user's")
        await self._vault.ready(tenant, visitor, user)
        conversations = await self._database.read(
            "SELECT id FROM conversation WHERE tenant = :t AND user_id = :v ORDER BY id", t=tenant, v=visitor
        )
        for row in conversations:
            await self._database.write(self._moving(tenant, visitor, user, row["id"]))
        others = [await move(tenant, visitor, user) for move in self._movers]
        # Joined before: there is nobody left to erase.
        with contextlib.suppress(NotFound):
            await self._erase(tenant, visitor)
        return Joined(len(conversations), sum(others))

    def _moving(
        self, tenant: TenantId, visitor: UserId, user: UserId, conversation: str
    ) -> Callable[[Transaction], None]:
        def move(tx: Transaction) -> None:
            who = {"t": tenant, "c": conversation}
            mine = tx.query(
                "UPDATE conversation SET user_id = :u WHERE tenant = :t AND id = :c AND user_id = :v RETURNING *",
                u=user, v=visitor, **who,
            )  # fmt: skip
            if not mine:
                return
            self._reseal(tx, visitor, user, _Kept("conversation", lambda row: row["id"], ("id",)), mine[0])
            self._settle_same(tx, user, who)
            for kept in KEPT:
                rows = tx.query(f"SELECT * FROM {kept.table} WHERE tenant = :t AND conversation = :c", **who)
                for row in rows:
                    self._reseal(tx, visitor, user, kept, row)

        return move

    def _reseal(self, tx: Transaction, visitor: UserId, user: UserId, kept: _Kept, row: Row) -> None:
        tenant, place = TenantId(row["tenant"]), kept.place(row)
        columns: Row = {"user_id": user} if kept.owned else {}
        for column, value in row.items():
            if column.endswith(SEALED) and value is not None:
                plain = self._vault.open(tenant, visitor, kept.table, column, place, value)
                columns[column] = self._vault.seal(tenant, user, kept.table, column, place, plain)
        key = ("tenant", *(("conversation",) if "conversation" in row else ()), *kept.key)
        change = ", ".join(f"{name} = :{name}" for name in columns)
        where = " AND ".join(f"{name} = :key_{name}" for name in key)
        tx.execute(
            f"UPDATE {kept.table} SET {change} WHERE {where}",
            **columns, **{f"key_{name}": row[name] for name in key},
        )  # fmt: skip

    def _settle_same(self, tx: Transaction, user: UserId, who: dict[str, str]) -> None:
        """End the visitor's promises that the user has been given too: one of each is enough."""
        tx.execute(
            "UPDATE promise SET state = 'cancelled' WHERE tenant = :t AND conversation = :c "
            "AND state = 'pending' AND same IN "
            "(SELECT same FROM promise WHERE tenant = :t AND user_id = :u AND state = 'pending')",
            u=user, **who,
        )  # fmt: skip
