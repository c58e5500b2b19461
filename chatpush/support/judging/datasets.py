"""Read questions to evaluate with: a list of one's own, or a public data set's folder.

A list is CSV, TSV or JSON Lines with ``question`` and ``expected`` (an article,
``article:part of a heading``, several separated by ``|``; empty: a person
should take it), and ``language`` if not English. A folder holds what articles
are made of as well:

- ``train.csv`` and ``test.csv`` with ``text`` and ``category`` (Banking77), or
  ``question`` and ``answer``; each category is an article with its examples;
- ``data_full.json.gz`` or ``data_full.json`` (CLINC150) with out-of-scope questions;
- ``stackExchange-FAQ.json`` (StackFAQ), searched by questions or by passages;
- ``standard-questions.tsv`` with ``standard`` and ``question``, as Chinese help desks keep them: an
  article's standard question and one of the ways customers ask it, a row each.
"""

import csv
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatpush.errors import InvalidKnowledge
from chatpush.support.judging.evaluation import Asked
from chatpush.support.knowledge.articles import Article
from chatpush.support.knowledge.reading import Chunk
from chatpush.support.knowledge.shelf import bare
from chatpush.support.retrieval.terms import is_han

SHORTEST = 4  # StackFAQ marks missing paraphrases by "*"
STANDARD = "standard-questions.tsv"
MOST_SIMILAR = 10  # wordings of a standard question that may be learned; they are never asked
Shelved = tuple[Article, tuple[Chunk, ...]]


@dataclass(frozen=True, slots=True)
class Task:
    """Articles, the questions to ask, and questions kept for choosing thresholds."""

    name: str
    articles: tuple[Shelved, ...]
    asked: tuple[Asked, ...]
    validation: tuple[Asked, ...] = ()


def questions(path: Path) -> list[Asked]:
    """Read a list of questions.

    Raises:
        InvalidKnowledge: it is unreadable or has no question.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidKnowledge(f"{path}: {error}") from error
    rows: Sequence[Mapping[str, Any]]
    try:
        if path.suffix.lower() == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
        found = [_asked(row) for row in rows]
    except (ValueError, KeyError, AttributeError, csv.Error) as error:
        raise InvalidKnowledge(f"{path.name}: each row needs question and expected ({error})") from error
    if not found:
        raise InvalidKnowledge(f"{path.name}: there are no questions in it")
    return found


def task(folder: Path, per_answer: int | None = None, seed: int = 0, passages: bool = False) -> Task:
    """Read a data set's folder; with ``per_answer`` only so many examples of each answer are learned.

    Raises:
        InvalidKnowledge: it holds no data set of a known kind.
    """
    for name in ("data_full.json.gz", "data_full.json"):
        if (folder / name).is_file():
            return _clinc(folder / name, per_answer, seed)
    if (folder / "stackExchange-FAQ.json").is_file():
        return _stack(folder / "stackExchange-FAQ.json", passages)
    if (folder / "train.csv").is_file() and (folder / "test.csv").is_file():
        return _labelled(folder, per_answer, seed)
    if (folder / STANDARD).is_file():
        return _standard(folder / STANDARD, per_answer, seed)
    raise InvalidKnowledge(
        f"{folder}: no data set of a known kind (train.csv and test.csv, data_full.json.gz, "
        f"stackExchange-FAQ.json, {STANDARD})"
    )


def _asked(row: Mapping[str, Any]) -> Asked:
    expected = row.get("expected", row.get("intent", row.get("category")))
    parts = expected if isinstance(expected, list) else str(expected or "").split("|")
    text = str(row["question"] if "question" in row else row["text"]).strip()
    language = str(row.get("language") or "en")
    return Asked(text, tuple(str(one).strip() for one in parts if str(one).strip()), language)


def _pairs(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        found = [_asked(row) for row in csv.DictReader(file)]
    return [(one.text, one.expected[0]) for one in found if one.known]


def _labelled(folder: Path, per_answer: int | None, seed: int) -> Task:
    test = [Asked(text, (label,)) for text, label in _pairs(folder / "test.csv")]
    return Task(
        _named(folder.name, per_answer), _learned(_pairs(folder / "train.csv"), per_answer, seed), tuple(test)
    )


def _clinc(path: Path, per_answer: int | None, seed: int) -> Task:
    raw = path.read_bytes()
    data = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    asked = [Asked(text, (label,)) for text, label in data["test"]]
    asked += [Asked(text, ()) for text, _ in data["oos_test"]]
    validation = tuple(Asked(text, (label,)) for text, label in data["val"])
    articles = _learned([(text, label) for text, label in data["train"]], per_answer, seed)
    return Task(_named("clinc150", per_answer), articles, tuple(asked), validation)


def _stack(path: Path, passages: bool) -> Task:
    threads = json.loads(path.read_text(encoding="utf-8"))["root"]["qapair"]
    articles, asked = [], []
    for number, thread in enumerate(threads):
        answers = [one for one in thread["answer"] if one]
        articles.append(
            bare(str(number), "", answers) if passages else bare(str(number), thread["question"], [""])
        )
        asked += [Asked(one, (str(number),)) for one in thread["rephr"] if one and len(one) >= SHORTEST]
    return Task("stackfaq, passages" if passages else "stackfaq, questions", tuple(articles), tuple(asked))


def _standard(path: Path, per_answer: int | None, seed: int) -> Task:
    """Return standard questions, each with so many other wordings learned; the rest, in two halves, is asked.

    The halves are the same whatever is learned: one to choose settings on, one to tell figures of.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
        by_standard: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            by_standard[row["standard"]] += [row["question"]] if row["question"] else []
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise InvalidKnowledge(f"{path.name}: each row needs standard and question ({error})") from error
    learned = min(per_answer or 0, MOST_SIMILAR)
    order = random.Random(seed)
    articles, asked = [], []
    for number, (standard, several) in enumerate(sorted(by_standard.items())):
        wordings = list(dict.fromkeys(several))
        order.shuffle(wordings)
        language = "zh" if is_han(standard) else "en"
        articles.append(bare(str(number), standard, [""], wordings[:learned], language))
        asked += [Asked(one, (str(number),), language) for one in wordings[MOST_SIMILAR:]]
    order.shuffle(asked)
    half = len(asked) // 2
    name = _named(path.parent.name, per_answer)
    return Task(name, tuple(articles), tuple(asked[half:]), tuple(asked[:half]))


def _learned(pairs: Sequence[tuple[str, str]], per_answer: int | None, seed: int) -> tuple[Shelved, ...]:
    by_label: dict[str, list[str]] = defaultdict(list)
    for text, label in pairs:
        by_label[label].append(text)
    order = random.Random(seed)
    articles = []
    for label in sorted(by_label):
        texts = list(dict.fromkeys(by_label[label]))
        if per_answer is not None:
            order.shuffle(texts)
            texts = texts[:per_answer]
        articles.append(bare(label, "", [""], texts))
    return tuple(articles)


def _named(name: str, per_answer: int | None) -> str:
    return name if per_answer is None else f"{name}, {per_answer} per answer"
