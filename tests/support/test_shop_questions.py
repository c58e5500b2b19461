"""A shop's questions, asked as people ask: found, answered when sure, and left alone when strange.

The rules were tuned on the half marked ``tune``; the bounds here are on ``check``.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.judging.evaluation import Asked
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import read_file
from chatpush.support.retrieval.retrieval import Found, Retrieval
from chatpush.support_settings import Support
from tests.clocks import StillClock

QUESTIONS = Path(__file__).parent / "data" / "shop-questions.tsv"
ARTICLES = Path(__file__).parents[2] / "examples" / "shop" / "knowledge"


@dataclass(frozen=True, slots=True)
class Tried:
    """One question and what became of it."""

    question: str
    kind: str
    article: bool
    section: bool
    confidence: float

    @property
    def answered(self) -> bool:
        """Whether the assistant would have answered."""
        return self.confidence >= Support().confidence


def judge(row: dict[str, str], found: Found) -> Tried:
    """Compare what was found with what was expected."""
    expected = tuple(row["expected"].split("|")) if row["expected"] else ()
    asked = Asked(row["question"], expected)
    first = found.passages[0] if found.passages else None
    section = first is not None and asked.is_right(first.article, first.heading, first.position)
    article = first is not None and first.article in {one.rpartition(":")[0] for one in expected}
    return Tried(row["question"], row["kind"], article, section, found.confidence)


async def ask_all(knowledge: Knowledge, language: str) -> list[Tried]:
    """Ask every question of the half that was not tuned on."""
    for place in ("en", "zh"):
        files = sorted((ARTICLES / place).glob("*.md"))
        await knowledge.put(DEFAULT_TENANT, [read_file(file, f"{place}:{file.stem}") for file in files])
    retrieval = Retrieval(knowledge)
    with QUESTIONS.open(encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file, delimiter="\t")
            if row["half"] == "check" and row["language"] == language
        ]
    return [
        judge(row, await retrieval.search(DEFAULT_TENANT, row["question"], row["language"])) for row in rows
    ]


def share(tried: Sequence[Tried], attribute: str) -> float:
    """Return the share of which something holds."""
    return sum(bool(getattr(one, attribute)) for one in tried) / len(tried)


@pytest.mark.parametrize(
    ("language", "first", "answered", "precision"), [("en", 0.62, 0.5, 0.8), ("zh", 0.76, 0.5, 0.85)]
)
async def test_questions_of_a_shop(
    database: Database,
    vault: Vault,
    still_clock: StillClock,
    language: str,
    first: float,
    answered: float,
    precision: float,
) -> None:
    tried = await ask_all(Knowledge(database, vault, still_clock), language)
    known = [one for one in tried if one.kind == "in"]
    assert share(known, "section") >= first
    assert share(known, "answered") >= answered
    assert share([one for one in known if one.answered], "article") >= precision
    strange = [one for one in tried if one.kind != "in"]
    wrongly = [one.question for one in strange if one.answered]
    assert len(wrongly) <= 0.1 * len(strange), wrongly


@pytest.mark.parametrize("question", ["你们能修自行车吗", "有学生优惠吗", "do you give student discounts"])
async def test_what_no_article_speaks_of_is_not_answered(
    database: Database, vault: Vault, still_clock: StillClock, question: str
) -> None:
    knowledge = Knowledge(database, vault, still_clock)
    await ask_all(knowledge, "en")
    found = await Retrieval(knowledge).search(DEFAULT_TENANT, question, "zh")
    assert found.confidence < Support().confidence


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_heading_asked_word_for_word_is_answered_by_its_section(
    database: Database, vault: Vault, still_clock: StillClock, language: str
) -> None:
    knowledge = Knowledge(database, vault, still_clock)
    await ask_all(knowledge, language)
    retrieval = Retrieval(knowledge)
    wrong = []
    for file in sorted((ARTICLES / language).glob("*.md")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("## "):
                continue
            found = await retrieval.search(DEFAULT_TENANT, line.removeprefix("## ").upper(), language)
            if not found.passages or f"## {found.passages[0].heading}" != line:
                wrong.append(line)
    assert wrong == []


@pytest.mark.parametrize(
    ("question", "language", "expected"),
    [
        ("How long does delivery take?", "en", "2 to 4 working days"),
        ("Can I send it back?", "en", "within **30 days**"),
        ("多久能送到？", "zh", "工作日"),
        ("可以退货吗？", "zh", "退"),
    ],
)
async def test_what_the_shop_suggests_to_ask_it_answers(
    database: Database, vault: Vault, still_clock: StillClock, question: str, language: str, expected: str
) -> None:
    knowledge = Knowledge(database, vault, still_clock)
    await ask_all(knowledge, language)
    found = await Retrieval(knowledge).search(DEFAULT_TENANT, question, language)
    assert found.confidence >= Support().confidence
    assert expected in found.passages[0].text
