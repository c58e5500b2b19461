"""Articles in the store, and the search over them."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.errors import InvalidKnowledge, NotFound
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.retrieval.retrieval import Retrieval
from tests.clocks import StillClock
from tests.support.house import ARTICLES

OTHER = TenantId("other")


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database."""
    return any_database


@pytest.fixture
def knowledge(database: Database, vault: Vault, still_clock: StillClock) -> Knowledge:
    """An empty store of knowledge."""
    return Knowledge(database, vault, still_clock)


async def test_unchanged_content_is_not_stored_again(knowledge: Knowledge) -> None:
    first = await knowledge.put(DEFAULT_TENANT, ARTICLES)
    assert {outcome.status for outcome in first} == {"added"}
    version = await knowledge.version(DEFAULT_TENANT)
    again = await knowledge.put(DEFAULT_TENANT, ARTICLES)
    assert {outcome.status for outcome in again} == {"unchanged"}
    assert await knowledge.version(DEFAULT_TENANT) == version
    changed = await knowledge.put(DEFAULT_TENANT, [replace(ARTICLES[0], text="New."), *ARTICLES[1:]])
    assert [outcome.status for outcome in changed].count("updated") == 1
    assert await knowledge.version(DEFAULT_TENANT) == version + 1


async def test_list_text_delete(knowledge: Knowledge) -> None:
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    page = await knowledge.page(DEFAULT_TENANT, 3)
    assert [article.id for article in page] == ["invoice", "pay", "return"]
    assert [article.id for article in await knowledge.page(DEFAULT_TENANT, 2, "return")] == [
        "ship",
        "warranty",
    ]
    article, text = await knowledge.text(DEFAULT_TENANT, "pay")
    assert article.title == "Ways to pay"
    assert text == ARTICLES[2].text
    await knowledge.delete(DEFAULT_TENANT, "pay")
    with pytest.raises(NotFound):
        await knowledge.text(DEFAULT_TENANT, "pay")
    with pytest.raises(NotFound):
        await knowledge.delete(DEFAULT_TENANT, "pay")


async def test_content_is_sealed(knowledge: Knowledge, database: Database) -> None:
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    for table in ("knowledge_article", "knowledge_chunk"):
        for row in await database.read(f"SELECT * FROM {table}"):
            whole = b"".join(
                value if isinstance(value, bytes) else str(value).encode() for value in row.values()
            )
            assert b"refund" not in whole
            assert "退款".encode() not in whole


@pytest.mark.parametrize(
    ("draft", "param"),
    [
        (Draft("", "t", "x", "en"), "id"),
        (Draft("a", " ", "x", "en"), "title"),
        (Draft("a", "t", " \n", "en"), "text"),
    ],
)
async def test_half_articles_are_refused(knowledge: Knowledge, draft: Draft, param: str) -> None:
    with pytest.raises(InvalidKnowledge) as caught:
        await knowledge.put(DEFAULT_TENANT, [ARTICLES[0], draft])
    assert caught.value.param == param
    assert await knowledge.page(DEFAULT_TENANT, 10) == []


async def test_the_index_follows_changes(knowledge: Knowledge) -> None:
    retrieval = Retrieval(knowledge)
    assert (await retrieval.search(DEFAULT_TENANT, "refund", "en")).passages == ()
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    found = await retrieval.search(DEFAULT_TENANT, "how long does a refund take", "en")
    assert found.passages[0].article == "return"
    await knowledge.delete(DEFAULT_TENANT, "return")
    found = await retrieval.search(DEFAULT_TENANT, "how long does a refund take", "en")
    assert "return" not in {passage.article for passage in found.passages}
    await knowledge.put(DEFAULT_TENANT, [Draft("new", "Gift cards", "A refund goes to the gift card.", "en")])
    found = await retrieval.search(DEFAULT_TENANT, "gift card refund", "en")
    assert found.passages[0].article == "new"


async def test_another_tenant_finds_nothing(knowledge: Knowledge) -> None:
    retrieval = Retrieval(knowledge)
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    assert (await retrieval.search(OTHER, "refund", "en")).passages == ()
    assert await knowledge.page(OTHER, 10) == []


async def test_the_askers_language_comes_first_and_another_is_better_than_nothing(
    knowledge: Knowledge,
) -> None:
    retrieval = Retrieval(knowledge)
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    assert (await retrieval.search(DEFAULT_TENANT, "PayPal", "zh-CN")).passages[0].article == "zh-pay"
    assert (await retrieval.search(DEFAULT_TENANT, "PayPal", "en")).passages[0].article == "pay"
    found = await retrieval.search(DEFAULT_TENANT, "warranty", "zh-CN")
    assert found.passages[0].article == "warranty"


async def test_similar_questions_lead_to_the_section_that_answers(knowledge: Knowledge) -> None:
    retrieval = Retrieval(knowledge)
    text = (
        "We keep little.\n\n## Passwords\n\nUse the link on the sign-in page.\n\n## Mail\n\nChange it there."
    )
    draft = Draft("account", "Your account", text, "en", questions=("I forgot my passwords", "cannot log in"))
    await knowledge.put(DEFAULT_TENANT, [*ARTICLES, draft])
    found = await retrieval.search(DEFAULT_TENANT, "forgot passwords", "en")
    assert (found.passages[0].article, found.passages[0].heading) == ("account", "Passwords")
    found = await retrieval.search(DEFAULT_TENANT, "I cannot log in", "en")
    assert found.passages[0].article == "account"


async def test_many_searches_build_one_index(knowledge: Knowledge) -> None:
    retrieval = Retrieval(knowledge)
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    found = await asyncio.gather(*(retrieval.search(DEFAULT_TENANT, "退款", "zh") for _ in range(20)))
    assert {one.passages[0].article for one in found} == {"zh-return"}


async def test_confidence_tells_known_from_unknown(knowledge: Knowledge) -> None:
    retrieval = Retrieval(knowledge)
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    for question, locale in [
        ("退款", "zh"),
        ("请问怎么开发票呀", "zh"),
        ("refund", "en"),
        ("can I pay with paypal", "en"),
    ]:
        assert (await retrieval.search(DEFAULT_TENANT, question, locale)).confidence >= 0.55, question
    for question, locale in [
        ("今天天气怎么样", "zh"),
        ("帮我写一首诗", "zh"),
        ("who won the world cup", "en"),
        ("!!!", "en"),
    ]:
        assert (await retrieval.search(DEFAULT_TENANT, question, locale)).confidence < 0.25, question


async def test_a_misspelt_word_is_found(knowledge: Knowledge) -> None:
    retrieval = Retrieval(knowledge)
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    found = await retrieval.search(DEFAULT_TENANT, "warantty on lamps", "en")
    assert found.passages[0].article == "warranty"


async def test_articles_have_their_days(knowledge: Knowledge, still_clock: StillClock) -> None:
    today = still_clock.now().date()
    tomorrow = (today + timedelta(days=1)).isoformat()
    sale = Draft(
        "sale", "Summer sale", "Everything is cheaper.", "en", valid_from=tomorrow, valid_until=tomorrow
    )
    await knowledge.put(DEFAULT_TENANT, [*ARTICLES, sale])
    retrieval = Retrieval(knowledge)
    assert "sale" not in {
        one.article for one in (await retrieval.search(DEFAULT_TENANT, "summer sale", "en")).passages
    }
    still_clock.forward(timedelta(days=1))
    assert (await retrieval.search(DEFAULT_TENANT, "summer sale", "en")).passages[0].article == "sale"
    still_clock.forward(timedelta(days=1))
    assert "sale" not in {
        one.article for one in (await retrieval.search(DEFAULT_TENANT, "summer sale", "en")).passages
    }
    with pytest.raises(InvalidKnowledge):
        await knowledge.put(DEFAULT_TENANT, [replace(sale, valid_from="tomorrow")])


async def test_an_article_for_some_is_hidden_from_others(knowledge: Knowledge) -> None:
    gold = Draft(
        "gold", "Golden lounge", "Gold members enter the golden lounge with code 77.", "en",
        audience=("plan=gold", "plan=platinum"),
    )  # fmt: skip
    await knowledge.put(DEFAULT_TENANT, [*ARTICLES, gold])
    retrieval = Retrieval(knowledge)
    question = "How do I enter the golden lounge?"
    for reader, finds in (((), False), (("signed_in", "plan=free"), False), (("plan=gold",), True)):
        found = await retrieval.search(DEFAULT_TENANT, question, "en", 10, frozenset(reader))
        assert any(one.article == "gold" for one in found.passages) is finds
    assert (await knowledge.draft(DEFAULT_TENANT, "gold")).audience == gold.audience
    with pytest.raises(InvalidKnowledge):
        await knowledge.put(DEFAULT_TENANT, [replace(gold, audience=("everyone!",))])
