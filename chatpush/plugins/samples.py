"""Sample messages, events and receipts, so that a plugin's test is three lines.

Each is complete and plausible; name what matters to the test and leave the rest.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chatpush.domain import (
    Category,
    Content,
    ConversationId,
    DeliveryId,
    Event,
    EventId,
    Identity,
    IdentityKind,
    Item,
    ItemId,
    MessageId,
    OutgoingMessage,
    Receipt,
    ReceiptKind,
    TenantId,
    User,
    UserId,
)
from chatpush.plugins.contracts import Question, RankingRequest
from chatpush.plugins.exchange import Exchange

TENANT = TenantId("default")
MOMENT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def run(calling: Coroutine[Any, Any, Any]) -> Any:
    """Return what an async call returns, in a test that isn't async itself."""
    return asyncio.run(calling)


def user(name: str = "emma", **changes: Any) -> User:
    """Return a user."""
    return replace(User(TENANT, UserId(name), attributes={"name": name.title()}), **changes)


def identity(name: str = "emma") -> Identity:
    """Return a signed-in user's identity, as tools get it."""
    return Identity(TENANT, IdentityKind.USER, name)


def message(title: str = "Hello", body: str = "How are you?", **changes: Any) -> OutgoingMessage:
    """Return a message on its way to a user; ``data`` is the content's, the rest the message's own."""
    content = Content(title, body, data=changes.pop("data", {}))
    sample = OutgoingMessage(
        TENANT, MessageId("msg_1"), DeliveryId("dlv_1"), user(), Category.MARKETING, "hello@1", content
    )
    return replace(sample, **changes)


def exchange(name: str = "emma", purpose: str = "answer") -> Exchange:
    """Return a request to a language model about a user."""
    return Exchange(TENANT, UserId(name), purpose)


def question(text: str = "Where is my order?", **changes: Any) -> Question:
    """Return something a user writes in a chat."""
    return replace(Question(TENANT, UserId("emma"), ConversationId("cnv_1"), text, "en"), **changes)


def event(kind: str = "view", item: str | None = None, **changes: Any) -> Event:
    """Return something a user did."""
    sample = Event(TENANT, EventId("evt_1"), UserId("emma"), kind, MOMENT, ItemId(item) if item else None)
    return replace(sample, **changes)


def receipt(kind: ReceiptKind = ReceiptKind.SEEN, **changes: Any) -> Receipt:
    """Return a delivery's sign of life."""
    return replace(Receipt(DeliveryId("dlv_1"), kind, MOMENT), **changes)


def item(name: str = "lamp", **changes: Any) -> Item:
    """Return something that can be recommended."""
    return replace(Item(TENANT, ItemId(name), name.title(), stock=10), **changes)


def ranking(reader: User | None = None, *events: Event, **changes: Any) -> RankingRequest:
    """Return a request for ten items."""
    return replace(RankingRequest(TENANT, reader, events, 10, "en"), **changes)
