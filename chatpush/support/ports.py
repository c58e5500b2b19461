"""What customer service asks of the rest of the house, as the shapes it calls.

``app.py`` hands in the real ones: the hub, the token issuer, the catalogue and
the inbox. Tests hand in recorders.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from chatpush.domain import ConversationId, DeliveryId, ItemId, Json, PromiseId, TenantId, UserId


class Publisher(Protocol):
    """A way to publish into a channel; the same idempotency key publishes once."""

    async def publish(
        self,
        tenant: TenantId,
        channel: str,
        data: Json,
        *,
        idempotency_key: str = "",
        tags: dict[str, str] | None = None,
        skip_history: bool = False,
    ) -> Any:
        """Append to the channel's log and wake its subscribers; or, skipping it, show it to them only."""
        ...


@dataclass(frozen=True, slots=True)
class Described:
    """The item or message a conversation is about, in words the assistant may use."""

    kind: str  # item, delivery
    id: str
    title: str
    text: str = ""
    price: str = ""
    currency: str = ""
    url: str = ""
    image: str = ""
    reason: str = ""
    item: str = ""  # the item itself, or the one a message was about
    brand: str = ""
    template: str = ""  # of the message
    campaign: str = ""  # what it is called
    reasons: Mapping[str, str] = field(default_factory=dict)  # why the message showed its items
    shown: "tuple[Described, ...]" = ()  # the items a message showed, as far as they are known

    def shown_in(self, message: "Described | None") -> "Described":
        """Return an item with what the message says that it was seen in: why it was shown, and by what."""
        if message is None:
            return self
        reason = message.reasons.get(self.item, self.reason)
        return replace(self, reason=reason, template=message.template, campaign=message.campaign)

    @property
    def items(self) -> "tuple[Described, ...]":
        """The items that "it" may mean here: the one at hand, or those the message showed."""
        return (self,) if self.kind == "item" else self.shown

    def card(self) -> dict[str, Any]:
        """Return it as a turn's card."""
        return {
            "id": self.id, "title": self.title, "price": self.price, "currency": self.currency,
            "image": self.image, "url": self.url, "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Notice:
    """A kept promise on its way to the user's inbox and badge."""

    tenant: TenantId
    user: UserId
    conversation: ConversationId
    promise: PromiseId
    locale: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to an address that a user gave in a conversation."""

    tenant: TenantId
    user: UserId
    id: str
    address: str
    subject: str
    body: str


IssueSubscription = Callable[[TenantId, UserId, str], str | Awaitable[str]]
DescribeItem = Callable[[TenantId, ItemId], Awaitable[Described | None]]
DescribeDelivery = Callable[[TenantId, UserId, DeliveryId], Awaitable[Described | None]]
FindItems = Callable[[TenantId, UserId, Sequence[str], int], Awaitable[Sequence[Described]]]
"""Find at most so many items, which this user may see, whose titles have all these words."""
LocaleOf = Callable[[TenantId, UserId], Awaitable[str]]
ReaderOf = Callable[[TenantId, UserId], Awaitable[frozenset[str]]]
"""The audiences a user belongs to: ``signed_in`` and attributes as ``name=value``."""
CarryOut = Callable[[TenantId, UserId, Any, dict[str, Any] | None], Awaitable[dict[str, Any]]]
"""Carry out a wish (returns what undoing it needs), or undo it, given what was before."""
Notify = Callable[[Notice], Awaitable[None]]
"""Called at least once per kept promise; ``notice.promise`` is the idempotency key."""
SendLetter = Callable[[Letter], Awaitable[None]]
"""Raises ``InvalidInput`` for what is refused for good, ``Unavailable`` for what may work later."""
PersonName = Callable[[TenantId, str], Awaitable[str]]
"""What a console person is called; empty if there is no such person."""
IsOnline = Callable[[TenantId, UserId], bool]
