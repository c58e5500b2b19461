"""Remember where users can be reached when they are away; addresses are sealed.

A user has any number of addresses per channel (two browsers, one email). The
same address given twice is one endpoint.
"""

from collections.abc import Mapping

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, to_ms
from chatpush.errors import InvalidInput
from chatpush.notify.listing import checked_name
from chatpush.store.database import Database, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

LONGEST_ADDRESS = 4096
MAX_PER_CHANNEL = 20


class Endpoints:
    """The endpoints of every tenant's users."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def set_of(self, tenant: TenantId, user: UserId, addresses: Mapping[str, list[str]]) -> None:
        """Make these the user's addresses on the named channels; other channels stay.

        Raises:
            InvalidInput: a channel's name or an address can't be used.
        """
        for channel, given in addresses.items():
            _check(channel, given)
        await self._vault.ready(tenant, user)
        now = to_ms(self._clock.now())

        def write(tx: Transaction) -> None:
            for channel, given in addresses.items():
                tx.execute(
                    "DELETE FROM endpoint WHERE tenant = :t AND user_id = :u AND channel = :c",
                    t=tenant, u=user, c=channel,
                )  # fmt: skip
                rows = [self._row(tenant, user, channel, address, now) for address in dict.fromkeys(given)]
                tx.insert_many("endpoint", rows)

        await self._database.write(write)

    async def channels_of(self, tenant: TenantId, user: UserId) -> dict[str, int]:
        """Return how many addresses the user has, by channel."""
        rows = await self._database.read(
            "SELECT channel, COUNT(*) AS n FROM endpoint WHERE tenant = :t AND user_id = :u"
            " GROUP BY channel ORDER BY channel",
            t=tenant, u=user,
        )  # fmt: skip
        return {row["channel"]: row["n"] for row in rows}

    async def addresses(
        self, tenant: TenantId, users: list[UserId], channels: list[str]
    ) -> dict[tuple[UserId, str], list[str]]:
        """Return the addresses of many users on some channels."""
        who, who_params = among(users, "u")
        where, where_params = among(channels, "c")
        rows = await self._database.read(
            f"SELECT * FROM endpoint WHERE tenant = :t AND user_id IN {who} AND channel IN {where}"
            " ORDER BY created_at DESC, id",
            t=tenant, **who_params, **where_params,
        )  # fmt: skip
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        found: dict[tuple[UserId, str], list[str]] = {}
        for row in rows:
            user, channel = UserId(row["user_id"]), row["channel"]
            address = self._vault.open_text(
                tenant, user, "endpoint", "address", _place(channel, row["id"]), row["address_sealed"]
            )
            found.setdefault((user, channel), []).append(address)
        return found

    async def add(self, tenant: TenantId, user: UserId, channel: str, address: str) -> None:
        """Add one address to those of a channel; the oldest give way beyond the limit.

        Raises:
            InvalidInput: the channel's name or the address can't be used.
        """
        _check(channel, [address])
        await self._vault.ready(tenant, user)
        now = to_ms(self._clock.now())
        row = self._row(tenant, user, channel, address, now)

        def write(tx: Transaction) -> None:
            tx.insert("endpoint", row, "(tenant, user_id, channel, id) DO NOTHING")
            tx.execute(
                "DELETE FROM endpoint WHERE tenant = :t AND user_id = :u AND channel = :c AND id NOT IN (SELECT id"
                " FROM endpoint WHERE tenant = :t AND user_id = :u AND channel = :c"
                " ORDER BY created_at DESC, id LIMIT :n)",
                t=tenant, u=user, c=channel, n=MAX_PER_CHANNEL,
            )  # fmt: skip

        await self._database.write(write)

    async def remove(self, tenant: TenantId, user: UserId, channel: str, address: str) -> bool:
        """Forget one address; return whether it was known."""
        gone = await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM endpoint WHERE tenant = :t AND user_id = :u AND channel = :c AND id = :id",
                t=tenant, u=user, c=channel, id=self._vault.blind(tenant, f"endpoint {channel}", address),
            )
        )  # fmt: skip
        return bool(gone)

    def _row(
        self, tenant: TenantId, user: UserId, channel: str, address: str, now: int
    ) -> dict[str, str | int | bytes]:
        fingerprint = self._vault.blind(tenant, f"endpoint {channel}", address)
        place = _place(channel, fingerprint)
        return {
            "tenant": tenant,
            "user_id": user,
            "channel": channel,
            "id": fingerprint,
            "address_sealed": self._vault.seal_text(tenant, user, "endpoint", "address", place, address),
            "created_at": now,
        }


def _place(channel: str, fingerprint: str) -> str:
    return f"{channel} {fingerprint}"


def _check(channel: str, addresses: list[str]) -> None:
    checked_name(channel, "endpoints")
    if len(addresses) > MAX_PER_CHANNEL:
        raise InvalidInput(
            f"at most {MAX_PER_CHANNEL} addresses on one channel", param=f"endpoints.{channel}"
        )
    for address in addresses:
        if not 1 <= len(address) <= LONGEST_ADDRESS:
            raise InvalidInput(
                f"an address has 1 to {LONGEST_ADDRESS} characters", param=f"endpoints.{channel}"
            )
