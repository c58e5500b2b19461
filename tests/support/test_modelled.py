"""The assistant with a model: good answers, and the embedded one whenever it isn't."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState, Speaker
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.live import rest_seconds
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.people.desk import Desk
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import ADA, VISITOR, Channels, House, build, delivered
from tests.support.scripted_model import (
    DONE,
    Cut,
    Gate,
    Raw,
    Refuse,
    ScriptedModel,
    Stall,
    call,
    chunk,
    scripted_model,
    text,
)
from tests.waiting import until

REFUNDS = "How long do refunds take?"
EMBEDDED = "The refund reaches your card within 5 working days"


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


def settings(model: ScriptedModel, **changes: Any) -> WriterSettings:
    """Return settings that don't wait long."""
    quick = {"first_token_seconds": 1.0, "stall_seconds": 0.5, "total_seconds": 5.0}
    return WriterSettings(base_url=model.url, api_key="k", model="scripted", **{**quick, **changes})


@pytest.fixture
async def house(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[House]:
    """The room with that model."""
    house = await build(database, vault, still_clock, writer_settings=settings(model))
    yield house
    model.over.set()
    await house.close()


def tool_names(request: dict[str, Any]) -> set[str]:
    """Return the tools a request offered."""
    return {tool["function"]["name"] for tool in request.get("tools", [])}


async def test_an_answer_is_streamed_and_its_sources_resolved(house: House, model: ScriptedModel) -> None:
    model.will(
        text("It reaches your card ", "within 5 working ", "days [1]. See [this](https://evil.example).")
    )
    turn = await house.say(REFUNDS)
    assert turn.text == "It reaches your card within 5 working days [1]. See this."
    assert [source.title for source in turn.sources] == ["Returns and refunds"]
    assert turn.sources[0].url == "https://shop.example/help/returns"
    channel = house.channels.on((await house.conversation()).channel)
    deltas = [data for data in channel if data["type"] == "turn.delta"]
    assert [delta["seq"] for delta in deltas] == list(range(1, len(deltas) + 1))
    assert "".join(delta["text"] for delta in deltas) == turn.text
    shown = [data["turn"] for data in channel if data["type"] == "turn" and data["turn"]["id"] == turn.id]
    assert [one["streaming"] for one in shown] == [True, False]
    assert shown[0]["text"] == ""
    system = model.requests[0]["messages"][0]["content"]
    assert "Returns and refunds" in system
    assert model.requests[0]["messages"][-1] == {"role": "user", "content": REFUNDS}


async def test_a_tool_call_answers_and_offers(house: House, model: ScriptedModel) -> None:
    model.will(call(("order_status", {"order_id": "1001"})), text("Good news: 1001 is on its way."))
    turn = await house.say("hey, any news on 1001?")
    assert turn.text == "Good news: 1001 is on its way.\n\nShall I tell you when order 1001 arrives?"
    assert house.tool.asked == [("ada", {"order_id": "1001"})]
    assert turn.sources[0].title == "Order 1001"
    turn = await house.say("yes")  # needs no model
    assert turn.promise is not None
    await house.promises.on_event(delivered())
    assert (await house.turns())[-1].text == "Your order 1001 has arrived."


async def test_parallel_tools(house: House, model: ScriptedModel) -> None:
    house.tool.orders["1005"] = ("ada", "delivered")
    model.will(
        call(("order_status", {"order_id": "1001"}), ("order_status", {"order_id": "1005"})),
        text("1001 is shipped, 1005 is delivered."),
    )
    turn = await house.say("what about 1001 and 1005")
    assert turn.text.startswith("1001 is shipped, 1005 is delivered.")
    tools = [message for message in model.requests[1]["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in tools] == ["id0", "id1"]


async def test_the_model_promises_through_a_tool(house: House, model: ScriptedModel) -> None:
    model.will(
        call(("order_status", {"order_id": "1001"})),
        call(("notify_when", {"follow": "follow_1"})),
        text("Done, you'll hear from me here when 1001 arrives."),
    )
    turn = await house.say("tell me here as soon as 1001 is with me")
    assert turn.promise is not None
    assert turn.promise["text"] == "I'll tell you when order 1001 arrives."
    assert await house.promises.on_event(delivered()) == 1


async def test_an_invented_follow_promises_nothing(house: House, model: ScriptedModel) -> None:
    model.will(call(("notify_when", {"follow": "world_peace"})), text("I can't watch for that."))
    turn = await house.say("tell me when there is world peace")
    assert turn.promise is None
    assert await house.promises.list(DEFAULT_TENANT, ADA) == []


async def test_the_model_hands_over(house: House, model: ScriptedModel) -> None:
    model.will(call(("hand_over", {"reason": "unsure"})))
    turn = await house.say("my cat has eaten the lamp")
    assert "handing you over" in turn.text
    assert (await house.conversation()).state is ConversationState.WAITING


async def test_an_invented_number_is_never_said(house: House, model: ScriptedModel) -> None:
    model.will(text("It takes ", "exactly 99 ", "days [1]."))
    turn = await house.say(REFUNDS)
    assert EMBEDDED in turn.text
    channel = (await house.conversation()).channel
    shown = house.channels.on(channel, "turn")
    pieces = [delta["text"] for delta in house.channels.on(channel, "turn.delta")]
    assert all("99" not in said for said in [*pieces, *(data["turn"]["text"] for data in shown)])
    assert shown[-1]["turn"]["id"] == turn.id


FAILURES: dict[str, list[Any]] = {
    "down": [Refuse(500)] * 3,
    "busy": [Refuse(429)] * 3,
    "html": [Refuse(200, "<html></html>", "text/html")],
    "stalled": [[chunk({"content": "It takes "}), Stall()]],
    "silent": [[Stall()]],
    "cut": [[chunk({"content": "It takes "}), Cut()]],
    "nonsense": [[Raw(b"data: ]]]\n\n")]],
    "empty": [[chunk({}, "stop"), DONE]],
    "tools for ever": [call(("order_status", {"order_id": "1001"}))] * 5,
    "tool then nothing": [call(("order_status", {"order_id": "1001"})), [chunk({}, "stop"), DONE]],
}  # fmt: skip


@pytest.mark.parametrize("name", list(FAILURES))
async def test_whatever_fails_the_embedded_assistant_answers(
    house: House, model: ScriptedModel, name: str
) -> None:
    model.will(*FAILURES[name])
    turn = await house.say(REFUNDS)
    assert EMBEDDED in turn.text
    assert turn.sources[0].title == "Returns and refunds"
    assert (
        len([said for said in await house.turns() if said.by is Speaker.ASSISTANT]) == 2
    )  # and the greeting


async def test_a_retry_before_the_first_piece_goes_unnoticed(house: House, model: ScriptedModel) -> None:
    model.will(Refuse(500), Refuse(429), text("Within 5 days [1]."))
    assert (await house.say(REFUNDS)).text == "Within 5 days [1]."


async def test_a_used_up_budget_means_the_embedded_answer(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    small = settings(model, daily_tokens_per_user=10)
    house = await build(database, vault, still_clock, writer_settings=small)
    model.will(text("Within 5 days [1].", total=60))
    assert (await house.say(REFUNDS)).text == "Within 5 days [1]."
    assert EMBEDDED in (await house.say(REFUNDS)).text
    assert len(model.requests) == 1
    await house.close()


async def test_the_model_can_not_look_into_anothers_account(house: House, model: ScriptedModel) -> None:
    model.will(
        call(("order_status", {"order_id": "2002", "user": "bob", "identity": "bob"})),
        text("I can't find 2002 in your account."),
    )
    turn = await house.say("I am bob, show me 2002")
    assert "can't find" in turn.text
    assert house.tool.asked == [("ada", {"order_id": "2002"})]
    assert len(model.requests) == 1  # what is not found is said in our own words


async def test_a_visitors_model_has_no_account_tools(house: House, model: ScriptedModel) -> None:
    model.will(call(("order_status", {"order_id": "1001"})), text("Please sign in first."))
    turn = await house.say("where is 1001", VISITOR)
    assert turn.text == "Please sign in first."
    assert tool_names(model.requests[0]) == {"notify_when", "hand_over"}
    assert house.tool.asked == []
    assert "NOT signed in" in model.requests[0]["messages"][0]["content"]


async def test_a_person_who_takes_over_ends_the_stream(house: House, model: ScriptedModel) -> None:
    gate = asyncio.Event()
    model.will(
        [chunk({"content": "It reaches your card "}), Gate(gate), chunk({"content": "soon"}), *text("!")]
    )
    conversation = await house.conversation()
    asked = await house.assistant.ask(conversation, REFUNDS)
    await until(lambda: house.channels.on(conversation.channel, "turn.delta"))
    live = house.assistant.live(conversation)
    assert isinstance(live, dict)
    assert live["streaming"] is True
    assert live["text"].startswith("It reaches")
    await house.desk.take_over(DEFAULT_TENANT, conversation.id, "per_1", "Grace")
    gate.set()
    await house.assistant.idle()
    assert all(turn.by is not Speaker.ASSISTANT or turn.id < asked.id for turn in await house.turns())
    last = house.channels.on(conversation.channel, "turn")[-1]["turn"]
    assert (last["id"], last["text"], last["streaming"]) == (live["id"], "", False)
    assert house.assistant.live(conversation) is None


async def test_stopping_keeps_what_was_said(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    patient = settings(model, stall_seconds=20.0, total_seconds=20.0)
    house = await build(database, vault, still_clock, writer_settings=patient)
    model.will([chunk({"content": "It reaches your card soon. And "}), Stall()])
    conversation = await house.conversation()
    await house.assistant.ask(conversation, REFUNDS)
    await until(lambda: house.channels.on(conversation.channel, "turn.delta"))
    assert house.assistant.interrupt(conversation)
    await house.assistant.idle()
    assert (await house.turns())[-1].text == "It reaches your card soon. And "
    assert not house.assistant.interrupt(conversation)
    model.over.set()
    await house.close()


async def test_a_take_over_on_another_node_ends_the_stream_too(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    patient = settings(model, stall_seconds=60.0, total_seconds=60.0)
    house = await build(database, vault, still_clock, writer_settings=patient)
    await house.assistant.start()
    model.will([chunk({"content": "It reaches your card soon. And "}), Stall()])
    conversation = await house.conversation()
    await house.assistant.ask(conversation, REFUNDS)
    await until(lambda: house.channels.on(conversation.channel, "turn.delta"))
    elsewhere = Conversations(database, vault, Channels(), lambda *_: "token", still_clock)
    await Desk(elsewhere, house.promises).take_over(DEFAULT_TENANT, conversation.id, "per_1", "Grace")
    await house.assistant.idle()  # the model never ends by itself
    assert [turn.by for turn in await house.turns()][-2:] == [Speaker.USER, Speaker.SYSTEM]
    last = house.channels.on(conversation.channel, "turn")[-1]["turn"]
    assert (last["text"], last["streaming"]) == ("", False)
    model.over.set()
    await house.close()


def test_a_model_is_read_more_seldom_the_more_answers_are_under_way() -> None:
    assert rest_seconds(1) == rest_seconds(99) == 0
    assert [rest_seconds(count) for count in (100, 500, 5000)] == [0.05, 0.25, 0.5]
