"""Replies to pushes: what a reader wishes is asked back, carried out, undone; complaints fetch a person."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.bridges import OPEN_COMPLAINT, carry_out, hold_back
from chatpush.domain import DEFAULT_TENANT, Category, ConversationState, Item, ItemId, TenantId, UserId
from chatpush.notify.audience.users import UserChange, Users
from chatpush.notify.deciding.ruling import FEWER, Rules, facts_of
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.rankers.blend import forbidden
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.wishes import Wish, Wishes, WishKind, complains, wish_in
from chatpush.support.ports import Described
from tests.clocks import StillClock
from tests.support.house import ADA, VISITOR, House, build

LAMP = Described("item", "lamp", "Lamp", item="lamp", brand="Acme")

SAID = {
    "stop sending me promotions": WishKind.STOP,
    "Please don't send me any more marketing": WishKind.STOP,
    "unsubscribe": WishKind.STOP,
    "no more ads!": WishKind.STOP,
    "别再给我发广告了": WishKind.STOP,
    "退订": WishKind.STOP,
    "不想收到促销短信": WishKind.STOP,
    "fewer messages please": WishKind.FEWER,
    "You send too many notifications": WishKind.FEWER,
    "少发一点消息": WishKind.FEWER,
    "推送太频繁了": WishKind.FEWER,
    "not this brand": WishKind.BRAND,
    "Don't recommend me this brand again": WishKind.BRAND,
    "别再给我推荐这个牌子": WishKind.BRAND,
    "我不喜欢这个品牌": WishKind.BRAND,
    "not interested": WishKind.ITEM,
    "stop showing me this": WishKind.ITEM,
    "不感兴趣": WishKind.ITEM,
    "别给我推荐这个了": WishKind.ITEM,
}


@pytest.mark.parametrize("said", list(SAID))
def test_wishes_are_understood(said: str) -> None:
    wish = wish_in(said, LAMP)
    assert wish is not None
    assert wish.kind is SAID[said]


@pytest.mark.parametrize(
    "said",
    [
        "How much is this brand?", "Do you have offers?", "这个牌子怎么样", "有什么优惠活动吗", "Stop my order",
        "I want this", "Where is my parcel?", "我的快递到哪了", "Why did I get this message?", "Do you ship to France?",
    ],
)  # fmt: skip
def test_what_is_no_wish_is_none(said: str) -> None:
    assert wish_in(said, LAMP) is None
    assert not complains(said)


def test_a_brand_or_an_item_must_be_at_hand() -> None:
    assert wish_in("not this brand", None) is None
    assert wish_in("not interested", Described("delivery", "d", "News")) is None


@pytest.mark.parametrize(
    "said", ["This is unacceptable, I want to complain", "我要投诉你们", "你们是骗子", "what a scam"]
)
def test_complaints_are_heard(said: str) -> None:
    assert complains(said)


@pytest.fixture
def done() -> list[tuple[str, Wish, Any]]:
    """What was carried out."""
    return []


@pytest.fixture
async def house(database: Database, vault: Vault, still_clock: StillClock, done: list[Any]) -> Any:
    """The room with somebody who carries wishes out."""

    async def carry(
        tenant: TenantId, user: UserId, wish: Wish, before: dict[str, Any] | None
    ) -> dict[str, Any]:
        done.append((user, wish, before))
        return {"consent": True}

    built = await build(database, vault, still_clock, wishes=Wishes(carry), items={"lamp": LAMP})
    yield built
    await built.close()


async def test_a_wish_is_asked_back_done_and_undone(house: House, done: list[Any]) -> None:
    house.opened[ADA] = await house.assistant.open(DEFAULT_TENANT, ADA, {"item": "lamp"})
    turn = await house.say("not this brand")
    assert turn.text == "Shall I stop recommending Acme to you?"
    assert done == []
    turn = await house.say(turn.actions[0]["value"])
    assert "won't recommend Acme" in turn.text
    wish = Wish(WishKind.BRAND, "Acme", "Acme")
    assert done == [("ada", wish, None)]
    assert done[0][1].kind is WishKind.BRAND  # it was kept as JSON meanwhile
    turn = await house.say(turn.actions[0]["value"])
    assert turn.text == "All right, that is taken back."
    assert done[-1] == ("ada", wish, {"consent": True})


async def test_in_chinese_and_with_a_no(house: House, done: list[Any]) -> None:
    turn = await house.say("别再给我发促销信息了")
    assert turn.text.startswith("要停止向您发送所有促销信息吗")
    assert [one["value"] for one in turn.actions] == ["可以", "不用了"]
    await house.say("不用了")
    assert done == []
    await house.say("退订")
    turn = await house.say("可以")
    assert "已停止" in turn.text
    await house.say("撤销")
    assert [one[2] for one in done] == [None, {"consent": True}]


async def test_a_visitor_has_nothing_to_stop(house: House, done: list[Any]) -> None:
    assert "sign in" in (await house.say("unsubscribe", VISITOR)).text
    await house.say("yes", VISITOR)
    assert done == []


async def test_a_complaint_fetches_a_person_and_keeps_promotions_away(house: House) -> None:
    turn = await house.say("我要投诉，太差了")
    assert turn.text.startswith("非常抱歉")
    assert (await house.conversation()).state is ConversationState.WAITING
    held = hold_back(house.conversations)
    assert await held(DEFAULT_TENANT, [ADA, UserId("bob")]) == {ADA: OPEN_COMPLAINT}


# -- what carries them out -------------------------------------------------------


@pytest.fixture
def users(database: Database, vault: Vault, still_clock: StillClock) -> Users:
    """Users in the store."""
    return Users(database, vault, still_clock)


@pytest.fixture
def behaviour(database: Database, vault: Vault, still_clock: StillClock) -> Behaviour:
    """Behaviour in the store."""
    return Behaviour(database, vault, still_clock)


async def test_consent_goes_and_comes_back_only_where_it_was(
    users: Users, behaviour: Behaviour, still_clock: StillClock
) -> None:
    carry = carry_out(users, behaviour, still_clock)
    stop = Wish(WishKind.STOP)
    for before in (True, False):
        await users.put(DEFAULT_TENANT, ADA, UserChange(consents={"marketing": before}))
        had = await carry(DEFAULT_TENANT, ADA, stop, None)
        assert (await users.get(DEFAULT_TENANT, ADA)).consents["marketing"] is False
        await carry(DEFAULT_TENANT, ADA, stop, had)
        assert (await users.get(DEFAULT_TENANT, ADA)).consents["marketing"] is before
    ledger = await users.ledger(DEFAULT_TENANT, ADA)
    assert "conversation" in {entry.via for entry in ledger}


async def test_stopping_ends_what_was_agreed_to_for_one_channel_and_undoing_gives_it_back(
    users: Users, behaviour: Behaviour, still_clock: StillClock
) -> None:
    carry = carry_out(users, behaviour, still_clock)
    only_mail = UserChange(channel_consents={"marketing": {"email": True, "webpush": False}})
    await users.put(DEFAULT_TENANT, ADA, only_mail)
    had = await carry(DEFAULT_TENANT, ADA, Wish(WishKind.STOP), None)
    stopped = await users.get(DEFAULT_TENANT, ADA)
    assert (stopped.consents, stopped.channel_consents) == (
        {"marketing": False}, {"marketing": {"webpush": False}}
    )  # fmt: skip
    await carry(DEFAULT_TENANT, ADA, Wish(WishKind.STOP), had)
    again = (await users.get(DEFAULT_TENANT, ADA)).channel_consents
    assert again == {"marketing": {"webpush": False, "email": True}}


async def test_fewer_messages_are_one_a_window(
    users: Users, behaviour: Behaviour, still_clock: StillClock
) -> None:
    carry = carry_out(users, behaviour, still_clock)
    await carry(DEFAULT_TENANT, ADA, Wish(WishKind.FEWER), None)
    user = await users.get(DEFAULT_TENANT, ADA)
    assert user.attributes[FEWER] is True
    accepted: Any = type(
        "A", (), {"category": Category.MARKETING, "relabelled": False, "quiet_rule": None, "channels": ()}
    )()
    assert facts_of(Rules(marketing_cap=5), user, accepted, still_clock.now(), ()).cap == 1
    await carry(DEFAULT_TENANT, ADA, Wish(WishKind.FEWER), {})
    user = await users.get(DEFAULT_TENANT, ADA)
    assert facts_of(Rules(marketing_cap=5), user, accepted, still_clock.now(), ()).cap == 5


async def test_mutes_reach_the_recommender(
    users: Users, behaviour: Behaviour, still_clock: StillClock
) -> None:
    carry = carry_out(users, behaviour, still_clock)
    brand, item = Wish(WishKind.BRAND, "Acme", "Acme"), Wish(WishKind.ITEM, "lamp", "Lamp")
    lamp = Item(DEFAULT_TENANT, ItemId("lamp"), "Lamp", attributes={"brand": "Acme"})
    other = Item(DEFAULT_TENANT, ItemId("other"), "Other", attributes={"brand": "Acme"})

    async def allowed(one: Item) -> bool:
        events = (await behaviour.recent_many(DEFAULT_TENANT, [ADA])).get(ADA, ())
        return forbidden(events, still_clock.now()).allows(one)

    await carry(DEFAULT_TENANT, ADA, item, None)
    assert (await allowed(lamp), await allowed(other)) == (False, True)
    still_clock.forward(timedelta(seconds=1))
    await carry(DEFAULT_TENANT, ADA, item, {})
    still_clock.forward(timedelta(seconds=1))
    await carry(DEFAULT_TENANT, ADA, brand, None)
    assert (await allowed(lamp), await allowed(other)) == (False, False)
    still_clock.forward(timedelta(seconds=1))
    await carry(DEFAULT_TENANT, ADA, brand, {})
    assert (await allowed(lamp), await allowed(other)) == (True, True)
