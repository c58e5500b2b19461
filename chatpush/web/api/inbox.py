"""The signed-in user's own messages: the list, the receipts, the reasons."""

from pydantic import BaseModel, Field

from chatpush.domain import Category, DeliveryId, ReceiptKind, TenantId, UserId
from chatpush.errors import InvalidInput
from chatpush.notify.listing import Window
from chatpush.notify.messages.broadcasts import Broadcasts
from chatpush.notify.reading.inbox import Filter, Inbox, Shelf
from chatpush.notify.reading.receipts import Receipts
from chatpush.notify.reading.shelving import Shelving
from chatpush.web.api.deliveries import WhyOut, WhyQuery, explained
from chatpush.web.api.shapes import Shelved
from chatpush.web.http.doors import Door
from chatpush.web.http.moments import Instant
from chatpush.web.http.operations import Body, Call, Operations, PageQuery

routes = Operations("inbox")
USERS = Door(user=True)


class InboxPage(BaseModel):
    """A page of the inbox, and how many items are unread in all of it."""

    data: list[Shelved]
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


class SnoozeIn(Body):
    """Until when a message is put aside."""

    until: Instant = Field(description="With an offset: 2026-12-01T09:00:00+01:00.")


class InboxQuery(PageQuery):
    """What to list."""

    state: Shelf = Field(Shelf.ACTIVE, description="active, archived or snoozed.")
    category: Category | None = Field(None, description="Only of this category.")
    tag: str = Field("", max_length=64, description="Only with this tag.")
    unread: bool = Field(False, description="Only what is unread.")
    deleted: bool = Field(False, description="Also messages that were taken back: their ids, deleted: true.")


@routes.get("/v1/me/inbox", door=USERS)
async def list_inbox(call: Call, query: InboxQuery) -> InboxPage:
    """List my messages, newest first."""
    inbox, tenant, user = call.need(Inbox), call.identity.tenant, call.identity.user
    window = Window(query.limit, query.starting_after, query.ending_before)
    await call.need(Broadcasts).read(tenant, user)
    wanted = Filter(query.state, query.category, query.tag, unread=query.unread, tombstones=query.deleted)
    page = await inbox.list(tenant, user, window, wanted)
    return InboxPage(data=page.data, has_more=page.has_more, unread=await inbox.unread(tenant, user))


@routes.post("/v1/me/receipts", door=USERS)
async def record_receipts(call: Call, body: ReceiptsIn) -> Unread:
    """Say what became of my messages: delivered, seen, read, clicked, replied, dismissed, archived."""
    if any(one.kind is ReceiptKind.SNOOZED for one in body.receipts):
        raise InvalidInput("POST /v1/me/inbox/{delivery}/snooze says until when", param="receipts.kind")
    given = [(DeliveryId(one.delivery), one.kind) for one in body.receipts]
    unread = await call.need(Receipts).record(call.identity.tenant, call.identity.user, given)
    return Unread(unread=unread)


@routes.post("/v1/me/inbox/read-all", door=USERS)
async def read_whole_inbox(call: Call) -> Unread:
    """Mark all my messages as seen."""
    await call.need(Broadcasts).read(call.identity.tenant, call.identity.user)
    return Unread(unread=await call.need(Receipts).see_all(call.identity.tenant, call.identity.user))


@routes.post("/v1/me/inbox/{delivery}/archive", door=USERS)
async def archive_message(call: Call) -> Unread:
    """Put a message away; it leaves the list and the count."""
    return Unread(unread=await call.need(Shelving).archive(*_mine(call)))


@routes.post("/v1/me/inbox/{delivery}/unarchive", door=USERS)
async def unarchive_message(call: Call) -> Unread:
    """Bring a message back to the list, from the archive or from its snooze."""
    return Unread(unread=await call.need(Shelving).bring_back(*_mine(call)))


@routes.post("/v1/me/inbox/{delivery}/snooze", door=USERS)
async def snooze_message(call: Call, body: SnoozeIn) -> Unread:
    """Put a message aside until a time; then it comes back by itself, unread."""
    return Unread(unread=await call.need(Shelving).snooze(*_mine(call), body.until))


@routes.get("/v1/me/inbox/{delivery}/why", door=USERS)
async def why_message(call: Call, query: WhyQuery) -> WhyOut:
    """Say in my language why I got a message of my inbox."""
    delivery = DeliveryId(call.path["delivery"])
    await call.need(Inbox).item(call.identity.tenant, call.identity.user, delivery)
    return await explained(call, delivery, query.locale)


def _mine(call: Call) -> tuple[TenantId, UserId, DeliveryId]:
    return call.identity.tenant, call.identity.user, DeliveryId(call.path["delivery"])
