"""Reach users beyond open pages: all channels at once, or one after the other until a receipt.

Without ``escalate_after`` a user who is away gets the message by every channel
it names. With it the channels are a chain: the next one is used when no
receipt came in time, at once when a user has no address there, does not take
such messages by it or the channel failed for good; the first receipt ends it.
What a channel refuses, or what was tried too often, becomes a dead letter that
can be sent again.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import DeliveryState, TenantId, UserId, to_ms
from chatpush.notify.deciding.consenting import INBOX_NAMES
from chatpush.notify.messages.drafts import LIVE, Accepted
from chatpush.notify.reading.inbox import UNREAD
from chatpush.notify.sending.away import Away, AwayResult
from chatpush.notify.sending.claims import Claims, Outcome
from chatpush.notify.sending.dead_letters import answered, letter
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.notify.sending.marking import Marks, Ready, Step
from chatpush.store.database import Database, Transaction
from chatpush.store.parameters import among

NO_CHANNEL = "no_channel"
FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 900.0


class Reaching:
    """The channels beyond pages, for the deliveries of every tenant."""

    def __init__(
        self, database: Database, endpoints: Endpoints, away: Away, claims: Claims, marks: Marks, clock: Clock,
        *, max_attempts: int = 5,
    ) -> None:  # fmt: skip
        self._database = database
        self._endpoints = endpoints
        self._away = away
        self._claims = claims
        self._marks = marks
        self._clock = clock
        self._max_attempts = max_attempts
        self._ring_outbox: Callable[[], None] = _nobody

    def rings(self, ring_outbox: Callable[[], None]) -> None:
        """Let the outbox know when a result gave a delivery another time."""
        self._ring_outbox = ring_outbox

    def step_after(self, one: Ready) -> Step | None:
        """Return how a chain goes on after its present channel took the message; None: it does not."""
        following, stages = one.row["stage"] + 1, chain(one.accepted)
        if one.accepted.escalate_after is None or following >= len(stages):
            return None
        wait = timedelta(seconds=one.accepted.escalate_after)
        return Step(one.id, one.row["message"], following, stages[following], self._clock.now() + wait)

    async def send(self, tenant: TenantId, ready: list[Ready]) -> None:
        """Hand messages to their channels; results are written when providers answered."""
        wanted = {one.id: one.open_of(_channels(one)) for one in ready}
        names = sorted({name for channels in wanted.values() for name in channels})
        users = [UserId(one.row["user_id"]) for one in ready]
        known = await self._endpoints.addresses(tenant, users, names)
        badges = await self._badges(tenant, [one for one in ready if _counts(one)])
        for one in ready:
            addresses = [
                (channel, address)
                for channel in wanted[one.id]
                for address in known.get((UserId(one.row["user_id"]), channel), [])
            ]
            if not addresses:
                why = NO_CHANNEL if wanted[one.id] else "channel_closed"
                await self._record(tenant, one, AwayResult(failed={"": why}))
            elif busy := self._away.busy_seconds(channel for channel, _ in addresses):
                until = self._clock.now() + timedelta(seconds=busy)
                later = Outcome(DeliveryState(one.row["state"]), "channels_busy", until)
                await self._claims.conclude(tenant, [(one.row, later, "attempt")], self._clock.now())
            else:
                message = (
                    replace(one.message, badge=badges[one.row["user_id"]]) if _counts(one) else one.message
                )
                self._away.begin(message, addresses, self._recorder(tenant, one))

    async def _badges(self, tenant: TenantId, counting: list[Ready]) -> dict[str, int]:
        """Return the unread counts that the icons of these users' apps are to show."""
        if not counting:
            return {}
        users, now = {one.row["user_id"] for one in counting}, to_ms(self._clock.now())
        names, params = among(users)
        rows = await self._database.read(
            f"SELECT user_id, COUNT(*) AS n FROM inbox_item WHERE tenant = :t AND user_id IN {names}"
            f" AND {UNREAD} GROUP BY user_id",
            t=tenant, now=now, **params,
        )  # fmt: skip
        return dict.fromkeys(users, 0) | {row["user_id"]: int(row["n"]) for row in rows}

    def _recorder(self, tenant: TenantId, one: Ready) -> Callable[[AwayResult], Any]:
        return lambda result: self._record(tenant, one, result)

    async def _record(self, tenant: TenantId, one: Ready, result: AwayResult) -> None:
        """Write how the channels went."""
        for channel, address in result.gone:
            await self._endpoints.remove(tenant, UserId(one.row["user_id"]), channel, address)
        attempts = one.row["attempts"] + 1
        again = {name: said for name, said in result.again.items() if name not in result.sent}
        dead = dict(result.failed)
        if again and attempts >= self._max_attempts:
            dead |= {name: f"unavailable: {said}" for name, said in again.items()}
            again = {}
        await self._bury(tenant, one, {name: why for name, why in dead.items() if name}, attempts)
        if again:
            await self._try_again(tenant, one, again, attempts, result)
        elif result.sent:
            step = self.step_after(one)
            keep = frozenset([one.id]) if step else frozenset[str]()
            await self._marks.sent(tenant, [(one, result.sent)], keep=keep, steps=[step] if step else [])
        else:
            await self._give_up(tenant, one, dead)
        self._ring_outbox()

    async def _try_again(
        self, tenant: TenantId, one: Ready, again: dict[str, str], attempts: int, result: AwayResult
    ) -> None:
        """Come back for the channels that are left, not before their providers want us to."""
        if result.sent:
            await self._marks.sent(tenant, [(one, result.sent)], keep=frozenset([one.id]))
        left = "" if one.accepted.escalate_after is not None else ",".join(again)
        now = self._clock.now()
        tries = [answered(tenant, one.id, name, said, attempts, now) for name, said in again.items()]

        def write(tx: Transaction) -> None:
            tx.execute(
                "UPDATE delivery SET left_channels = :left WHERE tenant = :t AND id = :d",
                left=left, t=tenant, d=one.id,
            )  # fmt: skip
            tx.insert_many("trace_entry", tries)

        await self._database.write(write)
        went = bool(result.sent) or one.row["sent_at"] is not None or one.shows
        state = DeliveryState.SENT if went else DeliveryState.QUEUED
        wait = max([retry_after(attempts), *(timedelta(seconds=asked) for asked in result.waits)])
        outcome = Outcome(state, "channel_unavailable", now + wait, attempted=True)
        await self._claims.conclude(tenant, [(one.row, outcome, "attempt")], now)

    async def _give_up(self, tenant: TenantId, one: Ready, dead: dict[str, str]) -> None:
        """Go on to the next channel of a chain at once, or say that it ends here."""
        now = self._clock.now()
        nowhere = dead.get("", "")
        step, why = self.step_after(one), nowhere or "channel_failed"
        if step is not None:
            await self._marks.go_on(tenant, replace(step, due_at=now, reason=why), failed=_channels(one)[0])
            return
        if why == NO_CHANNEL and one.closed:
            why = f"{NO_CHANNEL}: closed {', '.join(one.closed)}"
        went = one.shows or one.row["sent_at"] is not None
        state = DeliveryState.SUPPRESSED if nowhere else DeliveryState.FAILED
        outcome = Outcome(
            DeliveryState.SENT if went else state,
            why,
            attempted=not nowhere,
            buried=True,
        )
        await self._claims.conclude(tenant, [(one.row, outcome, "attempt")], now)

    async def _bury(self, tenant: TenantId, one: Ready, dead: dict[str, str], attempts: int) -> None:
        if dead:
            now = self._clock.now()
            letters = [letter(tenant, one.row, channel, why, attempts, now) for channel, why in dead.items()]
            last = [
                answered(tenant, one.id, name, why, attempts, now, final=True) for name, why in dead.items()
            ]

            def write(tx: Transaction) -> None:
                tx.insert_many("dead_letter", letters)
                tx.insert_many("trace_entry", last)

            await self._database.write(write)


def _nobody() -> None:
    """Before the outbox is there, nobody needs to know."""


def _counts(one: Ready) -> bool:
    """Whether a message brings the count of unread ones along."""
    return one.accepted.badge is True and not one.accepted.silent


def chain(accepted: Accepted) -> list[str]:
    """Return the channels of a chain in their order; the inbox and open pages are one."""
    return list(dict.fromkeys(LIVE if name in INBOX_NAMES else name for name in accepted.channels))


def on_pages(one: Ready) -> bool:
    """Return whether inbox and pages are what a delivery is to use now."""
    if one.accepted.escalate_after is None:
        return one.shows and one.row["published_at"] is None
    stages = chain(one.accepted)
    return one.row["stage"] < len(stages) and stages[one.row["stage"]] == LIVE and one.shows


def retry_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: ever longer, never in step with others."""
    seconds = min(FIRST_RETRY_SECONDS * 4.0 ** (attempts - 1), LONGEST_RETRY_SECONDS)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))


def _channels(one: Ready) -> list[str]:
    """Return the channels to use now."""
    if one.accepted.escalate_after is not None:
        stages = chain(one.accepted)
        return [stages[min(one.row["stage"], len(stages) - 1)]]
    left: str = one.row["left_channels"]
    return left.split(",") if left else one.accepted.away_channels
