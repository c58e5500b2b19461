"""The signed-in user's own messages: the list, the receipts, the reasons."""

from typing import Any

from pydantic import BaseModel, Field

from chatpush.domain import DeliveryId, ReceiptKind
from chatpush.notify.broadcasts import Broadcasts
from chatpush.notify.inbox import Inbox
from chatpush.notify.listing import Window
from chatpush.notify.receipts import Receipts
from chatpush.notify.trace import Trace
from chatpush.web.api.deliveries import Step, step_out
from chatpush.web.doors import Door
from chatpush.web.operations import Body, Call, Operations, PageQuery

routes = Operations("inbox")
USERS = Door(user=True)


class InboxPage(BaseModel):
    """A page of the inbox, and how many items are unread in all of it."""

    data: list[dict[str, Any]]
    has_more: bool
    unread: int


class ReceiptIn(Body):
    """What became of one delivery."""

    delivery: str = Field(min_length=1, max_length=64)
    kind: ReceiptKind


class ReceiptsIn(Body):
    """Receipts of several deliveries."""

    receipts: list[ReceiptIn] = Field(min_length=1, max_length=200)


class Unread(BaseModel):
    """How many items are unread now."""

    unread: int


class Why(BaseModel):
    """Why the user got a message."""

    delivery: str
    category: str
    template: str
    steps: list[Step]


class InboxQuery(PageQuery):
    """What to list."""

    deleted: bool = Field(False, description="Also messages that were taken back: their ids, deleted: true.")


@routes.get("/v1/me/inbox", door=USERS)
async def list_inbox(call: Call, query: InboxQuery) -> InboxPage:
    """List my messages, newest first."""
    inbox, tenant, user = call.need(Inbox), call.identity.tenant, call.identity.user
    window = Window(query.limit, query.starting_after, query.ending_before)
    await call.need(Broadcasts).read(tenant, user)
    page = await inbox.list(tenant, user, window, tombstones=query.deleted)
    return InboxPage(data=page.data, has_more=page.has_more, unread=await inbox.unread(tenant, user))


@routes.post("/v1/me/receipts", door=USERS)
async def record_receipts(call: Call, body: ReceiptsIn) -> Unread:
    """Say what became of my messages: delivered, seen, clicked, dismissed."""
    given = [(DeliveryId(one.delivery), one.kind) for one in body.receipts]
    unread = await call.need(Receipts).record(call.identity.tenant, call.identity.user, given)
    return Unread(unread=unread)


@routes.post("/v1/me/inbox/read-all", door=USERS)
async def read_all(call: Call) -> Unread:
    """Mark all my messages as seen."""
    await call.need(Broadcasts).read(call.identity.tenant, call.identity.user)
    await call.need(Inbox).read_all(call.identity.tenant, call.identity.user)
    return Unread(unread=await call.need(Inbox).unread(call.identity.tenant, call.identity.user))


@routes.get("/v1/me/inbox/{delivery}/why", door=USERS)
async def why(call: Call) -> Why:
    """Say why I got this message."""
    tenant, delivery = call.identity.tenant, DeliveryId(call.path["delivery"])
    item = await call.need(Inbox).item(tenant, call.identity.user, delivery)
    trace = await call.need(Trace).of(tenant, delivery)
    return Why(
        delivery=item["delivery"],
        category=item["category"],
        template=item["template"],
        steps=[step_out(entry) for entry in trace],
    )
