"""Send messages, see what became of them, cancel them."""

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, Field

from chatpush.domain import Category, DeliveryState, MessageId, Role, UserId, iso
from chatpush.errors import Conflict, InvalidInput, TooLarge, TooMany
from chatpush.notify.listing import Window
from chatpush.notify.messages.messages import Messages
from chatpush.notify.messages.recall import Recalls
from chatpush.notify.messages.repeating import HTTP_KEY
from chatpush.notify.reporting.reporting import Message
from chatpush.web.api.deliveries import DeliveryOut, DeliveryPage, delivery_out
from chatpush.web.api.message_bodies import MessageIn
from chatpush.web.http.doors import Door
from chatpush.web.http.idempotency import HEADER
from chatpush.web.http.moments import Moment
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("messages")
READERS = Door(scope="messages:read", role=Role.VIEWER)
WRITERS = Door(scope="messages:write", role=Role.EDITOR)
SHOWN_DELIVERIES = 100
BATCH_AT_ONCE = 100


class MessageAccepted(BaseModel):
    """The message is on disk and on its way."""

    id: str
    status: Literal["accepted"] = "accepted"


class MessageOut(BaseModel):
    """What became of a message; ``counts`` are deliveries by state."""

    id: str
    status: Literal["processing", "open", "completed", "cancelled", "deleted"] = Field(
        description="open: fetched as users come."
    )
    template: str
    category: Category
    campaign: str | None
    cancel_key: str | None
    collapse_key: str | None
    created_at: Moment
    counts: dict[str, int]
    engagement: dict[str, int]
    fan_out: Literal["write", "read"] = Field(
        description="write: a row for each user; read: users fetch it when they come."
    )


class MessageDetail(MessageOut):
    """A message with its newest deliveries."""

    deliveries: list[DeliveryOut]
    has_more: bool


class MessagePage(BaseModel):
    """A page of messages."""

    data: list[MessageOut]
    has_more: bool


class OneUser(Body):
    """One user."""

    user: str = Field(min_length=1, max_length=128)


class BatchIn(Body):
    """Many messages at once; each is taken or refused by itself."""

    messages: list[MessageIn] = Field(min_length=1, max_length=1000)


class Refusal(BaseModel):
    """Why one message of a batch was not taken."""

    code: str
    detail: str
    param: str | None


class BatchItem(BaseModel):
    """What became of one message of a batch."""

    id: str | None
    status: Literal["accepted", "refused"]
    problem: Refusal | None


class BatchOut(BaseModel):
    """In the order of the batch."""

    data: list[BatchItem]
    accepted: int
    refused: int


class CancelIn(Body):
    """What to cancel: by id or cancel_key, for all its users or some."""

    id: str | None = Field(None, max_length=64)
    cancel_key: str | None = Field(None, min_length=1, max_length=128)
    to: list[OneUser] = Field(default_factory=list, max_length=1000, description="Only for these users.")


class DeleteIn(Body):
    """From whom to take a message back."""

    to: list[OneUser] = Field(default_factory=list, max_length=1000, description="Only from these users.")


class Deleted(BaseModel):
    """The message is being taken back."""

    id: str
    status: Literal["deleted"] = "deleted"


class Cancelled(BaseModel):
    """How many deliveries will not happen."""

    cancelled: int


class MessageQuery(PageQuery):
    """Filters of the list."""

    campaign: str = Field("", max_length=64, description="Only of this campaign.")
    template: str = Field("", max_length=80, description="Only of this template; name or name@version.")
    category: Category | None = Field(None, description="Only of this category.")
    cancel_key: str = Field("", max_length=128, description="Only with this cancel_key.")


class DeliveryQuery(PageQuery):
    """Filters of a message's deliveries."""

    state: DeliveryState | None = Field(None, description="Only in this state.")


@routes.post("/v1/messages", door=WRITERS, status=202, idempotent=True, location="/v1/messages/{id}")
async def send_message(call: Call, body: MessageIn) -> MessageAccepted:
    """Send a message to users, a topic, a segment or everyone."""
    key = call.request.headers.get(HEADER, "")
    scoped = f"{HTTP_KEY}{call.identity.subject}:{key}" if key else ""
    message = await call.need(Messages).accept(call.identity.tenant, body.draft(), scoped)
    return MessageAccepted(id=message)


@routes.post("/v1/messages/batch", door=WRITERS, status=202, idempotent=True)
async def send_batch(call: Call, body: BatchIn) -> BatchOut:
    """Send up to 1,000 messages; one that can't be taken stops none of the others."""
    key = call.request.headers.get(HEADER, "")
    items: list[BatchItem] = []
    for start in range(0, len(body.messages), BATCH_AT_ONCE):
        part = body.messages[start : start + BATCH_AT_ONCE]
        keys = [
            f"{HTTP_KEY}{call.identity.subject}:{key}#{start + index}" if key else ""
            for index in range(len(part))
        ]
        items += await asyncio.gather(
            *(_accepted(call, one, own) for one, own in zip(part, keys, strict=True))
        )
    taken = sum(item.status == "accepted" for item in items)
    return BatchOut(data=items, accepted=taken, refused=len(items) - taken)


@routes.get("/v1/messages", door=READERS)
async def list_messages(call: Call, query: MessageQuery) -> MessagePage:
    """List messages, newest first."""
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await call.need(Messages).list(
        call.identity.tenant, window, query.campaign, template=query.template,
        category=query.category or "", cancel_key=query.cancel_key,
    )  # fmt: skip
    return MessagePage(data=[MessageOut(**_message(one)) for one in page.data], has_more=page.has_more)


@routes.post("/v1/messages/cancel", door=WRITERS)
async def cancel_messages(call: Call, body: CancelIn) -> Cancelled:
    """Cancel what has not been sent yet, by a message's id or by cancel_key."""
    if (body.id is None) == (body.cancel_key is None):
        raise InvalidInput("give id or cancel_key, one of them", param="cancel_key")
    message = MessageId(body.id) if body.id is not None else None
    count = await call.need(Messages).cancel(
        call.identity.tenant, message=message, cancel_key=body.cancel_key or "", users=_users(body.to)
    )
    return Cancelled(cancelled=count)


@routes.post("/v1/messages/{id}/delete", door=WRITERS, status=202)
async def delete_message(call: Call, body: DeleteIn) -> Deleted:
    """Take a message back: from the queue, from inboxes, from the pages that show it."""
    message = MessageId(call.path["id"])
    await call.need(Recalls).delete(call.identity.tenant, message, _users(body.to))
    return Deleted(id=message)


@routes.get("/v1/messages/{id}", door=READERS)
async def get_message(call: Call) -> MessageDetail:
    """Return a message with its deliveries by state and the newest of them."""
    messages, message = call.need(Messages), MessageId(call.path["id"])
    found = await messages.get(call.identity.tenant, message)
    page = await messages.deliveries(call.identity.tenant, message, Window(SHOWN_DELIVERIES))
    shown = [delivery_out(report) for report in page.data]
    return MessageDetail(**_message(found), deliveries=shown, has_more=page.has_more)


@routes.get("/v1/messages/{id}/deliveries", door=READERS)
async def list_message_deliveries(call: Call, query: DeliveryQuery) -> DeliveryPage:
    """List a message's deliveries, newest first."""
    messages, message = call.need(Messages), MessageId(call.path["id"])
    await messages.get(call.identity.tenant, message)
    window = Window(query.limit, query.starting_after, query.ending_before)
    page = await messages.deliveries(call.identity.tenant, message, window, query.state or "")
    return DeliveryPage(data=[delivery_out(report) for report in page.data], has_more=page.has_more)


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "status": message.status,
        "template": message.template,
        "category": message.category,
        "campaign": message.campaign or None,
        "cancel_key": message.cancel_key or None,
        "collapse_key": message.collapse_key or None,
        "created_at": iso(message.accepted_at),
        "counts": message.counts,
        "engagement": message.engagement,
        "fan_out": message.fan_out,
    }


async def _accepted(call: Call, body: MessageIn, key: str) -> BatchItem:
    try:
        message = await call.need(Messages).accept(call.identity.tenant, body.draft(), key)
    except (InvalidInput, TooMany, TooLarge, Conflict) as error:
        problem = Refusal(code=error.code, detail=error.message, param=error.param)
        return BatchItem(id=None, status="refused", problem=problem)
    return BatchItem(id=message, status="accepted", problem=None)


def _users(given: list[OneUser]) -> list[UserId]:
    return list(dict.fromkeys(UserId(one.user) for one in given))
