"""People: take over, reply, give back, close; the assistant stays out of it."""

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationId, ConversationState, Speaker
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.store.database import Database
from tests.support.house import House


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


async def test_the_way_through_the_desk(house: House) -> None:
    await house.say("How long do refunds take?")
    waiting = await house.desk.hand_over(await house.conversation())
    assert waiting.state is ConversationState.WAITING
    assert waiting.waiting_at is not None
    assert "How long do refunds take?" in waiting.summary
    before = len(await house.turns())
    await house.desk.hand_over(waiting)  # once more changes nothing
    assert len(await house.turns()) == before

    taken = await house.desk.take_over(DEFAULT_TENANT, waiting.id, "per_1", "Grace")
    assert (taken.state, taken.agent, taken.agent_name) == (ConversationState.AGENT, "per_1", "Grace")
    assert (await house.turns())[-1].text == "Grace has joined the conversation."
    released = await house.desk.release(DEFAULT_TENANT, waiting.id)
    assert (released.state, released.agent, released.summary) == (ConversationState.ASSISTANT, "", "")
    closed = await house.desk.close(DEFAULT_TENANT, waiting.id)
    assert closed.state is ConversationState.CLOSED


async def test_an_agents_words_come_with_the_name_and_a_badge(house: House) -> None:
    conversation = await house.conversation()
    turn = await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", " Hello! ")
    assert (turn.by, turn.name, turn.text) == (Speaker.AGENT, "Grace", "Hello!")
    hint = house.channels.on("user:ada", "conversation")[-1]
    assert (hint["state"], hint["unread_turns"]) == ("agent", 3)
    await house.conversations.read(await house.conversation())
    assert house.channels.on("user:ada", "conversation")[-1]["unread_turns"] == 0


async def test_unread_for_agents(house: House) -> None:
    conversation = await house.conversation()
    await house.desk.take_over(DEFAULT_TENANT, conversation.id, "per_1", "Grace")
    await house.say("one")
    await house.say("two")
    assert await house.conversations.unread(await house.conversation(), for_agent=True) == 2
    await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", "read")
    assert await house.conversations.unread(await house.conversation(), for_agent=True) == 0


async def test_another_agent_may_take_it(house: House) -> None:
    conversation = await house.conversation()
    await house.desk.take_over(DEFAULT_TENANT, conversation.id, "per_1", "Grace")
    taken = await house.desk.take_over(DEFAULT_TENANT, conversation.id, "per_2", "Linus")
    assert taken.agent_name == "Linus"


async def test_what_the_desk_refuses(house: House) -> None:
    conversation = await house.conversation()
    with pytest.raises(Conflict):
        await house.desk.release(DEFAULT_TENANT, conversation.id)
    with pytest.raises(InvalidInput):
        await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", "  ")
    with pytest.raises(NotFound):
        await house.desk.take_over(DEFAULT_TENANT, ConversationId("cnv_none"), "per_1", "Grace")
    await house.desk.close(DEFAULT_TENANT, conversation.id)
    with pytest.raises(Conflict):
        await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", "hello")


async def test_an_offer_does_not_outlive_a_person(house: House) -> None:
    await house.say("where is my order 1001")
    conversation = await house.conversation()
    await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Grace", "Shall I call you?")
    await house.desk.release(DEFAULT_TENANT, conversation.id)
    turn = await house.say("yes")
    assert turn.promise is None
