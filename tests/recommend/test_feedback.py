"""What readers do with a message is behaviour."""

from collections.abc import AsyncIterator

import pytest

from chatpush.domain import Content, DeliveryId, ReceiptKind, TenantId, UserId
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.recommend.behaviour.feedback import Feedback
from chatpush.recommend.words.copies import Copies
from tests.notify.building import Room, build_room
from tests.recommend.world import World


@pytest.fixture
async def room(world: World) -> AsyncIterator[Room]:
    room = build_room(world.behaviour._database, world.behaviour._vault, world.clock)
    room.receipts.listen(Feedback(world.behaviour, room.inbox).on_reception)
    yield room
    await room.away.stop()
    await room.renderers.stop()


async def recommend(room: Room, tenant: TenantId, *items: str) -> DeliveryId:
    """Send a message that recommends items and return its delivery."""
    data = {"items": [{"id": item, "title": item} for item in items]}
    content = Content("For you", "…", format="recommendation", data=data)
    draft = MessageDraft(to=(Recipient(user=UserId("me")),), content=content)
    await room.messages.accept(tenant, draft)
    await room.settle()
    return DeliveryId(room.publisher.to("me")[-1]["delivery"])


async def test_a_dismissed_recommendation_is_not_shown_again(
    world: World, room: Room, tenant: TenantId
) -> None:
    await world.stock(world.item("a"), world.item("b"))
    delivery = await recommend(room, tenant, "a")
    for _ in range(2):
        await room.receipts.record(tenant, UserId("me"), [(delivery, ReceiptKind.DISMISSED)])
    assert await world.picked("me") == ["b"]
    assert [event.type for event in await world.behaviour.recent(tenant, UserId("me"))] == ["dismiss"]


async def test_dismissing_a_list_condemns_none_of_it(world: World, room: Room, tenant: TenantId) -> None:
    await world.stock(world.item("a"), world.item("b"))
    delivery = await recommend(room, tenant, "a", "b")
    await room.receipts.record(tenant, UserId("me"), [(delivery, ReceiptKind.DISMISSED)])
    assert set(await world.picked("me")) == {"a", "b"}


async def test_a_click_says_what_is_liked_and_delivered_says_nothing(
    world: World, room: Room, tenant: TenantId
) -> None:
    delivery = await recommend(room, tenant, "a")
    await room.receipts.record(tenant, UserId("me"), [(delivery, ReceiptKind.DELIVERED)])
    assert await world.behaviour.recent(tenant, UserId("me")) == ()
    await room.receipts.record(tenant, UserId("me"), [(delivery, ReceiptKind.CLICKED)])
    (event,) = [e for e in await world.behaviour.recent(tenant, UserId("me")) if e.type == "click"]
    assert event.item == "a"


async def test_words_that_were_tried_learn_how_often_they_were_seen_and_clicked(
    world: World, room: Room, tenant: TenantId
) -> None:
    copies = Copies(world.database, world.clock)
    room.receipts.listen(Feedback(world.behaviour, room.inbox, copies).on_reception)
    control, written = await copies.keep(tenant, "c", "en", {"headline": "a"}, [{"headline": "b"}])
    content = Content("For you", "…", data={"copy": written.id})
    for user in ("u1", "u2"):
        await room.messages.accept(tenant, MessageDraft(to=(Recipient(user=UserId(user)),), content=content))
    await room.settle()
    first, second = (DeliveryId(room.publisher.to(user)[-1]["delivery"]) for user in ("u1", "u2"))
    await room.receipts.record(tenant, UserId("u1"), [(first, ReceiptKind.SEEN)])
    await room.receipts.record(tenant, UserId("u1"), [(first, ReceiptKind.CLICKED)])
    await room.receipts.record(tenant, UserId("u2"), [(second, ReceiptKind.CLICKED)])
    found = {one.copy.id: one.copy for one in await copies.compared(tenant)}
    assert (found[written.id].seen, found[written.id].clicked) == (2, 2)
    assert (found[control.id].seen, found[control.id].rate) == (0, 0.0)
