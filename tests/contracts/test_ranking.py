"""Every store ranks alike: an index is built from what is kept, whoever keeps it, after whatever changes."""

import csv
from pathlib import Path

import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft, read_file
from chatpush.support.knowledge.shelf import Shelf
from chatpush.support.retrieval.retrieval import Found, Retrieval
from tests.clocks import StillClock

ARTICLES = Path(__file__).parents[2] / "examples" / "shop" / "knowledge"
QUESTIONS = Path(__file__).parents[1] / "support" / "data" / "shop-questions.tsv"
ASKED = 60


@pytest.fixture
def database(any_database: Database) -> Database:
    """Each kind of database."""
    return any_database


def drafts() -> list[Draft]:
    """Return the shop's articles in both languages."""
    files = [(place, file) for place in ("en", "zh") for file in sorted((ARTICLES / place).glob("*.md"))]
    return [read_file(file, f"{place}:{file.stem}") for place, file in files]


async def ask(retrieval: Retrieval) -> list[Found]:
    """Return what is found for some of a shop's questions."""
    with QUESTIONS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    some = rows[:: max(1, len(rows) // ASKED)]
    return [await retrieval.search(DEFAULT_TENANT, row["question"], row["language"]) for row in some]


async def test_every_store_ranks_as_none_does(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    """Put in another order, with articles that came and went, and asked in between."""
    knowledge = Knowledge(database, vault, still_clock)
    retrieval = Retrieval(knowledge)
    articles = drafts()
    half = len(articles) // 2
    passing = Draft("passing", "Refunds and deliveries", "Refunds, deliveries and lanterns.", "en")
    await knowledge.put(DEFAULT_TENANT, [passing, *reversed(articles[half:])])
    await ask(retrieval)
    await knowledge.put(DEFAULT_TENANT, articles[:half])
    await knowledge.delete(DEFAULT_TENANT, "passing")
    found = await ask(retrieval)
    assert found == await ask(Retrieval(knowledge))  # a restart
    assert found == await ask(Retrieval(Shelf.of(articles, knowledge.today())))
    assert sum(bool(one.passages) for one in found) > len(found) // 2
