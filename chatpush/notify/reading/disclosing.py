"""Hand a user everything we hold of them, in the clear and readable by machines (GDPR Art. 15 and 20).

What other rooms hold they add by name. Lists are whole, up to ``MOST`` newest
entries each; what was cut is named.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, from_ms, iso
from chatpush.errors import NotFound
from chatpush.notify.audience.topics import Topics
from chatpush.notify.audience.users import Users
from chatpush.notify.reporting.reporting import MOMENTS
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.store.database import Database, Row
from chatpush.store.vault import Vault

MOST = 50_000
Discloser = Callable[[TenantId, UserId, int], Awaitable[list[Any]]]
"""Returns what a room holds of a user, at most so many entries, newest first."""


class Disclosing:
    """What is held of every tenant's users."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        users: Users,
        topics: Topics,
        endpoints: Endpoints,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._users = users
        self._topics = topics
        self._endpoints = endpoints
        self._clock = clock
        self._others: dict[str, Discloser] = {}

    def also(self, name: str, discloser: Discloser) -> None:
        """Let another room disclose what it holds, under this name."""
        self._others[name] = discloser

    async def of(self, tenant: TenantId, user: UserId) -> dict[str, Any]:
        """Return everything, as JSON.

        Raises:
            NotFound: there is no such user.
        """
        found = await self._users.find(tenant, user)
        if found is None:
            raise NotFound(f"no user {user[:64]!r}", param="id")
        lists: dict[str, list[Any]] = {
            "consents": await self._users.ledger(tenant, user),
            "topics": await self._topics.of(tenant, user),
            "deliveries": await self._deliveries(tenant, user),
            "inbox": await self._inbox(tenant, user),
        }
        for name, discloser in self._others.items():
            lists[name] = await discloser(tenant, user, MOST + 1)
        cut = sorted(name for name, entries in lists.items() if len(entries) > MOST)
        profile = {name: value for name, value in asdict(found).items() if name != "tenant"}
        whole = {
            "user": profile,
            "exported_at": self._clock.now(),
            "endpoints": await self._addresses(tenant, user),
            **{name: entries[:MOST] for name, entries in lists.items()},
            "truncated": cut,
        }
        plain: dict[str, Any] = _plain(whole)
        return plain

    async def _addresses(self, tenant: TenantId, user: UserId) -> dict[str, list[str]]:
        channels = list(await self._endpoints.channels_of(tenant, user))
        found = await self._endpoints.addresses(tenant, [user], channels)
        return {channel: addresses for (_, channel), addresses in found.items()}

    async def _deliveries(self, tenant: TenantId, user: UserId) -> list[dict[str, Any]]:
        rows = await self._database.read(
            "SELECT d.*, m.template FROM delivery AS d JOIN message AS m ON m.tenant = d.tenant AND m.id = d.message"
            " WHERE d.tenant = :t AND d.user_id = :u ORDER BY d.id DESC LIMIT :n",
            t=tenant, u=user, n=MOST + 1,
        )  # fmt: skip
        await self._vault.ready(tenant, user)
        return [self._delivery(row) for row in rows]

    def _delivery(self, row: Row) -> dict[str, Any]:
        data = None
        if row["data_sealed"] is not None:
            data = self._vault.open_json(
                row["tenant"], row["user_id"], "delivery", "data", row["id"], row["data_sealed"]
            )
        kept = ("id", "message", "template", "category", "campaign", "state", "reason")
        moments = {name: from_ms(row[name]) for name in MOMENTS if row[name] is not None}
        return {name: row[name] for name in kept if row[name]} | moments | ({"data": data} if data else {})

    async def _inbox(self, tenant: TenantId, user: UserId) -> list[dict[str, Any]]:
        rows = await self._database.read(
            "SELECT * FROM inbox_item WHERE tenant = :t AND user_id = :u AND deleted_at IS NULL"
            " ORDER BY delivery DESC LIMIT :n",
            t=tenant, u=user, n=MOST + 1,
        )  # fmt: skip
        await self._vault.ready(tenant, user)
        return [
            self._vault.open_json(
                tenant, user, "inbox_item", "content", row["delivery"], row["content_sealed"]
            )
            for row in rows
        ]


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; whatever names a tenant is left out, it is the same everywhere."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({name: one for name, one in asdict(value).items() if name != "tenant"})
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, Decimal | date) else value
