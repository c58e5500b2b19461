"""Turn what happened into calls of the webhooks that want to know.

What ``notify`` wrote down becomes one call for each webhook of its type, in
the transaction that takes it off the list: nothing is told twice or lost. A
body about a user is sealed with that user's key and goes when the user goes.
"""

import json
from typing import Any

from chatpush.channels.webhooks import Webhooks
from chatpush.domain import TenantId, from_ms, iso
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

PAGE = 200


class WebhookEvents(Worker):
    """The worker that writes calls."""

    def __init__(self, database: Database, webhooks: Webhooks) -> None:
        self._database = database
        self._webhooks = webhooks
        super().__init__("channels.webhook_events", self.turn)

    async def start(self) -> None:
        """Learn who wants what, and go on."""
        await self._webhooks.learn()
        await super().start()

    async def turn(self) -> float | None:
        """Write one page of calls; what other nodes changed of the webhooks is learnt on the way."""
        await self._webhooks.learn()
        rows = await self._database.read("SELECT * FROM happening ORDER BY id LIMIT :n", n=PAGE)
        by_tenant: dict[TenantId, list[Row]] = {}
        for row in rows:
            by_tenant.setdefault(TenantId(row["tenant"]), []).append(row)
        for tenant, own in by_tenant.items():
            await self._tell(tenant, own)
        return 0 if rows else None

    async def _tell(self, tenant: TenantId, rows: list[Row]) -> None:
        about, users = await self._about(tenant, rows), await self._users(tenant, rows)
        events = [
            (row["type"], row["at"], _data(row, about))
            for row in rows
            if (not row["delivery"] or row["delivery"] in about)
            and (not row["user_id"] or row["user_id"] in users)
        ]
        calls = await self._webhooks.calls_of(tenant, events)
        ids, params = among(row["id"] for row in rows)

        def write(tx: Transaction) -> None:
            gone = tx.execute(f"DELETE FROM happening WHERE tenant = :t AND id IN {ids}", t=tenant, **params)
            # Another node may have told them already; then nothing is left to take off.
            if gone:
                tx.insert_many("webhook_call", calls)

        await self._database.write(write)
        self._webhooks.ring()

    async def _about(self, tenant: TenantId, rows: list[Row]) -> dict[str, Row]:
        """Return the deliveries spoken of whose users are still there."""
        ids, params = among(dict.fromkeys(row["delivery"] for row in rows if row["delivery"]))
        found = await self._database.read(
            "SELECT d.id, d.user_id, d.category, d.campaign FROM delivery AS d JOIN app_user AS u"
            f" ON u.tenant = d.tenant AND u.id = d.user_id WHERE d.tenant = :t AND d.id IN {ids}",
            t=tenant, **params,
        )  # fmt: skip
        return {row["id"]: row for row in found}

    async def _users(self, tenant: TenantId, rows: list[Row]) -> set[str]:
        """Return the users who said something and are still there."""
        wanted = dict.fromkeys(row["user_id"] for row in rows if row["user_id"])
        if not wanted:
            return set()
        ids, params = among(wanted)
        found = await self._database.read(
            f"SELECT id FROM app_user WHERE tenant = :t AND id IN {ids}", t=tenant, **params
        )
        return {row["id"] for row in found}


def _data(row: Row, about: dict[str, Row]) -> dict[str, Any]:
    """Return the body's data, of the same shape as a receipt's; a consent's has no message."""
    data: dict[str, Any] = {"message": row["message"]} if row["message"] else {}
    data["at"] = iso(from_ms(row["at"]))
    if delivery := about.get(row["delivery"]):
        data |= {
            "delivery": delivery["id"], "user": delivery["user_id"], "category": delivery["category"],
            "campaign": delivery["campaign"] or None,
        }  # fmt: skip
    if row["user_id"]:
        data["user"] = row["user_id"]
    data |= json.loads(row["detail"])
    return data
