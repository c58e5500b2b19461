"""Two models, one budget, one cache: what is asked of whom, and what it costs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, ConversationState, Speaker
from chatpush.errors import InvalidInput, NotFound
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.reading import Draft
from chatpush.support.model.answer_cache import is_impersonal, normalised
from chatpush.writer_settings import ModelPrice
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import ADA, BOB, VISITOR, House, build
from tests.support.scripted_model import Refuse, ScriptedModel, call, scripted_model, text

REFUNDS = "How long do refunds take?"
FIVE = text("Within 5 working days [1].")
EMBEDDED = "The refund reaches your card within 5 working days"
Opening = Callable[..., Awaitable[House]]


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


@pytest.fixture
async def opened(
    model: ScriptedModel, database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[Opening]:
    """Return what builds the room with settings of the writer."""
    houses: list[House] = []

    async def build_it(**changes: Any) -> House:
        quick: dict[str, Any] = {"first_token_seconds": 1.0, "stall_seconds": 0.5, "total_seconds": 5.0}
        settings = WriterSettings(base_url=model.url, api_key="k", model="big", **{**quick, **changes})
        houses.append(await build(database, vault, still_clock, writer_settings=settings))
        return houses[-1]

    yield build_it
    model.over.set()
    for house in houses:
        await house.close()


def models(model: ScriptedModel) -> list[str]:
    """Return the models asked, in order."""
    return [request["model"] for request in model.requests]


async def test_the_small_model_is_asked_first(opened: Opening, model: ScriptedModel) -> None:
    house = await opened(small_model="small")
    model.will(FIVE)
    assert (await house.say(REFUNDS)).text == "Within 5 working days [1]."
    assert models(model) == ["small"]


UNSURE = {
    "ungrounded": text("It takes ", "99 days [1]."),
    "unsure": call(("hand_over", {"reason": "unsure"})),
    "down": Refuse(401),
    "silent about it": text(" "),
}


@pytest.mark.parametrize("name", list(UNSURE))
async def test_what_the_small_model_can_not_do_goes_to_the_other(
    opened: Opening, model: ScriptedModel, name: str
) -> None:
    house = await opened(small_model="small")
    model.will(UNSURE[name], FIVE)  # type: ignore[arg-type]
    turn = await house.say(REFUNDS)
    assert turn.text == "Within 5 working days [1]."
    assert models(model) == ["small", "big"]
    shown = house.channels.on((await house.conversation()).channel, "turn.delta")
    deltas = [one for one in shown if one["turn"] == turn.id]
    last = max(place for place, one in enumerate(deltas) if one["seq"] == 1)
    assert "".join(one["text"] for one in deltas[last:]) == turn.text


async def test_when_both_are_unsure_a_person_comes(opened: Opening, model: ScriptedModel) -> None:
    house = await opened(small_model="small")
    model.will(UNSURE["unsure"], UNSURE["unsure"])  # type: ignore[arg-type]
    await house.say("my cat has eaten the lamp")
    assert (await house.conversation()).state is ConversationState.WAITING


async def test_a_wish_for_a_person_needs_one_model(opened: Opening, model: ScriptedModel) -> None:
    house = await opened(small_model="small")
    model.will(call(("hand_over", {"reason": "asked"})))
    await house.say("I would rather have somebody real to write to")
    assert models(model) == ["small"]


async def test_a_failing_small_model_does_not_stop_the_other(opened: Opening, model: ScriptedModel) -> None:
    house = await opened(small_model="small")
    for number in range(4):
        model.will(*([Refuse(401)] if number < 3 else []), FIVE)
        assert "5 working days" in (await house.say(f"{REFUNDS} {'again ' * number}")).text
    assert models(model)[-2:] == ["big", "big"]  # the small one is left alone


async def test_the_same_question_is_answered_again_without_asking(
    opened: Opening, model: ScriptedModel
) -> None:
    house = await opened()
    model.will(FIVE)
    first = await house.say(REFUNDS)
    second = await house.say("how LONG do  refunds take", BOB)
    assert (second.text, second.sources) == (first.text, first.sources)
    assert len(model.requests) == 1
    rows = await house.knowledge._database.read("SELECT * FROM answer_cache")
    assert b"5 working" not in bytes(rows[0]["content_sealed"])


@pytest.mark.parametrize("change", ["knowledge", "age", "prompt"])
async def test_what_an_answer_rests_on_changes_it(
    opened: Opening, model: ScriptedModel, still_clock: StillClock, change: str
) -> None:
    house = await opened(answer_cache_hours=1.0)
    assert house.modelling is not None
    model.will(FIVE, text("Now within 5 days [1]."))
    await house.say(REFUNDS)
    if change == "knowledge":
        await house.knowledge.put(DEFAULT_TENANT, [Draft("new", "New", "Something else entirely.", "en")])
    elif change == "age":
        still_clock.set(still_clock.now() + timedelta(hours=1))
    else:
        await house.modelling.prompts.put(
            DEFAULT_TENANT, "system", "Be kind. {{ passages[0].text }}", "grace"
        )
    assert (await house.say(REFUNDS, BOB)).text == "Now within 5 days [1]."
    rows = await house.knowledge._database.read("SELECT same FROM answer_cache")
    assert len(rows) == (2 if change == "prompt" else 1)


async def test_personal_answers_are_never_kept(opened: Opening, model: ScriptedModel) -> None:
    house = await opened()
    model.will(call(("order_status", {"order_id": "1001"})), text("It is shipped [6]."))
    await house.say("what happened to the thing I bought")
    model.will(text("Within 5 days [1]."))  # a second question: its answer may rest on the first
    await house.say(REFUNDS)
    model.will(text("1001 is not here [1]."))
    await house.say("what about 1001", BOB)
    assert await house.knowledge._database.read("SELECT same FROM answer_cache") == []


def test_one_spelling() -> None:
    assert normalised(" How  LONG?! ") == normalised("how long") == normalised("ｈｏｗ ｌｏｎｇ？")
    assert is_impersonal("退款要多久？")
    assert not is_impersonal("where is 1001")
    assert not is_impersonal("write to a@b.example")
    assert not is_impersonal("?!")


async def test_money_is_counted_and_limited(opened: Opening, model: ScriptedModel) -> None:
    prices = [ModelPrice(model="big", input_per_million=Decimal("2"), output_per_million=Decimal("8"))]
    house = await opened(prices=prices, daily_money_per_user=Decimal("0.0001"), answer_cache_hours=0.0)
    assert house.modelling is not None
    model.will(text("Within 5 days [1].", total=50), text("Within 5 days [1].", total=50))
    await house.say(REFUNDS)
    spent = await house.modelling.budget.spent(DEFAULT_TENANT, ADA)
    assert (spent.input_tokens, spent.output_tokens, spent.money) == (45, 5, Decimal("0.00013"))
    assert EMBEDDED in (await house.say(REFUNDS)).text
    assert (await house.say(REFUNDS, BOB)).text == "Within 5 days [1]."
    day = house.clock.now().date()
    (everybody,) = await house.modelling.budget.by_day(DEFAULT_TENANT, day, day)
    assert (everybody.model, everybody.spent.tokens, everybody.spent.micros) == ("big", 100, 260)


@pytest.mark.parametrize(
    "limit", [{"daily_tokens_per_tenant": 40}, {"daily_money_per_tenant": Decimal("0.00001")}]
)
async def test_a_tenants_budget_is_for_all_its_users(
    opened: Opening, model: ScriptedModel, limit: dict[str, Any]
) -> None:
    prices = [ModelPrice(model="big", input_per_million=Decimal(1), output_per_million=Decimal(1))]
    house = await opened(prices=prices, answer_cache_hours=0.0, **limit)
    model.will(FIVE)
    await house.say(REFUNDS)
    assert EMBEDDED in (await house.say(REFUNDS, BOB)).text
    assert len(model.requests) == 1


async def test_a_long_conversation_is_remembered(opened: Opening, model: ScriptedModel) -> None:
    house = await opened()
    for number in range(9):
        model.will(text("Within 5 working days [1]."))
        await house.say(f"{REFUNDS} ({'x' * (number + 1)})")
    model.will(text("Yes [1]."), text("The customer asked about refunds: 5 working days."))
    await house.say("and to my card?")
    assert house.modelling is not None
    memory = await house.modelling.memory.recall(await house.conversation())
    assert memory.text == "The customer asked about refunds: 5 working days."
    model.will(text("Yes, indeed [1]."))
    await house.say("really?")
    asked = model.requests[-1]["messages"]
    assert "The customer asked about refunds" in asked[0]["content"]
    assert "(x)" not in str(asked[1:])
    assert len(asked) < 14
    rows = await house.knowledge._database.read("SELECT content_sealed FROM conversation_memory")
    assert b"refunds" not in bytes(rows[0]["content_sealed"])


@pytest.mark.parametrize(
    "summary", [text("It costs 99 pounds."), Refuse(401), text("See https://evil.example")]
)
async def test_a_memory_that_invents_is_replaced_by_what_was_said(
    opened: Opening, model: ScriptedModel, summary: Any
) -> None:
    house = await opened()
    assert house.modelling is not None
    conversation = await house.conversation()
    for number in range(12):
        model.will(text("Within 5 working days [1]."))
        await house.assistant.ask(conversation, f"{REFUNDS} ({'x' * number})")
        await house.assistant.idle()
        if number == 9:
            model.otherwise = summary
    memory = await house.modelling.memory.recall(conversation)
    assert "How long do refunds take?" in memory.text
    assert "99" not in memory.text
    assert "evil" not in memory.text


async def test_moderation_hands_what_is_flagged_to_a_person(opened: Opening, model: ScriptedModel) -> None:
    house = await opened(moderation_model="mod")
    model.json["moderations"] = lambda body: {
        "id": "m", "model": "mod",
        "results": [{"flagged": "hurt" in body["input"], "categories": {"violence": True}, "category_scores": {}}],
    }  # fmt: skip
    model.will(FIVE)
    assert (await house.say(REFUNDS)).text == "Within 5 working days [1]."
    await house.say("I will hurt you")
    assert (await house.conversation()).state is ConversationState.WAITING
    assert len(model.requests) == 1


async def test_without_moderations_word_the_question_is_answered(
    opened: Opening, model: ScriptedModel
) -> None:
    house = await opened(moderation_model="mod")
    model.json["moderations"] = lambda _: 500
    model.will(FIVE)
    assert (await house.say(REFUNDS)).text == "Within 5 working days [1]."


async def test_a_tenants_own_prompt_serves_by_version(opened: Opening, model: ScriptedModel) -> None:
    house = await opened(answer_cache_hours=0.0)
    assert house.modelling is not None
    prompts = house.modelling.prompts
    builtin = await prompts.get(DEFAULT_TENANT, "system")
    assert (builtin.version, "SOURCES" in builtin.source) == (0, True)
    await prompts.put(
        DEFAULT_TENANT, "system", "Speak like a pirate. {% for p in passages %}{{ p.name }}{% endfor %}", "g"
    )
    model.otherwise = FIVE
    await house.say(REFUNDS)
    assert model.requests[-1]["messages"][0]["content"].startswith("Speak like a pirate. Returns and refunds")
    await prompts.put(DEFAULT_TENANT, "system", "", "g")
    await house.say(REFUNDS, BOB)
    assert "Rules, in this order" in model.requests[-1]["messages"][0]["content"]
    assert [one.version for one in await prompts.versions(DEFAULT_TENANT, "system")] == [2, 1]


async def test_a_prompt_that_fails_gives_way_to_the_built_in_one(
    opened: Opening, model: ScriptedModel
) -> None:
    house = await opened()
    assert house.modelling is not None
    prompts = house.modelling.prompts
    for broken in ("{{ nothing }}", "{% for %}", "{% for i in range(10**9) %}x{% endfor %}", "x" * 20_001):
        with pytest.raises(InvalidInput):
            await prompts.put(DEFAULT_TENANT, "system", broken, "g")
    with pytest.raises(NotFound):
        await prompts.put(DEFAULT_TENANT, "sistem", "x", "g")
    await prompts.put(DEFAULT_TENANT, "system", "{% if not signed_in %}{{ nothing }}{% endif %}", "g")
    model.otherwise = FIVE
    assert (await house.say(REFUNDS, VISITOR)).text == "Within 5 working days [1]."
    assert "Rules, in this order" in model.requests[-1]["messages"][0]["content"]


async def test_nothing_is_lost_when_the_assistant_says_two_things(
    opened: Opening, model: ScriptedModel
) -> None:
    house = await opened()
    model.will(FIVE)
    await house.say(REFUNDS)
    said = [turn for turn in await house.turns() if turn.by is Speaker.ASSISTANT]
    assert len(said) == 2  # the greeting and the answer
