"""A model may fill declared slots, and nothing it invents is sent."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, Item, ItemId, Pick, Reason
from chatpush.errors import InvalidInput, WriterUnavailable
from chatpush.recommend import copywriter
from chatpush.recommend.copywriter import Copywriter, Slot, checked_slots

MUG = Item(DEFAULT_TENANT, ItemId("mug"), "Red Mug 300 ml", price=Decimal("9.50"), currency="GBP")
PICKS = [Pick(MUG, 1.0, Reason("popular", "Popular"))]
SLOTS = {
    "headline": Slot({"en": "{title} for {price} {currency}", "zh-CN": "{title},仅 {price}"}, max_chars=60)
}
PLAIN = {"headline": "Red Mug 300 ml for 9.50 GBP"}


class ScriptedModel:
    """Answers as told and remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, prompt: str, schema: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((prompt, schema))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


async def write(answer: Any, locale: str = "en") -> dict[str, str]:
    return await Copywriter(ScriptedModel(answer)).write(DEFAULT_TENANT, SLOTS, PICKS, locale)


async def test_without_a_model_the_declared_text_in_the_readers_language() -> None:
    assert await Copywriter().write(DEFAULT_TENANT, SLOTS, PICKS, "en-GB") == PLAIN
    assert await Copywriter().write(DEFAULT_TENANT, SLOTS, PICKS, "zh") == {
        "headline": "Red Mug 300 ml,仅 9.50"
    }


async def test_a_models_words_are_used_and_remembered() -> None:
    model = ScriptedModel({"headline": "Your mornings, in red: 9.50"})
    writer = Copywriter(model)
    for _ in range(2):
        assert await writer.write(DEFAULT_TENANT, SLOTS, PICKS, "en") == {
            "headline": "Your mornings, in red: 9.50"
        }
    assert len(model.asked) == 1
    asked, schema = model.asked[0]
    assert "Red Mug" in asked
    assert schema["required"] == ["headline"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "answer",
    [
        {"headline": "Now only 4.99!"},
        {"headline": "50 % off"},
        {"headline": "See https://evil.example"},
        {"headline": "<b>Red</b>"},
        {"headline": "long " * 40},
        {"headline": ""},
        {"headline": 7},
        {"headline": "fine", "footer": "nobody asked"},
        {},
        "rubbish",
        None,
        WriterUnavailable("down"),
        ValueError("not JSON"),
    ],
)
async def test_whatever_goes_wrong_the_declared_text_is_sent(answer: Any) -> None:
    assert await write(answer) == PLAIN


async def test_a_model_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copywriter, "PATIENCE_SECONDS", 0.01)

    async def hang(prompt: str, schema: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    assert await Copywriter(hang).write(DEFAULT_TENANT, SLOTS, PICKS, "en") == PLAIN


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ({"Head": Slot({"en": "x"})}, "not a slot's name"),
        ({"head": Slot({})}, "needs a text"),
        ({"head": Slot({"en": "{stock} left"})}, "no field {stock}"),
    ],
)
def test_wrong_slots_are_refused_with_the_reason(slots: dict[str, Slot], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        checked_slots(slots)


async def test_no_pick_leaves_no_hole() -> None:
    slots = {"headline": Slot({"en": "New for you"})}
    assert await Copywriter().write(DEFAULT_TENANT, slots, [], "en") == {"headline": "New for you"}
