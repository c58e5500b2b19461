"""Write that deliveries went out: state, trace and meter in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.account.metering import Meter
from chatpush.account.plans import Kind
from chatpush.clock import Clock
from chatpush.domain import OutgoingMessage, TenantId, new_id, to_ms
from chatpush.notify.deciding.consenting import INBOX, canonical
from chatpush.notify.messages.drafts import Accepted
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.reading.trace import entry
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery that may go now, rendered and filtered; ``grounds`` is the policy's reason.

    ``filtered`` says that a plugin changed its words, ``closed`` by which channels
    the user does not take it (their names in consents).
    """

    row: Row
    message: OutgoingMessage
    accepted: Accepted
    grounds: str
    filtered: bool = False
    closed: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The delivery's id."""
        return str(self.row["id"])

    @property
    def shows(self) -> bool:
        """Whether it goes to this user's inbox and open pages."""
        return self.accepted.shows and INBOX not in self.closed

    @property
    def away_channels(self) -> list[str]:
        """The channels for when this user is away."""
        channels = self.accepted.away_channels
        return self.open_of(channels) if self.closed else channels

    def open_of(self, channels: Sequence[str]) -> list[str]:
        """Return those of some channels that are open to this user."""
        return [name for name in channels if canonical(name) not in self.closed]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a chain goes on, and when, unless a receipt comes first."""

    delivery: str
    message: str
    stage: int
    channel: str
    due_at: datetime
    reason: str = "awaiting_receipt"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A delivery whose place in the inbox a newer message took."""

    delivery: str
    message: str
    by: str


class Marks:
    """Marks deliveries as sent."""

    def __init__(self, database: Database, meter: Meter, clock: Clock, happenings: Happenings) -> None:
        self._database = database
        self._happenings = happenings
        self._meter = meter
        self._clock = clock

    async def sent(
        self, tenant: TenantId, sent: Sequence[tuple[Ready, list[str]]], *, keep: frozenset[str] = frozenset(),
        steps: Sequence[Step] = (),
    ) -> None:  # fmt: skip
        """Write that deliveries went out by these channels; those in ``keep`` stay pending."""
        if not sent:
            return
        now, page = self._clock.now(), new_id("page")
        traces = _sent_entries(tenant, sent, now)
        noted = [(one.row["message"], one.id, {"channels": channels}) for one, channels in sent if channels]
        resting = [one.id for one, _ in sent if one.id not in keep]
        waiting = [one.id for one, _ in sent if one.id in keep]

        def write(tx: Transaction) -> None:
            used = _mark_in(tx, tenant, resting, 0, now) + _mark_in(tx, tenant, waiting, 1, now)
            tx.insert_many("trace_entry", traces)
            self._happenings.note_in(tx, tenant, "delivery.sent", noted)
            for step in steps:
                self._step_in(tx, tenant, step)
            if used:
                self._meter.record_in(tx, tenant, Kind.MESSAGES, used, page)

        await self._database.write(write)
        self._happenings.ring(tenant, "delivery.sent", "delivery.replaced")

    def replaced_in(self, tx: Transaction, tenant: TenantId, replaced: Sequence[Replaced]) -> None:
        """Write that what inboxes showed of deliveries gave way to newer ones of their collapse key."""
        if not replaced:
            return
        now = self._clock.now()
        noted = [(one.message, one.delivery, {"by": one.by}) for one in replaced]
        self._happenings.note_in(tx, tenant, "delivery.replaced", noted)
        traces = [entry(tenant, one.delivery, "collapse", "replaced", now, by=one.by) for one in replaced]
        tx.insert_many("trace_entry", traces)

    async def go_on(self, tenant: TenantId, step: Step, failed: str) -> None:
        """Let a chain go on at once, because a channel of it did not take the message."""
        now = self._clock.now()
        trace = entry(tenant, step.delivery, "escalation", "next", now, channel=failed, reason=step.reason)

        def write(tx: Transaction) -> None:
            self._step_in(tx, tenant, step)
            tx.insert("trace_entry", trace)

        await self._database.write(write)

    def _step_in(self, tx: Transaction, tenant: TenantId, step: Step) -> None:
        """Let a chain go on later; a receipt or a cancel that was faster has ended it."""
        moved = tx.execute(
            "UPDATE delivery SET stage = :stage, attempts = 0, due_at = :due, claimed_by = '',"
            " reason = 'awaiting_receipt' WHERE tenant = :t AND id = :d AND pending = 1",
            stage=step.stage, due=to_ms(step.due_at), t=tenant, d=step.delivery,
        )  # fmt: skip
        if moved:
            said = {"next": step.channel, "reason": step.reason, "until": step.due_at.isoformat()}
            self._happenings.step_in(tx, tenant, "delivery.escalating", [(step.message, step.delivery, said)])


def _mark_in(tx: Transaction, tenant: TenantId, ids: list[str], pending: int, now: datetime) -> int:
    """Mark deliveries as sent; return how many of them nobody had marked before.

    A receipt may have been faster than we are: ``delivered`` stays, and its chain has ended.
    """
    if not ids:
        return 0
    names, params = among(ids)
    mark = (
        "UPDATE delivery SET state = CASE WHEN delivered_at IS NULL THEN 'sent' ELSE 'delivered' END,"
        " reason = '', pending = CASE WHEN delivered_at IS NULL THEN :p ELSE 0 END, left_channels = '',"
        " claimed_by = CASE WHEN :p = 1 THEN claimed_by ELSE '' END,"
        " sent_at = COALESCE(sent_at, :now), published_at = COALESCE(published_at, :now),"
        f" settled_at = COALESCE(settled_at, :now) WHERE tenant = :t AND id IN {names}"
    )
    given = {"p": pending, "now": to_ms(now), "t": tenant, **params}
    first = tx.execute(f"{mark} AND sent_at IS NULL", **given)
    if first < len(ids):
        tx.execute(mark, **given)
    return first


def _sent_entries(tenant: TenantId, sent: Sequence[tuple[Ready, list[str]]], now: datetime) -> list[Row]:
    """Return the trace of what went out; most of a page has the same words, which are written down once.

    An entry's id is its place among those of its delivery, so one does for the page.
    """
    alike: dict[tuple[Any, ...], Row] = {}
    entries: list[Row] = []
    for one, channels in sent:
        if not channels:
            continue
        kind = (one.grounds, *channels, one.message.template, one.filtered, one.row["variant"], one.closed)
        known = alike.get(kind)
        if known is None:
            known = alike[kind] = _sent_entry(tenant, one, channels, now)
        entries.append({**known, "delivery": one.row["id"]})
    return entries


def _sent_entry(tenant: TenantId, one: Ready, channels: list[str], now: datetime) -> Row:
    return entry(
        tenant, one.id, "delivery", "sent", now, because=one.grounds, channels=channels,
        template=one.message.template, **({"filtered": True} if one.filtered else {}),
        **({"variant": one.row["variant"]} if one.row["variant"] else {}),
        **({"closed": one.closed} if one.closed else {}),
    )  # fmt: skip
