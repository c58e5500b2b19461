"""What the outbox works on: a delivery with its user and its message opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatpush.domain import CampaignId, Content, DeliveryId, MessageId, OutgoingMessage, TenantId, User
from chatpush.notify.deciding.policy import Past
from chatpush.notify.messages.drafts import Accepted
from chatpush.notify.sending.claims import Outcome
from chatpush.store.database import Row

Concluded = tuple[Row, Outcome, str]


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery to be decided, rendered and sent. ``own`` None: its own data is still sealed in the row."""

    row: Row
    user: User
    accepted: Accepted
    past: tuple[Past, ...]
    own: Mapping[str, Any] | None = None

    @property
    def template(self) -> str:
        """The template of the user's variant, or the message's."""
        variant = self.row["variant"]
        found = [one.template for one in self.accepted.variants if one.name == variant]
        return found[0] if found else self.accepted.template


def outgoing(tenant: TenantId, job: Job, template: str, content: Content) -> OutgoingMessage:
    """Return a job's message as plugins and channels see it."""
    return OutgoingMessage(
        tenant=tenant,
        message=MessageId(job.row["message"]),
        delivery=DeliveryId(job.row["id"]),
        user=job.user,
        category=job.accepted.category,
        template=template,
        content=content,
        campaign=CampaignId(job.row["campaign"]) if job.row["campaign"] else None,
        priority=job.accepted.priority.value,
        ttl_seconds=job.accepted.ttl_seconds,
        collapse_key=job.row["collapse_key"],
        silent=job.accepted.silent,
        badge=None if isinstance(job.accepted.badge, bool) else job.accepted.badge,
        display_seconds=job.accepted.display_seconds,
    )
