"""Turn lists of questions and answers into articles: CSV, TSV and JSON Lines.

Rows with the same answer are one article: the first question is its title, the
others are similar questions. A row's id is its own ``id``, or comes from its
first question, so that importing the list again changes only what changed.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatpush.errors import InvalidKnowledge
from chatpush.support.knowledge.reading import MAX_BYTES, MAX_QUESTIONS, Draft, decode
from chatpush.support.retrieval.language import of_text

SUFFIXES = (".csv", ".tsv", ".jsonl")
MAX_PAIRS = 50_000
LONGEST_TITLE = 300
# What other programs call the same columns.
CALLED = {
    "q": "question", "a": "answer", "text": "answer", "问题": "question", "标准问题": "question",
    "答案": "answer", "回答": "answer", "similar": "questions", "similar_questions": "questions",
    "相似问题": "questions", "lang": "language", "标签": "tags",
}  # fmt: skip


def read_pairs(path: Path, prefix: str) -> list[Draft]:
    """Read one list.

    Raises:
        InvalidKnowledge: it is unreadable, too large, or a row has no question or no answer.
    """
    try:
        if path.stat().st_size > 10 * MAX_BYTES:
            raise InvalidKnowledge(f"{path.name}: at most {10 * MAX_BYTES:,} bytes, split it")
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidKnowledge(f"{path.name}: {error.strerror or error}") from error
    return pairs_of(raw, path.suffix.lower(), prefix, path.name)


def pairs_of(raw: bytes, suffix: str, prefix: str, name: str) -> list[Draft]:
    """Read a list of a known kind.

    Raises:
        InvalidKnowledge: as ``read_pairs``.
    """
    text = decode(raw, name)
    rows = _lines(text, name) if suffix == ".jsonl" else _table(text, "\t" if suffix == ".tsv" else ",", name)
    drafts: dict[str, Draft] = {}
    by_answer: dict[tuple[str, str], str] = {}
    for number, row in rows:
        where = f"{name}, line {number}"
        question, answer = _text(row, "question"), _text(row, "answer")
        if not question or not answer:
            raise InvalidKnowledge(f"{where}: a row needs a question and an answer")
        language = _text(row, "language") or of_text(f"{question} {answer}")
        own = _text(row, "id")
        known = None if own else by_answer.get((answer, language))
        id_ = known or f"{prefix}:{own or _id_of(question)}"
        asked = (question, *_many(row, "questions"))
        if id_ in drafts:
            before = drafts[id_]
            every = tuple(dict.fromkeys((*before.questions, *asked)))
            drafts[id_] = replace(before, questions=every[:MAX_QUESTIONS])
            continue
        if len(drafts) >= MAX_PAIRS:
            raise InvalidKnowledge(f"{name}: over {MAX_PAIRS:,} answers; split it")
        by_answer[answer, language] = id_
        drafts[id_] = Draft(
            id=id_,
            title=(_text(row, "title") or question)[:LONGEST_TITLE],
            text=answer,
            language=language,
            url=_text(row, "url"),
            tags=tuple(_many(row, "tags")),
            questions=tuple(dict.fromkeys(asked))[:MAX_QUESTIONS],
            valid_from=_text(row, "valid_from"),
            valid_until=_text(row, "valid_until"),
        )
    if not drafts:
        raise InvalidKnowledge(f"{name}: there are no questions and answers in it")
    return list(drafts.values())


def _table(text: str, delimiter: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        head = next(reader, [])
        columns = [_column(one) for one in head]
        if "question" not in columns or "answer" not in columns:
            raise InvalidKnowledge(f"{name}: the first line must name the columns question and answer")
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, dict(zip(columns, row, strict=False))
    except csv.Error as error:
        raise InvalidKnowledge(f"{name}, line {reader.line_num}: {error}") from error


def _lines(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidKnowledge(f"{name}, line {number}: this is no JSON") from error
        if not isinstance(row, dict):
            raise InvalidKnowledge(f"{name}, line {number}: each line is one object")
        yield number, {_column(key): value for key, value in row.items()}


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return CALLED.get(plain, plain)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def _many(row: Mapping[str, Any], name: str) -> list[str]:
    """Return a list, or a cell's parts between ``|`` or new lines (tags: between commas, too)."""
    value = row.get(name)
    if isinstance(value, list):
        parts = [str(one) for one in value]
    else:
        plain = _text(row, name).replace("\n", "|")
        parts = (plain.replace(",", "|") if name == "tags" else plain).split("|")
    return [one.strip() for one in parts if one.strip()]


def _id_of(question: str) -> str:
    return hashlib.blake2b(question.encode(), digest_size=6).hexdigest()
