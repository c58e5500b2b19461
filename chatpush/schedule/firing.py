"""Fire a campaign: take a slot that can be taken once and start its run with it.

Slot row, run row and the campaign's next firing are one transaction; whoever
ticks, on however many nodes, a slot fires once. The run gets a copy of the
campaign with its template's version pinned, so that later changes are for later
runs.
"""

from datetime import datetime, timedelta
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import RunId, new_id, to_ms
from chatpush.notify.templates.templates import Templates
from chatpush.schedule.campaigns import Campaign, CampaignState
from chatpush.schedule.triggers import Slot
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

GRACE = timedelta(minutes=5)
"""A campaign that skips misfires still fires when it is no later than this."""
RUNNING, SKIPPED = "running", "skipped"


class Firing:
    """Starts runs."""

    def __init__(self, database: Database, vault: Vault, templates: Templates, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._templates = templates
        self._clock = clock

    async def fire_due(self, campaign: Campaign, now: datetime) -> RunId | None:
        """Fire the latest slot that is due, and say when the next one is."""
        trigger = campaign.definition.trigger
        slot = trigger.latest(campaign.checked_at, now)
        following = trigger.after(now)
        columns: dict[str, Any] = {
            "checked_at": to_ms(now),
            "next_at": to_ms(following.at) if following else None,
            "state": (CampaignState.ACTIVE if following else CampaignState.FINISHED).value,
        }
        late = slot is not None and not campaign.definition.catch_up and now - slot.at > GRACE
        if slot is None or late:
            await self._database.write(lambda tx: _set_campaign(tx, campaign, columns))
            return None
        return await self.fire(campaign, slot, columns)

    async def fire(self, campaign: Campaign, slot: Slot, columns: dict[str, Any]) -> RunId | None:
        """Take the slot and start its run in one transaction; None if another node did.

        ``columns`` move the campaign on in the same transaction.
        """
        run, now = RunId(new_id("run")), to_ms(self._clock.now())
        spec = await self._pinned(campaign)
        row: Row = {
            "tenant": campaign.tenant, "id": run, "campaign": campaign.id, "slot": slot.key,
            "state": RUNNING, "due_at": to_ms(slot.at), "started_at": now,
            "definition_sealed": self._vault.seal_json(
                campaign.tenant, "", "run", "definition", run, spec
            ),
        }  # fmt: skip

        def fire(tx: Transaction) -> RunId | None:
            if columns and not _set_campaign(tx, campaign, columns):
                return None  # paused, changed or deleted a moment ago
            taken = tx.insert(
                "slot",
                {"tenant": campaign.tenant, "campaign": campaign.id, "slot": slot.key, "run": run,
                 "fired_at": now},
                "(tenant, campaign, slot) DO NOTHING",
            )  # fmt: skip
            if not taken:
                return None
            if not campaign.definition.overlap and _is_running(tx, campaign):
                tx.insert(
                    "run",
                    row
                    | {"state": SKIPPED, "finished_at": now, "error": "the run before is still under way"},
                )
                return run
            tx.insert("run", row | {"finished_at": None, "error": ""})
            return run

        return await self._database.write(fire)

    async def _pinned(self, campaign: Campaign) -> dict[str, Any]:
        """Return the campaign with the versions its templates have now."""
        spec = dict(campaign.definition.spec)
        if campaign.definition.template is not None:
            spec["template"] = (await self._templates.get(campaign.tenant, spec["template"])).pinned
        if campaign.definition.variants:
            spec["variants"] = [
                {**one, "template": (await self._templates.get(campaign.tenant, one["template"])).pinned}
                for one in spec["variants"]
            ]
        return spec


def _set_campaign(tx: Transaction, campaign: Campaign, columns: dict[str, Any]) -> int:
    """Move a campaign on, unless somebody paused or changed it meanwhile."""
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    return tx.execute(
        f"""UPDATE campaign SET {assignments} WHERE tenant = :t AND id = :c
            AND state = 'active' AND updated_at = :u""",
        t=campaign.tenant, c=campaign.id, u=to_ms(campaign.updated_at), **columns,
    )  # fmt: skip


def _is_running(tx: Transaction, campaign: Campaign) -> bool:
    return bool(
        tx.query(
            "SELECT 1 FROM run WHERE tenant = :t AND campaign = :c AND state IN ('running', 'paused') LIMIT 1",
            t=campaign.tenant, c=campaign.id,
        )
    )  # fmt: skip
