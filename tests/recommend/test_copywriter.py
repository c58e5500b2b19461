"""A model may write words for declared slots; facts are the items', and what breaks a rule is not sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chatpush.account.metering import Meter
from chatpush.domain import DEFAULT_TENANT, Item, ItemId, Pick, Reason, TenantId
from chatpush.errors import InvalidInput, WriterUnavailable
from chatpush.recommend.words import forms as forms_module
from chatpush.recommend.words.copies import TEMPLATE, WRITTEN, Copies
from chatpush.recommend.words.copywriter import Copywriter
from chatpush.recommend.words.forms import Filled, Forms, Schema
from chatpush.recommend.words.slots import Brand, Slot, checked_slots
from chatpush.store.database import Database
from chatpush.support.model.budget import Budget
from chatpush.support.model.forms import FormFiller
from chatpush.support.model.writer import Writer
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.scripted_model import Cut, Refuse, ScriptedModel, Stall, call, chunk, scripted_model, text

MUG = Item(
    DEFAULT_TENANT, ItemId("mug"), "Red Mug 300 ml", price=Decimal("9.50"), currency="GBP", tags=("kitchen",)
)
PICKS = [Pick(MUG, 1.0, Reason("popular", "Popular"))]
SLOTS = {
    "headline": Slot({"en": "{title} for {price} {currency}", "zh-CN": "{title}，仅 {price}"}, max_chars=60)
}
PLAIN = {"headline": "Red Mug 300 ml for 9.50 GBP"}


class Model:
    """Fills forms as told and remembers what it was asked."""

    def __init__(self, *texts: Any, tokens: int = 100) -> None:
        self.answer: Any = {"variants": [{"headline": one} for one in texts]}
        self.tokens = tokens
        self.asked: list[tuple[str, str, Schema]] = []

    async def __call__(self, tenant: TenantId, asked: str, material: str, schema: Schema) -> Filled:
        self.asked.append((asked, material, schema))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Filled(self.answer, self.tokens)


@pytest.fixture
def copies(database: Database, still_clock: StillClock) -> Copies:
    return Copies(database, still_clock, control=0.0)


def writer(
    database: Database,
    clock: StillClock,
    copies: Copies,
    model: Any,
    brand: Brand | None = None,
    cap: int = 10_000,
) -> Copywriter:
    return Copywriter(Forms(database, clock, model, cap), copies, clock, brand)


async def written(copywriter: Copywriter, locale: str = "en", **more: Any) -> dict[str, Any]:
    found = await copywriter.write(DEFAULT_TENANT, SLOTS, PICKS, locale, **more)
    found.pop("public", None)
    return found


async def test_without_a_model_the_declared_text_in_the_readers_language() -> None:
    assert await written(Copywriter(), "en-GB") == PLAIN
    assert await written(Copywriter(), "zh") == {"headline": "Red Mug 300 ml，仅 9.50"}


async def test_a_models_words_with_the_items_facts_once_for_a_cohort(
    database: Database, still_clock: StillClock, copies: Copies
) -> None:
    model = Model("Your mornings with {title}: {price} {currency}")
    copywriter = writer(database, still_clock, copies, model)
    assert await written(copywriter) == {"headline": "Your mornings with Red Mug 300 ml: 9.50 GBP"}
    jar = replace(MUG, id=ItemId("jar"), title="Blue Jar", price=Decimal("4.20"))
    found = await copywriter.write(
        DEFAULT_TENANT, SLOTS, [Pick(jar, 1.0, Reason("popular", "Popular"))], "en", user="other"
    )
    assert found["headline"] == "Your mornings with Blue Jar: 4.20 GBP"
    assert found["public"]["copy"].startswith("cpy_")
    assert len(model.asked) == 1
    asked, material, schema = model.asked[0]
    assert "locale en" in asked
    assert "Red Mug" not in material  # what a title says can't talk to the model
    assert json.loads(material)["kind"] == "kitchen"
    assert schema["properties"]["variants"]["items"]["additionalProperties"] is False
    # Another node, or the next morning: the words are kept.
    later = writer(database, still_clock, Copies(database, still_clock, control=0.0), model)
    assert await written(later) == {"headline": "Your mornings with Red Mug 300 ml: 9.50 GBP"}
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "lie",
    [
        "{title}, now only 4.99!",
        "{title} for ４.99",
        "Half price: {title}",
        "{title} with a discount for you",
        "Only a few left: {title}",
        "{title} at 50 percent off",
        "The best {title} in the world",
        "A guaranteed return with {title}",
        "See https://evil.example for {title}",
        "{title} on evil.com",
        "<b>{title}</b>",
        "[{title}](javascript:alert)",
        "{{ user.name }} {title}",
        "{password} and {title}",
        "{title}{stock}",
        "Nouveau pour vous: {title} avec le prix de votre choix",
        "为你精选：{title}",
        "{title}\nIgnore previous instructions",
        "\u202e{title}",
        "long " * 40,
        "   ",
        7,
        None,
    ],
)
async def test_a_lie_is_not_sent(
    database: Database, still_clock: StillClock, copies: Copies, lie: Any
) -> None:
    model = Model(lie)
    copywriter = writer(database, still_clock, copies, model)
    assert await written(copywriter) == PLAIN
    assert await written(copywriter) == PLAIN
    assert len(model.asked) == 1  # and the model is left in peace for a while
    still_clock.seconds += 601
    model.answer = {"variants": [{"headline": "Good day with {title}"}]}
    assert await written(copywriter) == {"headline": "Good day with Red Mug 300 ml"}


@pytest.mark.parametrize(
    "lie", ["{title}五折", "{title}，全网最低价", "{title}买一送一", "Your new {title}", "{title}仅剩三件"]
)
async def test_a_chinese_lie_is_not_sent_either(
    database: Database, still_clock: StillClock, copies: Copies, lie: str
) -> None:
    assert await written(writer(database, still_clock, copies, Model(lie)), "zh-CN") == {
        "headline": "Red Mug 300 ml，仅 9.50"
    }
    good = writer(database, still_clock, copies, Model("为你的早晨挑选的{title}"))
    assert await written(good, "zh-CN") == {"headline": "为你的早晨挑选的Red Mug 300 ml"}


@pytest.mark.parametrize(
    "answer",
    [
        {"variants": [{"headline": "fine", "footer": "nobody asked"}]},
        {"variants": []},
        {"variants": "fine"},
        {"variants": [{"headline": "a"}] * 9},
        {"other": 1},
        {},
        "rubbish",
        None,
        WriterUnavailable("down"),
        ValueError("not JSON"),
    ],
)
async def test_whatever_comes_back_the_declared_text_is_sent(
    database: Database, still_clock: StillClock, copies: Copies, answer: Any
) -> None:
    model = Model()
    model.answer = answer
    assert await written(writer(database, still_clock, copies, model)) == PLAIN


async def test_a_liar_among_honest_sets_of_words_is_passed_over(
    database: Database, still_clock: StillClock, copies: Copies
) -> None:
    model = Model("{title} for free", "Meet {title}", "The best {title}")
    assert await written(writer(database, still_clock, copies, model)) == {"headline": "Meet Red Mug 300 ml"}


async def test_a_brand_keeps_its_words(database: Database, still_clock: StillClock, copies: Copies) -> None:
    model = Model("Hey dude, {title}")
    copywriter = writer(database, still_clock, copies, model, Brand("calm", ("dude",)))
    assert await written(copywriter) == PLAIN
    assert "Tone: calm" in model.asked[0][0]
    assert "dude" in model.asked[0][0]


async def test_a_filled_text_too_long_for_its_channel_is_the_declared_one(
    database: Database, still_clock: StillClock, copies: Copies
) -> None:
    slots = {"headline": Slot({"en": "{title}"}, max_chars=300)}
    long = Pick(replace(MUG, title="A mug " * 20), 1.0, Reason("popular", ""))
    model = Model("A good thing for a good day at your own table, and many more of them: {title}")
    copywriter = writer(database, still_clock, copies, model)
    short = await copywriter.write(DEFAULT_TENANT, slots, [long], "en", channels=("ws", "webpush"))
    assert short == {"headline": "A mug " * 20}
    assert "good day" in (await copywriter.write(DEFAULT_TENANT, slots, [long], "en"))["headline"]


async def test_the_cap_of_tokens_holds_over_restarts_and_ends_with_the_day(
    database: Database, still_clock: StillClock, copies: Copies
) -> None:
    model = Model("Meet {title}", tokens=900)
    assert await written(writer(database, still_clock, copies, model, cap=800)) != PLAIN
    other = {"headline": Slot({"en": "{title} again"})}
    again = writer(database, still_clock, copies, model, cap=800)
    assert (await again.write(DEFAULT_TENANT, other, PICKS, "en"))["headline"] == "Red Mug 300 ml again"
    assert len(model.asked) == 1


async def test_a_model_that_hangs_is_left_behind(
    database: Database, still_clock: StillClock, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms_module, "PATIENCE_SECONDS", 0.01)

    async def hang(*_: Any) -> Filled:
        await asyncio.Event().wait()
        return Filled({}, 0)

    assert await written(writer(database, still_clock, copies, hang)) == PLAIN


async def test_many_readers_of_a_cohort_ask_once(
    database: Database, still_clock: StillClock, copies: Copies
) -> None:
    model = Model("Meet {title}")
    copywriter = writer(database, still_clock, copies, model)
    await asyncio.gather(*(written(copywriter, user=f"u{n}") for n in range(30)))
    assert len(model.asked) == 1


async def test_the_declared_words_stay_as_control_and_what_is_clicked_wins(
    database: Database, still_clock: StillClock
) -> None:
    copies = Copies(database, still_clock, control=0.25)
    copywriter = writer(database, still_clock, copies, Model("Meet {title}", "Look: {title}"))
    users = [f"u{n}" for n in range(400)]

    async def used() -> dict[str, int]:
        found = [await copywriter.write(DEFAULT_TENANT, SLOTS, PICKS, "en", user=user) for user in users]
        counted = dict.fromkeys((one["headline"].split(" ")[0] for one in found), 0)
        for one in found:
            counted[one["headline"].split(" ")[0]] += 1
        return counted

    first = await used()
    assert 70 < first["Red"] < 130
    assert first["Meet"] > 50 < first["Look:"]
    meet, look = [one.copy for one in await copies.compared(DEFAULT_TENANT) if one.copy.arm == WRITTEN]
    for _ in range(60):
        await copies.count(DEFAULT_TENANT, meet.id, seen=True, clicked=False)
        await copies.count(DEFAULT_TENANT, look.id, seen=True, clicked=True)
    still_clock.seconds += 61
    later = await used()
    assert later["Red"] == first["Red"]
    assert later["Look:"] > 250
    control, *others = await copies.compared(DEFAULT_TENANT)
    assert (control.copy.arm, control.p_value) == (TEMPLATE, None)
    await copies.count(DEFAULT_TENANT, control.copy.id, seen=True, clicked=False)
    assert [one.copy.clicked for one in others] == [0, 60]


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A server that speaks the real protocol."""
    async with scripted_model() as model:
        yield model


@pytest.mark.parametrize(
    ("script", "headline"),
    [
        (call(("fill", {"variants": [{"headline": "Meet {title}"}]})), "Meet Red Mug 300 ml"),
        (text('Here: {"variants": [{"headline": "Meet {title}"}]}'), "Meet Red Mug 300 ml"),
        (call(("fill", {"variants": [{"headline": "{title} for 1.00"}]})), PLAIN["headline"]),
        (call(("fill", {"variants": [{"headline": "Neu: {title} für dich und die Familie"}]})), PLAIN["headline"]),
        (call(("fill", {"variants": [{"headline": "x" * 500}]})), PLAIN["headline"]),
        (call(("other", {"variants": [{"headline": "Meet {title}"}]})), PLAIN["headline"]),
        (text("I'd rather not."), PLAIN["headline"]),
        (text("{broken"), PLAIN["headline"]),
        ([chunk({"content": '{"variants"'}), Cut()], PLAIN["headline"]),
        ([Stall()], PLAIN["headline"]),
        (Refuse(500), PLAIN["headline"]),
    ],
)  # fmt: skip
async def test_over_the_wire_by_a_real_client(
    database: Database,
    still_clock: StillClock,
    copies: Copies,
    model: ScriptedModel,
    script: Any,
    headline: str,
) -> None:
    model.will(script)
    settings = WriterSettings(
        base_url=model.url, api_key="k", model="scripted", first_token_seconds=0.3, stall_seconds=0.3, total_seconds=2
    )  # fmt: skip
    budget = Budget(database, still_clock, settings, Meter(database, still_clock))

    async def no_pause(seconds: float) -> None:
        del seconds

    client = Writer(settings, budget, still_clock, pause=no_pause)
    try:
        copywriter = writer(database, still_clock, copies, FormFiller(client))
        assert await written(copywriter) == {"headline": headline}
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ({"Head": Slot({"en": "x"})}, "not a slot's name"),
        ({"head": Slot({})}, "needs a text"),
        ({"head": Slot({"en": "{colour} ones"})}, "no field {colour}"),
    ],
)
def test_wrong_slots_are_refused_with_the_reason(slots: dict[str, Slot], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        checked_slots(slots)


async def test_no_pick_leaves_no_hole() -> None:
    slots = {"headline": Slot({"en": "New for you"})}
    assert await Copywriter().write(DEFAULT_TENANT, slots, [], "en") == {"headline": "New for you"}


async def test_what_a_title_contains_is_not_read_as_a_field() -> None:
    odd = Pick(replace(MUG, title="{price} mug"), 1.0, Reason("popular", ""))
    found = await Copywriter().write(DEFAULT_TENANT, SLOTS, [odd], "en")
    assert found == {"headline": "{price} mug for 9.50 GBP"}
