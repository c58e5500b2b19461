"""Advice to authors: by rules and the embedded classifier, and by a model whose word is checked."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from chatpush.domain import Category, TenantId, User, UserId
from chatpush.recommend.analysis.advice import WORDS, Adviser
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.words.forms import Filled, Forms, Schema
from tests.recommend.world import World


def adviser(world: World, answer: Any = None) -> Adviser:
    async def find(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {}

    async def fill(tenant: TenantId, asked: str, material: str, schema: Schema) -> Filled:
        assert "locale en" in asked
        assert json.dumps(schema)
        return Filled(answer, 10)

    forms = Forms(world.database, world.clock, fill if answer is not None else None)
    return Adviser(Timing(world.database, find, world.clock), forms)


async def codes(world: World, title: str, body: str, **more: Any) -> set[str]:
    return {hint.code for hint in (await adviser(world).advise(world.tenant, title, body, **more)).hints}


async def test_marketing_under_another_label_is_told(world: World) -> None:
    advice = await adviser(world).advise(world.tenant, "Summer sale", "Everything half price, shop now!")
    assert advice.treated_as is Category.MARKETING
    assert [hint.code for hint in advice.hints] == ["taken_for_marketing"]
    assert not advice.by_model
    assert len(advice.hours) == 3
    assert all(9 <= hour <= 22 for hour, _ in advice.hours)
    told = await adviser(world).advise(
        world.tenant, "Summer sale", "Everything half price", category=Category.MARKETING
    )
    assert told.hints == ()


async def test_news_has_nothing_to_be_said(world: World) -> None:
    advice = await adviser(world).advise(world.tenant, "Shipped", "Your order 7 has left our warehouse.")
    assert advice.treated_as is Category.TRANSACTIONAL
    assert advice.hints == ()


async def test_claims_length_language_and_shouting(world: World) -> None:
    long = "A word and another one for you. " * 20
    marketing = {"category": Category.MARKETING}
    assert await codes(world, "全国第一的茶", "最佳品质", **marketing) == {"superlative"}
    assert "guaranteed_return" in await codes(world, "Fund", "Guaranteed returns", **marketing)
    assert "cure" in await codes(world, "Tea", "A miracle cure for you", **marketing)
    assert await codes(world, "x " * 30, "Fine words for you", **marketing) == {"title_long"}
    assert await codes(world, "", long, **marketing) == {"no_title", "body_long"}
    assert await codes(world, "Hello", "Good words for you", locale="zh-CN", **marketing) == {
        "other_language"
    }
    assert "shouting" in await codes(world, "SALE NOW!!!", "All for you", **marketing)
    assert await codes(world, "", "", **marketing) == {"no_title"}


async def test_hints_speak_the_authors_language(world: World) -> None:
    found = await adviser(world).advise(world.tenant, "", "Good words for you", words_in="zh-CN")
    assert "标题" in found.hints[0].text
    assert all({"en", "zh-CN"} == set(words) for words in WORDS.values())


GOOD = {"category": "marketing", "urgency": "low", "sentiment": "positive", "claims": [], "subjects": []}


async def test_a_models_word_is_taken_where_it_can_be(world: World) -> None:
    answer = GOOD | {
        "claims": [{"kind": "superlative", "words": "finest of all"}, {"kind": "cure", "words": "not there"}],
        "subjects": ["Good tea for you", "Tea for 1 GBP", "The best tea", "Bon thé pour vous et les amis"][
            :3
        ],
    }
    advice = await adviser(world, answer).advise(world.tenant, "Tea", "The finest of all teas for you")
    assert advice.by_model
    assert (advice.analysis.category, advice.analysis.urgency) == ("marketing", "low")
    assert "finest of all" in {claim.words for claim in advice.analysis.claims}
    assert "not there" not in {claim.words for claim in advice.analysis.claims}
    assert advice.subjects == ("Good tea for you",)
    # The policy goes by what is embedded: a model that lies can't send an order's news astray.
    assert advice.treated_as is Category.TRANSACTIONAL


async def test_to_look_is_not_to_ask_the_model(world: World) -> None:
    advice = await adviser(world, GOOD).advise(world.tenant, "Tea", "Good tea", ask=False)
    assert (advice.by_model, advice.subjects) == (False, ())


@pytest.mark.parametrize(
    "answer",
    [
        "rubbish",
        {},
        GOOD | {"category": "spam"},
        GOOD | {"more": 1},
        GOOD | {"claims": [{"kind": "rude", "words": "x"}]},
        GOOD | {"subjects": ["a"] * 9},
    ],
)
async def test_a_model_that_talks_nonsense_is_not_heard(world: World, answer: Any) -> None:
    advice = await adviser(world, answer).advise(world.tenant, "Shipped", "Your order 7 has left.")
    assert not advice.by_model
    assert advice.analysis.category == "transactional"
