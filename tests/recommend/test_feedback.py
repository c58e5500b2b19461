"""What readers do with a message is behaviour."""

from chatpush.domain import DeliveryId, ItemId, Receipt, ReceiptKind, TenantId, UserId
from chatpush.recommend.feedback import Feedback
from tests.recommend.world import World


async def test_a_dismissed_recommendation_is_not_shown_again(world: World, tenant: TenantId) -> None:
    await world.stock(world.item("a"), world.item("b"))
    feedback = Feedback(world.behaviour)
    receipt = Receipt(DeliveryId("dlv_1"), ReceiptKind.DISMISSED, world.clock.now())
    for _ in range(2):
        await feedback.on_receipt(tenant, UserId("me"), receipt, [ItemId("a")])
    assert await world.picked("me") == ["b"]
    assert len(await world.behaviour.recent(tenant, UserId("me"))) == 1


async def test_dismissing_a_list_condemns_none_of_it(world: World, tenant: TenantId) -> None:
    await world.stock(world.item("a"), world.item("b"))
    receipt = Receipt(DeliveryId("dlv_1"), ReceiptKind.DISMISSED, world.clock.now())
    await Feedback(world.behaviour).on_receipt(tenant, UserId("me"), receipt, [ItemId("a"), ItemId("b")])
    assert set(await world.picked("me")) == {"a", "b"}


async def test_delivered_says_nothing_about_the_user(world: World, tenant: TenantId) -> None:
    receipt = Receipt(DeliveryId("dlv_1"), ReceiptKind.DELIVERED, world.clock.now())
    await Feedback(world.behaviour).on_receipt(tenant, UserId("me"), receipt)
    assert await world.behaviour.recent(tenant, UserId("me")) == ()
