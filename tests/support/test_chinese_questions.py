"""Chinese questions, made by hand: 26 standard questions, 156 other ways to ask.

Ranking was not fitted on them; how sure Chinese answers are was, on these among others. The figures are
those of ``bench.support``; here they only must not get worse.
"""

import csv
from datetime import date
from pathlib import Path

import pytest

from chatpush.support.assistant.asking import ask, open_shelf
from chatpush.support.judging.datasets import chinese
from chatpush.support.judging.evaluation import report

DATA = Path(__file__).parent / "data" / "chinese-questions.tsv"


@pytest.mark.parametrize(("similar", "least", "sure"), [(False, 0.70, 0.93), (True, 0.62, 0.90)])
async def test_chinese_questions_find_their_answer(similar: bool, least: float, sure: float) -> None:
    task = chinese(DATA, similar=similar)
    retrieval, _ = await open_shelf(task.articles, date(2026, 11, 24))
    found = report(await ask(retrieval, task.asked), 0.55)
    assert found.accuracy >= least
    assert found.precision >= sure
    assert found.coverage >= 0.3


def test_the_set_is_what_it_says() -> None:
    rows = list(csv.DictReader(DATA.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    assert sum(row["kind"] != "standard" for row in rows) >= 150
    assert len({row["question"] for row in rows}) == len(rows)
    plain, more = chinese(DATA, similar=False), chinese(DATA, similar=True)
    assert len(plain.asked) == 156
    assert len(more.asked) == 78
