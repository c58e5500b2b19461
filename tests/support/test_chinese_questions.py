"""Chinese questions, made by hand: 26 standard questions, 156 other ways to ask.

Ranking was not fitted on them; how sure Chinese answers are was, on these among others. The figures
stand in ``docs/support-quality.md``; here they only must not get worse.
"""

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from chatpush.support.assistant.asking import ask, open_shelf
from chatpush.support.judging.datasets import Task
from chatpush.support.judging.evaluation import Asked, report
from chatpush.support.knowledge.shelf import bare

DATA = Path(__file__).parent / "data" / "chinese-questions.tsv"


def rows() -> list[dict[str, str]]:
    """Return answer, question and kind of each line."""
    return list(csv.DictReader(DATA.read_text(encoding="utf-8").splitlines(), delimiter="\t"))


def chinese(*, similar: bool) -> Task:
    """Return them as a task; with ``similar`` half of the other wordings are learned."""
    learned = {"standard", "similar"} if similar else {"standard"}
    by_answer: dict[str, list[str]] = defaultdict(list)
    asked = []
    for row in rows():
        if row["kind"] in learned:
            by_answer[row["answer"]].append(row["question"])
        else:
            asked.append(Asked(row["question"], (row["answer"],), "zh"))
    articles = [
        bare(answer, several[0], [""], several[1:], "zh") for answer, several in sorted(by_answer.items())
    ]
    return Task("own Chinese questions", tuple(articles), tuple(asked))


@pytest.mark.parametrize(("similar", "least", "sure"), [(False, 0.70, 0.93), (True, 0.62, 0.90)])
async def test_chinese_questions_find_their_answer(similar: bool, least: float, sure: float) -> None:
    task = chinese(similar=similar)
    retrieval, _ = await open_shelf(task.articles, date(2026, 11, 24))
    found = report(await ask(retrieval, task.asked), 0.55)
    assert found.accuracy >= least
    assert found.precision >= sure
    assert found.coverage >= 0.3


def test_the_set_is_what_it_says() -> None:
    assert sum(row["kind"] != "standard" for row in rows()) >= 150
    assert len({row["question"] for row in rows()}) == len(rows())
    plain, more = chinese(similar=False), chinese(similar=True)
    assert len(plain.asked) == 156
    assert len(more.asked) == 78
