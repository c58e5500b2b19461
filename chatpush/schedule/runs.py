"""Carry the runs of campaigns through, each user at most once.

A run goes through its audience page by page. Before a page is sent, its end is written
down; its message carries the run and the page's beginning as idempotency key.
So a process killed anywhere does the same page again, gets the same message
back, and goes on behind it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import CampaignId, RunId, TenantId, UserId, from_ms, new_id, to_ms
from chatpush.errors import ChatpushError, Conflict, KeyReused, NotFound, Unavailable
from chatpush.notify.audience import Audience
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages import Messages
from chatpush.notify.templates import Templates
from chatpush.rounds import Rounds
from chatpush.schedule import definition as definitions
from chatpush.schedule.campaigns import Campaigns, CampaignState
from chatpush.schedule.definition import Definition
from chatpush.schedule.drafting import Addressed, Drafting, draft
from chatpush.schedule.firing import Firing
from chatpush.schedule.triggers import EventTrigger, Slot
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

PAGE_SIZE = 250
LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 8
FIRST_BACKOFF = timedelta(seconds=1)
BEFORE_ALL = " "
"""Sorts before every user id: the end of a page without users."""
FINISHED, FAILED = "finished", "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One firing of a campaign and how far it is."""

    id: RunId
    campaign: CampaignId
    slot: str
    state: str
    due_at: datetime
    started_at: datetime
    finished_at: datetime | None
    users: int
    accepted: int
    skipped: int
    error: str


class Runs:
    """The runs of every tenant; a background loop carries them on."""

    def __init__(
        self, database: Database, vault: Vault, campaigns: Campaigns, audience: Audience, messages: Messages,
        templates: Templates, drafting: Drafting, clock: Clock, *, node: str = "embedded",
        page_size: int = PAGE_SIZE,
    ) -> None:  # fmt: skip
        self._database = database
        self._vault = vault
        self._campaigns = campaigns
        self._audience = audience
        self._messages = messages
        self._firing = Firing(database, vault, templates, clock)
        self._drafting = drafting
        self._clock = clock
        self._node = node
        self._page_size = page_size
        self._rounds = Rounds("schedule.runs", self.turn)

    async def start(self) -> None:
        """Go on with runs that were under way; what this node had taken is free again."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE run SET leased_until = 0 WHERE state = 'running' AND leased_by = :n", n=self._node
            )
        )
        await self._rounds.start()

    async def stop(self) -> None:
        """Finish the present page."""
        await self._rounds.stop()

    def ring(self) -> None:
        """Say that a run may go on."""
        self._rounds.ring()

    async def tick(self) -> list[RunId]:
        """Fire what is due and return the runs it started.

        Of slots that were missed, only the latest is made up for.
        """
        now = self._clock.now()
        runs: list[RunId] = []
        for campaign in await self._campaigns.due(now):
            try:
                run = await self._firing.fire_due(campaign, now)
            except ChatpushError as error:
                log.error("campaign did not fire", campaign=campaign.id, error=error.message)
                continue
            runs += [run] if run is not None else []
        if runs:
            self._rounds.ring()
        return runs

    async def run_now(self, tenant: TenantId, campaign: str) -> Run:
        """Start a run out of turn.

        Raises:
            NotFound: there is none of this id. Conflict: it is paused, or waits for events.
        """
        found = await self._campaigns.get(tenant, campaign)
        if isinstance(found.definition.trigger, EventTrigger):
            raise Conflict("an event campaign runs when its event comes; POST /v1/events to try it")
        if found.state is CampaignState.PAUSED:
            raise Conflict("this campaign is paused; resume it first")
        now = self._clock.now()
        run = await self._firing.fire(found, Slot(f"manual {new_id('now')}", now), {})
        self._rounds.ring()
        assert run is not None  # a slot of its own can't be taken
        return await self.get(tenant, run)

    async def get(self, tenant: TenantId, run: str) -> Run:
        """Return a run.

        Raises:
            NotFound: there is none of this id.
        """
        rows = await self._database.read("SELECT * FROM run WHERE tenant = :t AND id = :r", t=tenant, r=run)
        if not rows:
            raise NotFound(f"no run {run[:64]!r}", param="run")
        return _run(rows[0])

    async def of_campaign(self, tenant: TenantId, campaign: str, window: Window) -> Listed[Run]:
        """Return a page of a campaign's runs, newest first."""
        await self._campaigns.get(tenant, campaign)
        clause, params = window.clause("id")
        rows = await self._database.read(
            f"SELECT * FROM run WHERE tenant = :t AND campaign = :c{clause}", t=tenant, c=campaign, **params
        )
        return window.page(rows, _run)

    async def forget(self, keep: timedelta) -> int:
        """Delete runs that ended longer ago than that, and their slots; return how many.

        An old slot can't fire again: a campaign never looks back beyond ``checked_at``.
        """
        before = to_ms(self._clock.now() - keep)

        def forget(tx: Transaction) -> int:
            tx.execute("DELETE FROM slot WHERE fired_at < :b AND slot <> 'once'", b=before)
            return tx.execute("DELETE FROM run WHERE state <> 'running' AND finished_at < :b", b=before)

        return await self._database.write(forget)

    async def turn(self) -> float | None:
        """Carry one run on by one page; say when to come again."""
        row = await self._database.write(self._claim)
        if row is None:
            return await self._pause()
        try:
            await self._vault.ready(row["tenant"])
            await self._page(row)
        except (Unavailable, TimeoutError, OSError) as error:
            await self._later(row, str(error))
        except ChatpushError as error:
            await self._give_up(row, error.message)
        except Exception as error:
            log.exception("run failed on a page", run=row["id"])
            await self._later(row, f"{type(error).__name__}: {error}")
        return 0

    def _claim(self, tx: Transaction) -> Row | None:
        """Take the run that waits longest; it is ours until the lease ends."""
        now = to_ms(self._clock.now())
        rows = tx.query(
            f"""SELECT * FROM run WHERE state = 'running' AND leased_until <= :now AND NOT EXISTS (
                    SELECT 1 FROM campaign WHERE campaign.tenant = run.tenant
                    AND campaign.id = run.campaign AND campaign.state = 'paused')
                ORDER BY leased_until, id LIMIT 1 {tx.lock}""",
            now=now,
        )
        if not rows:
            return None
        until = now + int(LEASE.total_seconds() * 1000)
        _set_run(tx, rows[0], {"leased_by": self._node, "leased_until": until})
        return rows[0]

    async def _pause(self) -> float | None:
        """Return the seconds until a run that is to go on later goes on."""
        rows = await self._database.read("SELECT MIN(leased_until) AS at FROM run WHERE state = 'running'")
        now = to_ms(self._clock.now())
        if rows[0]["at"] is None or rows[0]["at"] <= now:
            return None  # none, or one whose campaign is paused
        return float((rows[0]["at"] - now) / 1000)

    async def _page(self, row: Row) -> None:
        """Send one page and move behind it."""
        tenant, definition = TenantId(row["tenant"]), self._definition(row)
        users, end, last = await self._users(row, definition)
        if not row["page_end"]:
            await self._database.write(
                lambda tx: _set_run(tx, row, {"page_end": end, "page_last": int(last)})
            )
        addressed = await self._drafting.address(tenant, definition, users) if users else []
        await self._send(row, definition, addressed)
        done = {
            "checkpoint": end,
            "page_end": "",
            "page_last": 0,
            "users": row["users"] + len(users),
            "accepted": row["accepted"] + len(addressed),
            "skipped": row["skipped"] + len(users) - len(addressed),
            "attempts": 0,
            "leased_until": to_ms(self._clock.now()),  # runs take turns, page by page
        }
        if last:
            done |= {"state": FINISHED, "finished_at": to_ms(self._clock.now())}
        await self._database.write(lambda tx: _set_run(tx, row, done))

    async def _users(self, row: Row, definition: Definition) -> tuple[list[UserId], str, bool]:
        """Return the page's users, its end, and whether it is the last.

        A page begun before (``page_end`` is known) is exactly that one again: users who
        joined since between its bounds were never sent to under another key.
        """
        tenant, start = TenantId(row["tenant"]), UserId(row["checkpoint"])
        if not row["page_end"]:
            page = await self._audience.page(tenant, definition.to, start, self._page_size)
            if page.cursor is not None:
                return page.users, page.cursor, False
            return page.users, page.users[-1] if page.users else start or BEFORE_ALL, True
        users: list[UserId] = []
        cursor: UserId | None = start
        while cursor is not None and cursor < row["page_end"]:
            page = await self._audience.page(tenant, definition.to, cursor, self._page_size)
            users += [user for user in page.users if user <= row["page_end"]]
            cursor = page.cursor
        return users, row["page_end"], bool(row["page_last"])

    async def _send(self, row: Row, definition: Definition, addressed: Sequence[Addressed]) -> None:
        """Hand the page to notify: one message, or one each where everybody has their own hour."""
        tenant, campaign = TenantId(row["tenant"]), CampaignId(row["campaign"])
        if not definition.best_hour:
            if addressed:
                key = f"run:{row['id']}:after:{row['checkpoint']}"
                await self._accept(tenant, definition, campaign, addressed, key, None)
            return
        after = max(from_ms(row["due_at"]), self._clock.now())
        hours = await self._drafting.hours(tenant, [one.user for one in addressed], after)
        # Side by side, so that they share commits; each is idempotent, so a failing one leaves no harm.
        outcomes = await asyncio.gather(
            *(
                self._accept(
                    tenant, definition, campaign, [one], f"run:{row['id']}:user:{one.user.id}",
                    hours[one.user.id],
                )
                for one in addressed
            ),
            return_exceptions=True,
        )  # fmt: skip
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _accept(
        self, tenant: TenantId, definition: Definition, campaign: CampaignId, to: Sequence[Addressed],
        key: str, send_at: datetime | None,
    ) -> None:  # fmt: skip
        try:
            await self._messages.accept(tenant, draft(definition, campaign, to, send_at=send_at), key)
        except KeyReused:
            # Sent before the process was killed; picks or hours have moved on since.
            log.info("page was sent before", campaign=campaign, key=key)

    async def _later(self, row: Row, error: str) -> None:
        """Try the page again after a while; give up when it never works."""
        attempts = row["attempts"] + 1
        if attempts >= MOST_ATTEMPTS:
            await self._give_up(row, error)
            return
        wait = FIRST_BACKOFF * 2 ** (attempts - 1)
        until = to_ms(self._clock.now() + wait)
        changed = {"attempts": attempts, "leased_until": until, "error": error[:500]}
        await self._database.write(lambda tx: _set_run(tx, row, changed))
        log.warning("run will go on later", run=row["id"], error=error, seconds=wait.total_seconds())

    async def _give_up(self, row: Row, error: str) -> None:
        now = to_ms(self._clock.now())
        changed = {"state": FAILED, "finished_at": now, "error": error[:500]}
        await self._database.write(lambda tx: _set_run(tx, row, changed))
        log.error("run failed", run=row["id"], campaign=row["campaign"], error=error)

    def _definition(self, row: Row) -> Definition:
        tenant = TenantId(row["tenant"])
        spec = self._vault.open_json(tenant, "", "run", "definition", row["id"], row["definition_sealed"])
        return definitions.parse(spec, from_ms(row["started_at"]))


def _set_run(tx: Transaction, row: Row, columns: dict[str, Any]) -> int:
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    return tx.execute(
        f"UPDATE run SET {assignments} WHERE tenant = :t AND id = :r", t=row["tenant"], r=row["id"], **columns
    )


def _run(row: Row) -> Run:
    return Run(
        id=RunId(row["id"]),
        campaign=CampaignId(row["campaign"]),
        slot=row["slot"],
        state=row["state"],
        due_at=from_ms(row["due_at"]),
        started_at=from_ms(row["started_at"]),
        finished_at=from_ms(row["finished_at"]) if row["finished_at"] is not None else None,
        users=row["users"],
        accepted=row["accepted"],
        skipped=row["skipped"],
        error=row["error"],
    )
