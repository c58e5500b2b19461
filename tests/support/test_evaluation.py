"""Figures of an evaluation, and the command that prints them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from chatpush.cli.support import support
from chatpush.errors import InvalidKnowledge
from chatpush.support.judging.datasets import questions, task
from chatpush.support.judging.evaluation import Asked, Judged, picture, report
from tests.support.vectoring import tiny_model

KNOWN, STRANGE = Asked("q", ("a",)), Asked("s", ())
JUDGED = [
    Judged(KNOWN, True, 0.9, 1),
    Judged(KNOWN, True, 0.8, 1),
    Judged(KNOWN, False, 0.7, 3),
    Judged(KNOWN, False, 0.2, 0),
    Judged(STRANGE, False, 0.6, 0),
    Judged(STRANGE, False, 0.1, 0),
]


def test_figures() -> None:
    found = report(JUDGED, 0.55)
    assert (found.known, found.strange) == (4, 2)
    assert (found.accuracy, found.in_five) == (0.5, 0.75)
    assert (found.coverage, found.precision) == (0.75, 2 / 3)
    assert found.overall_precision == 0.5
    assert (found.hand_over_precision, found.hand_over_recall) == (1.0, 0.5)
    assert (found.strange_answered, found.caught) == (0.5, 0.5)
    assert sum(one.count for one in found.bins) == len(JUDGED)


def test_nothing_asked_breaks_nothing() -> None:
    assert report([], 0.5).accuracy == 0.0


def test_the_picture_is_whole_xml_and_says_what_it_shows() -> None:
    drawn = picture(report(JUDGED, 0.55), "a < b")
    root = ET.fromstring(drawn)
    assert root.find("{http://www.w3.org/2000/svg}title").text == "a < b"  # type: ignore[union-attr]


def test_an_expected_answer_may_name_a_section() -> None:
    asked = Asked("q", ("zh:delivery:运费", "returns:"))
    assert asked.is_right("zh:delivery", "运费怎么算", 2)
    assert not asked.is_right("zh:delivery", "加急", 2)
    assert asked.is_right("returns", "", 0)
    assert not asked.is_right("returns", "x", 1)


def test_lists_are_read_and_told_when_wrong(tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text(
        "language\tquestion\texpected\nzh\t退款\ta|b\nen\tweather\t\n", encoding="utf-8"
    )
    first, second = questions(tmp_path / "q.tsv")
    assert first == Asked("退款", ("a", "b"), "zh")
    assert not second.known
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidKnowledge):
        questions(tmp_path / "bad.csv")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InvalidKnowledge):
        questions(tmp_path / "empty.jsonl")
    with pytest.raises(InvalidKnowledge):
        task(tmp_path)


def test_the_command_asks_a_folder(tmp_path: Path) -> None:
    shelf = tmp_path / "articles"
    shelf.mkdir()
    (shelf / "returns.md").write_text("# Returns\n\nSend it back within 30 days.")
    (shelf / "delivery.md").write_text("# Delivery\n\nTwo days, three pounds.")
    lines = [
        {"question": "how do I return it", "expected": "returns"},
        {"question": "delivery time", "expected": "delivery"},
        {"question": "who won the match", "expected": ""},
    ]
    asked = tmp_path / "q.jsonl"
    asked.write_text("\n".join(json.dumps(one) for one in lines))
    svg = tmp_path / "c.svg"
    result = CliRunner().invoke(
        support, ["evaluate", str(asked), "--knowledge", str(shelf), "--svg", str(svg), "--wrong", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "100.0% first" in result.output
    assert "2 known, 1 strange" in result.output
    assert svg.read_text().startswith("<svg")
    refused = CliRunner().invoke(support, ["evaluate", str(asked)], env={"CHATPUSH_KEY": ""})
    assert refused.exit_code == 2


def test_the_command_learns_a_data_set(tmp_path: Path) -> None:
    words = {"cat": "purring kitten", "dog": "barking puppy", "cow": "milk moo", "hen": "egg cluck"}
    rows = [f"{text} number {number},{label}" for label, text in words.items() for number in range(6)]
    (tmp_path / "train.csv").write_text("text,category\n" + "\n".join(rows))
    (tmp_path / "test.csv").write_text("text,category\na purring kitten,cat\nmoo,cow\n")
    result = CliRunner().invoke(support, ["evaluate", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "100.0% first" in result.output


def test_standard_questions_are_asked_by_what_was_not_learned(tmp_path: Path) -> None:
    wordings = {
        "如何退货": "退货怎么弄",
        "钱包在哪里": "找不到钱包",
        "怎么开发票": "发票给我开一下",
        "如何改地址": "地址写错了要改",
    }
    rows = [
        f"{standard}\t{one}，第{number}次问" for standard, one in wordings.items() for number in range(14)
    ]
    path = tmp_path / "standard-questions.tsv"
    path.write_text("standard\tquestion\n" + "\n".join([*rows, "没有人问过的\t"]), encoding="utf-8")
    plain, similar = task(tmp_path), task(tmp_path, 10)
    assert [len(article.questions) for article, _ in plain.articles] == [0] * 5
    assert sorted(len(article.questions) for article, _ in similar.articles) == [0, 10, 10, 10, 10]
    assert (plain.asked, plain.validation) == (similar.asked, similar.validation)
    learned = {question for article, _ in similar.articles for question in article.questions}
    assert learned.isdisjoint(one.text for one in (*similar.asked, *similar.validation))
    assert len(similar.asked) == len(similar.validation) == 8
    result = CliRunner().invoke(support, ["evaluate", str(tmp_path), "--per-answer", "10"])
    assert "100.0% first" in result.output
    path.write_text("question\n如何退货\n", encoding="utf-8")
    with pytest.raises(InvalidKnowledge, match="standard and question"):
        task(tmp_path)


def test_the_command_compares_vectors_of_a_local_model(tmp_path: Path) -> None:
    words = {"cat": "purring kitten", "dog": "barking puppy", "cow": "milk moo", "hen": "egg cluck"}
    rows = [f"{text} number {number},{label}" for label, text in words.items() for number in range(6)]
    (tmp_path / "train.csv").write_text("text,category\n" + "\n".join(rows))
    (tmp_path / "test.csv").write_text("text,category\na purring kitten,cat\nmoo,cow\n")
    model = tmp_path / "model"
    model.mkdir()
    tiny_model(model)
    result = CliRunner().invoke(support, ["evaluate", str(tmp_path), "--embeddings", str(model)])
    assert result.exit_code == 0, result.output
    assert "2 known, 0 strange" in result.output
    shelf = tmp_path / "articles"
    shelf.mkdir()
    (shelf / "returns.md").write_text("# Returns\n\nSend it back within 30 days.")
    asked = tmp_path / "q.csv"
    asked.write_text("question,expected,language\nrefunds my money?,returns,en\n退款,returns,zh\n")
    result = CliRunner().invoke(
        support, ["evaluate", str(asked), "--knowledge", str(shelf), "--embeddings", str(model)]
    )
    assert result.exit_code == 0, result.output
    refused = CliRunner().invoke(support, ["evaluate", str(asked), "--key", "sk", "--embeddings", str(model)])
    assert refused.exit_code == 2
    assert "support.embeddings_directory" in refused.output
