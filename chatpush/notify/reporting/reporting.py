"""Say what became of messages and of each of their deliveries."""

from dataclasses import dataclass
from datetime import datetime

from chatpush.domain import DeliveryId, MessageId, UserId, from_ms
from chatpush.store.database import Row

ENGAGEMENT = (
    "COUNT(*) AS n, COUNT(delivered_at) AS delivered, COUNT(seen_at) AS seen,"
    " COUNT(read_at) AS read_count, COUNT(clicked_at) AS clicked, COUNT(replied_at) AS replied,"
    " COUNT(dismissed_at) AS dismissed, COUNT(archived_at) AS archived, COUNT(snoozed_at) AS snoozed"
)
KINDS = {
    "seen": "seen", "read": "read_count", "clicked": "clicked", "replied": "replied", "dismissed": "dismissed",
    "archived": "archived", "snoozed": "snoozed",
}  # fmt: skip
MOMENTS = (
    "sent_at", "delivered_at", "seen_at", "read_at", "clicked_at", "replied_at", "dismissed_at", "archived_at",
    "snoozed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """What became of a message: how many of its deliveries are in which state.

    ``status`` is processing, completed, cancelled or deleted; open while
    readers may still come (``fan_out`` read).
    """

    id: MessageId
    status: str
    template: str
    category: str
    campaign: str
    cancel_key: str
    collapse_key: str
    accepted_at: datetime
    counts: dict[str, int]
    engagement: dict[str, int]
    fan_out: str = "write"


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One user's part of a message."""

    id: DeliveryId
    message: MessageId
    user: UserId
    state: str
    reason: str
    campaign: str
    variant: str
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    delivered_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None
    clicked_at: datetime | None
    replied_at: datetime | None
    dismissed_at: datetime | None
    archived_at: datetime | None
    snoozed_at: datetime | None


def sums(counted: list[Row]) -> tuple[dict[str, int], dict[str, int]]:
    """Return (deliveries by state, engagement) of rows counted with ``ENGAGEMENT``."""
    counts = {row["state"]: row["n"] for row in counted}
    return counts, {kind: sum(row[column] for row in counted) for kind, column in KINDS.items()}


def message_of(row: Row, counted: list[Row]) -> Message:
    """Return a row of table ``message`` with its counted deliveries."""
    counts, engagement = sums(counted)
    waiting = row["fanned_at"] is None or any(one["pending"] for one in counted)
    status = row["state"]
    if status == "accepted":
        status = "processing" if waiting else "open" if row["fan_out"] == "read" else "completed"
    return Message(
        id=MessageId(row["id"]),
        status=status,
        template=row["template"],
        category=row["category"],
        campaign=row["campaign"],
        cancel_key=row["cancel_key"],
        collapse_key=row["collapse_key"],
        accepted_at=from_ms(row["accepted_at"]),
        counts=counts,
        engagement=engagement,
        fan_out=row["fan_out"],
    )


def report_of(row: Row) -> DeliveryReport:
    """Return a row of table ``delivery`` as a report."""
    times = {name: from_ms(row[name]) if row[name] is not None else None for name in MOMENTS}
    return DeliveryReport(
        id=DeliveryId(row["id"]),
        message=MessageId(row["message"]),
        user=UserId(row["user_id"]),
        state=row["state"],
        reason=row["reason"],
        campaign=row["campaign"],
        variant=row["variant"],
        due_at=from_ms(row["due_at"]),
        attempts=row["attempts"],
        **times,
    )
