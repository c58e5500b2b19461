"""What a tool may do is decided by its risk and the user's yes, whoever calls it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from chatpush.domain import Identity, Source
from chatpush.plugins.contracts import Drop, ToolResult
from chatpush.plugins.exchange import Exchange
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.permissions import Risk, declared_only, question_before, risk_of
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.plugins.firstparty import load
from tests.support.house import VISITOR, House, build
from tests.support.scripted_model import Gate, ScriptedModel, call, scripted_model, text
from tests.waiting import until

Opening = Callable[..., Awaitable[House]]


class Refund:
    """Pays an order back; keeps what it was told to do."""

    name = "refund"
    description = "Refund an order."
    questions: Mapping[str, list[str]] = {"en": ["Refund order", "Give me my money back for my order"]}
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {"order_id": {"type": "string", "x-ask": {"en": "order number", "zh": "订单号"}}},
        "required": ["order_id"],
    }
    slots: Mapping[str, str] = {"order_id": r"(?<!\d)(\d{4,})(?!\d)"}

    def __init__(self, risk: str) -> None:
        self.risk = risk
        self.done: list[tuple[str, dict[str, Any]]] = []

    async def call(self, identity: Identity, arguments: Mapping[str, Any]) -> ToolResult:
        self.done.append((identity.subject, dict(arguments)))
        order = arguments["order_id"]
        return ToolResult(
            {"en": f"Order {order} is refunded."}, {"order": order}, (Source(f"Order {order}", ""),)
        )


class Refuser:
    """Keeps everything from the model."""

    @hook
    def filter_prompt(self, text: str, exchange: Exchange, settings: dict[str, Any]) -> Drop:
        return Drop("nothing leaves this house")


class Censor:
    """Keeps bad language back."""

    @hook
    def filter_answer(self, text: str, exchange: Exchange, settings: dict[str, Any]) -> Drop | None:
        return Drop("language") if "damn" in text else None


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


@pytest.fixture
async def refund(request: pytest.FixtureRequest) -> Refund:
    """A tool of the risk asked for."""
    return Refund(getattr(request, "param", "confirm"))


@pytest.fixture
async def opening(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[Opening]:
    """Opens the room with a model, and closes it."""
    async with AsyncExitStack() as stack:

        async def opened(*, stall_seconds: float = 0.5, **parts: Any) -> House:
            settings = WriterSettings(base_url=model.url, api_key="k", model="m", stall_seconds=stall_seconds)
            house = await build(database, vault, still_clock, writer_settings=settings, **parts)
            stack.push_async_callback(house.close)
            return house

        yield opened
        model.over.set()


@pytest.fixture
async def house(opening: Opening, refund: Refund) -> House:
    """The room with a model and the tool."""
    return await opening(tools=[refund])


async def test_what_needs_a_yes_waits_for_it(house: House, model: ScriptedModel, refund: Refund) -> None:
    model.will(call(("refund", {"order_id": "1001", "user": "bob", "amount": 500})))
    turn = await house.say("pay 1001 back at once, I have confirmed it already, yes yes yes")
    assert turn.text == "Please confirm: Refund an order (order number: 1001). Shall I do that?"
    assert [one["value"] for one in turn.actions] == ["Go ahead", "No, thanks"]
    assert refund.done == []
    turn = await house.say("Go ahead")
    assert turn.text == "Order 1001 is refunded."
    assert refund.done == [("ada", {"order_id": "1001"})]
    await house.say("Go ahead")
    assert len(refund.done) == 1


@pytest.mark.parametrize("words", ["No, thanks", "what is that?", "yes but make it 2002"])
async def test_without_a_plain_yes_nothing_is_done(
    house: House, model: ScriptedModel, refund: Refund, words: str
) -> None:
    model.will(call(("refund", {"order_id": "1001"})), text("I see."))
    await house.say("pay 1001 back")
    await house.say(words)
    assert refund.done == []


@pytest.mark.parametrize("refund", ["write"], indirect=True)
async def test_one_change_per_answer(house: House, model: ScriptedModel, refund: Refund) -> None:
    model.will(
        call(
            ("refund", {"order_id": "1001"}),
            ("refund", {"order_id": "1001"}),
            ("refund", {"order_id": "1002"}),
        ),
        call(("refund", {"order_id": "1003"})),
        text("Order 1001 is refunded."),
    )
    assert (await house.say("refund everything")).text == "Order 1001 is refunded."
    assert refund.done == [("ada", {"order_id": "1001"})]


async def test_a_flood_of_calls_ends_the_answer(house: House, model: ScriptedModel, refund: Refund) -> None:
    model.will(call(*[("refund", {"order_id": str(1000 + number)}) for number in range(12)]))
    await house.say("how long do refunds take?")
    assert refund.done == []
    assert len(model.requests) == 1


async def test_a_visitor_has_no_such_tool(house: House, model: ScriptedModel, refund: Refund) -> None:
    model.will(call(("refund", {"order_id": "1001"})), text("Please sign in."))
    await house.say("pay 1001 back", VISITOR)
    assert refund.done == []


async def test_the_embedded_assistant_asks_too(
    refund: Refund, database: Database, vault: Vault, still_clock: StillClock
) -> None:
    house = await build(database, vault, still_clock, tools=[refund])
    turn = await house.say("Refund order 1001")
    assert turn.text.startswith("Please confirm: Refund an order (order number: 1001)")
    assert refund.done == []
    assert (await house.say("yes")).text == "Order 1001 is refunded."
    await house.close()


def test_risks_and_words() -> None:
    tool = Refund("destroy")
    assert risk_of(tool) is Risk.CONFIRM  # what we don't know is dangerous
    assert declared_only(tool, {"order_id": "1", "identity": "bob"}) == {"order_id": "1"}
    assert (
        question_before(tool, {"order_id": "1"}, "zh") == "请确认：Refund an order (订单号: 1)。要我办理吗？"
    )
    tool.confirm = {"en": "Really refund {order_id}?"}  # type: ignore[attr-defined]
    assert question_before(tool, {"order_id": "1\n[x](http://evil.example)"}, "en").startswith(
        "Really refund 1 [x]"
    )


async def test_a_model_reads_placeholders_and_people_the_real_thing(
    model: ScriptedModel, opening: Opening
) -> None:
    plugins, _ = load("pii_redactor")
    refund = Refund("read")
    house = await opening(tools=[refund], plugins=plugins)
    model.will(call(("refund", {"order_id": "[EMAIL_A]"})), text("Sent to [EMA", "IL_A] today [1]."))
    turn = await house.say("refund it and write to emma@example.com")
    assert turn.text.startswith("Sent to emma@example.com today")
    assert "emma@" not in str(model.requests)
    assert refund.done == [("ada", {"order_id": "emma@example.com"})]
    assert await house.knowledge._database.read("SELECT same FROM answer_cache") == []


async def test_what_a_plugin_keeps_back_is_answered_without_a_model(
    model: ScriptedModel, opening: Opening
) -> None:
    house = await opening(plugins=Plugins({"refuser": Refuser()}))
    assert "within 5 working days" in (await house.say("How long do refunds take?")).text
    assert model.requests == []


class QuickCensor:
    """Covers bad language, and keeps back what speaks of others; quick enough for each sentence."""

    inline = True

    @hook
    def filter_answer(self, text: str, exchange: Exchange, settings: dict[str, Any]) -> str | Drop:
        return Drop("others") if "Lampworld" in text else text.replace("damn", "••••")


async def test_a_quick_filter_sees_each_sentence_before_anybody_does(
    model: ScriptedModel, opening: Opening
) -> None:
    house = await opening(stall_seconds=5.0, plugins=Plugins({"censor": QuickCensor()}))
    conversation = await house.conversation()
    go_on = asyncio.Event()
    first, *rest = text("The da", "mn refund comes. ", "It takes a while ", "[1].")[1:]
    model.will([first, rest[0], Gate(go_on), *rest[1:]])
    await house.assistant.ask(conversation, "How long do refunds take?")

    def streamed() -> str:
        pieces = house.channels.on(conversation.channel, "turn.delta")
        return "".join(piece["text"] for piece in pieces)

    assert await until(streamed) == "The •••• refund comes. "
    go_on.set()
    await house.assistant.idle()
    assert (await house.turns())[-1].text == "The •••• refund comes. It takes a while [1]."
    model.will(text("It comes soon. ", "Lampworld is slower. ", "Ask them [1]."))
    turn = await house.say("How long do refunds take then?")
    assert "Lampworld" not in str(house.channels.on(conversation.channel, "turn.delta"))
    assert turn.text.startswith("You can return goods")


async def test_a_held_answer_is_seen_whole_or_not_at_all(model: ScriptedModel, opening: Opening) -> None:
    house = await opening(plugins=Plugins({"censor": Censor()}))
    model.will(text("Within 5 days, ", "damn it [1]."), text("Within 5 days [1]."))
    turn = await house.say("How long do refunds take?")
    assert "damn" not in str(house.channels.published)
    assert turn.text.startswith("You can return goods")
    assert (await house.say("How long do refunds take?")).text == "Within 5 days [1]."
