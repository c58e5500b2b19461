"""Carry the runs of campaigns through, each user at most once.

A run goes through its audience page by page. A page's message and the run's
progress are one transaction: a process killed anywhere has done a page or has
not, and goes on behind what it did. The same holds for who pauses or cancels a
run: the page under way is either whole or not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import EPOCH, CampaignId, RunId, TenantId, UserId, from_ms, new_id, to_ms
from chatpush.errors import ChatpushError, Conflict, NotFound, Unavailable
from chatpush.notify.audience.audience import Audience
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.templates.templates import Templates
from chatpush.rounds import Worker
from chatpush.schedule import definition as definitions
from chatpush.schedule import moments
from chatpush.schedule.campaigns import Campaigns, CampaignState
from chatpush.schedule.definition import Definition
from chatpush.schedule.drafting import Addressed, Drafting, draft
from chatpush.schedule.firing import RUNNING, Firing
from chatpush.schedule.triggers import EventTrigger, Slot
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

PAGE_SIZE = 250
LEASE = timedelta(seconds=30)
MOST_ATTEMPTS = 8
FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=10)
"""No run waits longer on purpose: further ahead than this means that the clock was set back."""
AHEAD = timedelta(milliseconds=250)
"""A throttled run makes its next page this long before the present one is through."""
DEFINITIONS_KNOWN = 64
FINISHED, FAILED, PAUSED, CANCELLED = "finished", "failed", "paused", "cancelled"


class _MovedOn(Exception):
    """Somebody else carried the run on, paused or cancelled it; this page is not sent by us."""


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


class Runs(Worker):
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
        self._definitions: dict[str, Definition] = {}
        super().__init__("schedule.runs", self.turn)

    async def start(self) -> None:
        """Go on with runs that were under way; what this node had taken is free again."""
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE run SET leased_until = 0 WHERE state = 'running' AND leased_by = :n", n=self._node
            )
        )
        await super().start()

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
            self.ring()
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
        self.ring()
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

    async def pause(self, tenant: TenantId, campaign: str, run: str) -> Run:
        """Hold one run behind its present page; what it handed over goes out.

        Raises:
            NotFound: there is none of this id. Conflict: it is not under way.
        """
        return await self._turn_to(tenant, campaign, run, PAUSED, (RUNNING,))

    async def resume(self, tenant: TenantId, campaign: str, run: str) -> Run:
        """Let a paused run go on where it stopped.

        Raises:
            NotFound: there is none of this id. Conflict: it is not paused.
        """
        return await self._turn_to(tenant, campaign, run, RUNNING, (PAUSED,))

    async def cancel(self, tenant: TenantId, campaign: str, run: str) -> tuple[Run, int]:
        """End a run and stop what has not reached its users; return how many deliveries that was.

        Cancelling again is harmless and stops whatever a kill in between left.

        Raises:
            NotFound: there is none of this id. Conflict: it is over already.
        """
        ended = await self._turn_to(tenant, campaign, run, CANCELLED, (RUNNING, PAUSED, CANCELLED))
        return ended, await self._messages.cancel(tenant, cancel_key=run)

    async def _turn_to(
        self, tenant: TenantId, campaign: str, run: str, state: str, allowed: tuple[str, ...]
    ) -> Run:
        now = to_ms(self._clock.now())
        changed: dict[str, Any] = {"state": state, "leased_until": 0}
        if state == CANCELLED:
            changed["finished_at"] = now
        assignments = ", ".join(f"{name} = :{name}" for name in changed)
        among = ", ".join(f"'{one}'" for one in allowed)

        def turn(tx: Transaction) -> list[Row]:
            who = {"t": tenant, "c": campaign, "r": run}
            tx.execute(
                f"UPDATE run SET {assignments} WHERE tenant = :t AND campaign = :c AND id = :r"
                f" AND state IN ({among})",
                **who, **changed,
            )  # fmt: skip
            return tx.query("SELECT * FROM run WHERE tenant = :t AND campaign = :c AND id = :r", **who)

        rows = await self._database.write(turn)
        if not rows:
            raise NotFound(f"no run {run[:64]!r} of this campaign", param="run")
        if rows[0]["state"] != state:
            raise Conflict(
                f"this run is {rows[0]['state']}; only one that is {' or '.join(allowed)} can be {state}"
            )
        self.ring()
        return _run(rows[0])

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
        except _MovedOn:
            log.info("run was carried on, paused or cancelled meanwhile", run=row["id"])
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
            f"""SELECT * FROM run WHERE state = 'running' AND (leased_until <= :now OR leased_until > :absurd)
                AND NOT EXISTS (
                    SELECT 1 FROM campaign WHERE campaign.tenant = run.tenant
                    AND campaign.id = run.campaign AND campaign.state = 'paused')
                ORDER BY leased_until, id LIMIT 1 {tx.lock}""",
            now=now, absurd=now + LONGEST_WAIT // timedelta(milliseconds=1),
        )  # fmt: skip
        if not rows:
            return None
        until = now + int(LEASE.total_seconds() * 1000)
        _set_run(tx, rows[0], {"leased_by": self._node, "leased_until": until})
        return rows[0]

    async def _pause(self) -> float | None:
        """Return the seconds until a run that is to go on later goes on."""
        now = to_ms(self._clock.now())
        # What is due now was not claimed: its campaign is paused.
        rows = await self._database.read(
            "SELECT MIN(leased_until) AS at FROM run WHERE state = 'running' AND leased_until > :now", now=now
        )
        return None if rows[0]["at"] is None else float((rows[0]["at"] - now) / 1000)

    async def _page(self, row: Row) -> None:
        """Send one page and move behind it, in one transaction."""
        tenant, definition = TenantId(row["tenant"]), self._definition(row)
        size = moments.page_size(definition.throttle, self._page_size)
        page = await self._audience.page(tenant, definition.to, UserId(row["checkpoint"]), size)
        addressed = await self._drafting.address(tenant, definition, page.users) if page.users else []
        now = self._clock.now()
        due, paced_until = await self._moments(row, definition, addressed, now)
        done: dict[str, Any] = {
            "checkpoint": row["checkpoint"] if page.cursor is None else page.cursor,
            "users": row["users"] + len(page.users),
            "accepted": row["accepted"] + len(addressed),
            "skipped": row["skipped"] + len(page.users) - len(addressed),
            "attempts": 0,
            "paced_until": paced_until,
            # Runs take turns, page by page; a throttled one waits until its users are nearly through.
            "leased_until": max(to_ms(now), paced_until - AHEAD // timedelta(milliseconds=1)),
        }
        if page.cursor is None:
            done |= {"state": FINISHED, "finished_at": to_ms(now)}
        await self._send(row, definition, addressed, due, done)

    async def _moments(
        self, row: Row, definition: Definition, addressed: list[Addressed], now: datetime
    ) -> tuple[Mapping[UserId, datetime], int]:
        """Return when each user is due, and until when a throttled run's users are spread."""
        people = [one.user for one in addressed]
        if definition.throttle is not None:
            return moments.paced(people, definition.throttle, row["paced_until"], now)
        after = max(from_ms(row["due_at"]), now)
        return await self._drafting.moments(TenantId(row["tenant"]), definition, people, after), 0

    async def _send(
        self, row: Row, definition: Definition, addressed: list[Addressed], due: Mapping[UserId, datetime],
        done: dict[str, Any],
    ) -> None:  # fmt: skip
        tenant = TenantId(row["tenant"])

        def move(tx: Transaction) -> None:
            if not _move_in(tx, row, done):
                raise _MovedOn

        if not addressed:
            await self._database.write(move)
            return
        message = draft(definition, CampaignId(row["campaign"]), addressed, moments=due, cancel_key=row["id"])
        people = {one.user.id: one.user for one in addressed if one.user.created_at != EPOCH}
        await self._messages.room(len(addressed))
        await self._messages.accept(tenant, message, along=move, people=people)

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
        """Return what the run does; it never changes, so it is opened once."""
        known = self._definitions.get(row["id"])
        if known is None:
            tenant = TenantId(row["tenant"])
            spec = self._vault.open_json(tenant, "", "run", "definition", row["id"], row["definition_sealed"])
            if len(self._definitions) >= DEFINITIONS_KNOWN:
                self._definitions.clear()
            known = self._definitions[row["id"]] = definitions.parse(spec, from_ms(row["started_at"]))
        return known


def _move_in(tx: Transaction, row: Row, columns: dict[str, Any]) -> int:
    """Move a run on from where it was read, unless it is there no more."""
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    return tx.execute(
        f"UPDATE run SET {assignments} WHERE tenant = :t AND id = :r AND state = 'running' AND checkpoint = :seen"
        " AND users = :before",
        t=row["tenant"], r=row["id"], seen=row["checkpoint"], before=row["users"], **columns,
    )  # fmt: skip


def _set_run(tx: Transaction, row: Row, columns: dict[str, Any]) -> int:
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    return tx.execute(
        f"UPDATE run SET {assignments} WHERE tenant = :t AND id = :r AND state = 'running'",
        t=row["tenant"], r=row["id"], **columns,
    )  # fmt: skip


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
