"""Keep campaigns: made, changed, paused, finished, and when each fires next.

A campaign is checked whole before it is stored: zones, cron, dates, template
and audience, each with a message that names the field. Slots that pass while it
is paused are not made up for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import CampaignId, TenantId, User, UserId, from_ms, new_id, to_ms
from chatpush.errors import Conflict, NotFound
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages.messages import Messages
from chatpush.schedule import definition as definitions
from chatpush.schedule import triggers
from chatpush.schedule.definition import Definition
from chatpush.schedule.drafting import Addressed, draft
from chatpush.schedule.triggers import DateTrigger, EventTrigger, Slot
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

LONGEST_PREVIEW = 50
ANY_CAMPAIGN, ANY_USER = CampaignId("any"), UserId("anybody")
"""Stand for whom a campaign will reach while its message is only checked."""


class CampaignState(StrEnum):
    """Whether a campaign still fires."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A stored campaign."""

    tenant: TenantId
    id: CampaignId
    state: CampaignState
    definition: Definition
    checked_at: datetime
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Campaigns:
    """The campaigns of every tenant. ``on_change`` is called whenever a next firing may have moved."""

    def __init__(self, database: Database, vault: Vault, messages: Messages, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._messages = messages
        self._clock = clock
        self._by_event: dict[tuple[TenantId, str], tuple[float, list[Campaign]]] = {}
        self.on_change: Callable[[], None] = lambda: None

    async def create(self, tenant: TenantId, spec: Mapping[str, Any]) -> Campaign:
        """Check and store a campaign; it is active at once.

        Raises:
            InvalidInput: a part can't be used; ``param`` names it.
        """
        now = self._clock.now()
        definition = await self._checked(tenant, spec, now)
        campaign = CampaignId(new_id("cmp"))
        await self._vault.ready(tenant)
        row: Row = {
            "tenant": tenant, "id": campaign, "state": CampaignState.ACTIVE.value,
            "checked_at": to_ms(now), "created_at": to_ms(now), "updated_at": to_ms(now),
            **self._columns(tenant, campaign, definition, now),
        }  # fmt: skip
        await self._database.write(lambda tx: tx.insert("campaign", row))
        return self._changed(row)

    async def get(self, tenant: TenantId, campaign: str) -> Campaign:
        """Return a campaign.

        Raises:
            NotFound: there is none of this id.
        """
        await self._vault.ready(tenant)
        return self.of_row(await self._row(tenant, campaign))

    async def replace(self, tenant: TenantId, campaign: str, spec: Mapping[str, Any]) -> Campaign:
        """Change a campaign; runs under way keep what they started with.

        Raises:
            InvalidInput: a part can't be used. NotFound: there is none of this id.
        """
        before = await self._row(tenant, campaign)
        now = self._clock.now()
        definition = await self._checked(tenant, spec, now, from_ms(before["created_at"]))
        await self._vault.ready(tenant)
        state = before["state"]
        if state == CampaignState.FINISHED:
            state = CampaignState.ACTIVE.value  # a new date gives it a new life
        columns: Row = {
            "state": state, "checked_at": to_ms(now), "updated_at": to_ms(now),
            **self._columns(tenant, CampaignId(campaign), definition, now),
        }  # fmt: skip

        def change(tx: Transaction) -> int:
            # A date campaign's slot is "once": a new date is a new once.
            tx.execute(
                "DELETE FROM slot WHERE tenant = :t AND campaign = :c AND slot = 'once'", t=tenant, c=campaign
            )
            return _update(tx, tenant, campaign, columns)

        if not await self._database.write(change):
            raise _missing(campaign)
        return self._changed(before | columns)

    async def delete(self, tenant: TenantId, campaign: str) -> None:
        """Delete a campaign; its runs stop.

        Raises:
            NotFound: there is none of this id.
        """

        def delete(tx: Transaction) -> int:
            who = {"t": tenant, "c": campaign}
            tx.execute("DELETE FROM run WHERE tenant = :t AND campaign = :c", **who)
            tx.execute("DELETE FROM slot WHERE tenant = :t AND campaign = :c", **who)
            return tx.execute("DELETE FROM campaign WHERE tenant = :t AND id = :c", **who)

        if not await self._database.write(delete):
            raise _missing(campaign)
        self._by_event.clear()
        self.on_change()

    async def pause(self, tenant: TenantId, campaign: str) -> Campaign:
        """Stop firing; a run under way stops after its page.

        Raises:
            NotFound: there is none of this id. Conflict: it is finished.
        """
        return await self._turn(tenant, campaign, CampaignState.PAUSED)

    async def resume(self, tenant: TenantId, campaign: str) -> Campaign:
        """Fire again, from the next slot on; a run that was stopped goes on.

        Raises:
            NotFound: there is none of this id. Conflict: it is finished.
        """
        return await self._turn(tenant, campaign, CampaignState.ACTIVE)

    async def preview(self, tenant: TenantId, campaign: str, count: int = 10) -> list[Slot]:
        """Return the next firings."""
        found = await self.get(tenant, campaign)
        return triggers.upcoming(found.definition.trigger, self._clock.now(), min(count, LONGEST_PREVIEW))

    async def for_event(self, tenant: TenantId, event_type: str) -> list[Campaign]:
        """Return the active campaigns that an event type sets off; known for a few seconds."""
        now = self._clock.monotonic()
        known = self._by_event.get((tenant, event_type))
        if known is not None and now - known[0] < 5.0:
            return known[1]
        rows = await self._database.read(
            "SELECT * FROM campaign WHERE tenant = :t AND event_type = :e AND state = 'active' ORDER BY id",
            t=tenant, e=event_type,
        )  # fmt: skip
        await self._vault.ready(tenant)
        found = [self.of_row(row) for row in rows]
        if len(self._by_event) > 10_000:
            self._by_event.clear()  # event types are the app's words; a flood of them must not fill memory
        self._by_event[tenant, event_type] = (now, found)
        return found

    async def due(self, now: datetime, limit: int = 100) -> list[Campaign]:
        """Return campaigns of all tenants whose next firing has come."""
        rows = await self._database.read(
            "SELECT * FROM campaign WHERE state = 'active' AND next_at <= :now ORDER BY next_at LIMIT :n",
            now=to_ms(now), n=limit,
        )  # fmt: skip
        for tenant in {row["tenant"] for row in rows}:
            await self._vault.ready(tenant)
        return [self.of_row(row) for row in rows]

    async def next_firing(self) -> datetime | None:
        """Return when the next campaign of any tenant fires."""
        rows = await self._database.read("SELECT MIN(next_at) AS at FROM campaign WHERE state = 'active'")
        return from_ms(rows[0]["at"]) if rows[0]["at"] is not None else None

    def of_row(self, row: Row) -> Campaign:
        """Return a row of table ``campaign``; its tenant's key must be ready."""
        tenant, created = TenantId(row["tenant"]), from_ms(row["created_at"])
        spec = self._vault.open_json(
            tenant, "", "campaign", "definition", row["id"], row["definition_sealed"]
        )
        return Campaign(
            tenant=tenant,
            id=CampaignId(row["id"]),
            state=CampaignState(row["state"]),
            definition=definitions.parse(spec, created),
            checked_at=from_ms(row["checked_at"]),
            next_at=from_ms(row["next_at"]) if row["next_at"] is not None else None,
            created_at=created,
            updated_at=from_ms(row["updated_at"]),
        )

    async def checked(
        self, tenant: TenantId, spec: Mapping[str, Any], created_at: datetime | None = None
    ) -> Definition:
        """Return the definition of a specification whose every part can be used.

        Raises:
            InvalidInput: a part can't; ``param`` names it.
        """
        definition = definitions.parse(spec, created_at or self._clock.now())
        message = draft(definition, ANY_CAMPAIGN, [Addressed(User(tenant, ANY_USER), {})])
        await self._messages.check(tenant, replace(message, to=definition.to or message.to))
        return definition

    async def _checked(
        self, tenant: TenantId, spec: Mapping[str, Any], now: datetime, created_at: datetime | None = None
    ) -> Definition:
        definition = await self.checked(tenant, spec, created_at or now)
        triggers.check(definition.trigger, now)
        return definition

    def _columns(self, tenant: TenantId, campaign: CampaignId, definition: Definition, now: datetime) -> Row:
        trigger = definition.trigger
        slot = trigger.after(now)
        return {
            "name": definition.name,
            "kind": definition.kind,
            "event_type": trigger.type if isinstance(trigger, EventTrigger) else "",
            "definition_sealed": self._vault.seal_json(
                tenant, "", "campaign", "definition", campaign, dict(definition.spec)
            ),
            "next_at": to_ms(slot.at) if slot else None,
        }

    async def _turn(self, tenant: TenantId, campaign: str, state: CampaignState) -> Campaign:
        before = await self._row(tenant, campaign)
        await self._vault.ready(tenant)
        if before["state"] == CampaignState.FINISHED:
            raise Conflict("this campaign is finished; PUT it with a new trigger to start it again")
        if before["state"] == state:
            return self.of_row(before)
        now = self._clock.now()
        columns: Row = {"state": state.value, "updated_at": to_ms(now), "checked_at": to_ms(now)}
        if state is CampaignState.ACTIVE:
            trigger = self.of_row(before).definition.trigger
            slot = trigger.after(now)
            columns["next_at"] = to_ms(slot.at) if slot else None
            if slot is None and isinstance(trigger, DateTrigger):
                columns["state"] = CampaignState.FINISHED.value  # its date passed during the pause
        if not await self._database.write(lambda tx: _update(tx, tenant, campaign, columns)):
            raise _missing(campaign)
        return self._changed(before | columns)

    async def _row(self, tenant: TenantId, campaign: str) -> Row:
        rows = await self._database.read(
            "SELECT * FROM campaign WHERE tenant = :t AND id = :c", t=tenant, c=campaign
        )
        if not rows:
            raise _missing(campaign)
        return rows[0]

    def _changed(self, row: Row) -> Campaign:
        self._by_event.clear()
        self.on_change()
        return self.of_row(row)

    async def list(self, tenant: TenantId, window: Window) -> Listed[Campaign]:
        """Return a page of campaigns, newest first."""
        clause, params = window.clause("id")
        rows = await self._database.read(
            f"SELECT * FROM campaign WHERE tenant = :t{clause}", t=tenant, **params
        )
        await self._vault.ready(tenant)
        return window.page(rows, self.of_row)


def _update(tx: Transaction, tenant: TenantId, campaign: str, columns: Row) -> int:
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    return tx.execute(
        f"UPDATE campaign SET {assignments} WHERE tenant = :t AND id = :c", t=tenant, c=campaign, **columns
    )


def _missing(campaign: str) -> NotFound:
    return NotFound(f"no campaign {campaign[:64]!r}", param="id")
