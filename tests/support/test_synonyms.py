"""Words that mean the same, built in and a tenant's own."""

import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import InvalidKnowledge
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.synonyms import Synonyms, parse
from tests.clocks import StillClock


def test_a_phrase_is_found_as_a_whole() -> None:
    meant = {term for one in Synonyms().of("I want my money back") for term in one.keys}
    assert "w:refund" in meant
    assert Synonyms().of("I want to go back") == []


def test_the_longer_phrase_stands_before_one_within_it() -> None:
    meant = {term for one in Synonyms().of("满多少免运费") for term in one.keys}
    assert "c:包邮" in meant
    assert "c:邮费" not in meant


def test_groups_are_checked() -> None:
    assert parse("# ours\nlamp, light\n\n灯，灯具\n") == ("lamp, light", "灯，灯具")
    with pytest.raises(InvalidKnowledge):
        parse("alone")
    with pytest.raises(InvalidKnowledge):
        parse("x" * 61 + ", y")


async def test_a_tenants_own_words_are_understood_at_once(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    knowledge = Knowledge(any_database, vault, still_clock)
    await knowledge.put(
        DEFAULT_TENANT,
        [Draft("cover", "Duvets", "Wash at 40 degrees.", "en"), Draft("lamp", "Lamps", "Dust them.", "en")],
    )
    retrieval = Retrieval(knowledge)
    assert (await retrieval.search(DEFAULT_TENANT, "doona", "en")).passages == ()
    await knowledge.put_synonyms(DEFAULT_TENANT, ["doona, duvet"])
    found = await retrieval.search(DEFAULT_TENANT, "doona", "en")
    assert found.passages[0].article == "cover"
    assert await knowledge.synonyms(DEFAULT_TENANT) == ("doona, duvet",)
