"""Read items and events from files: CSV or JSON lines, plain or gzipped, row by row.

A row is told by its line, so that a mistake in a file of a million is found.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO

from chatpush.errors import InvalidInput

Row = dict[str, Any]
ITEM_COLUMNS = frozenset(
    {
        "id", "title", "text", "price", "currency", "stock", "url", "image", "tags", "valid_from", "valid_to",
        "language", "audience",
    }
)  # fmt: skip
EVENT_COLUMNS = frozenset({"id", "user", "type", "item", "at"})


def count_rows(path: Path) -> int:
    """Return how many rows a file has at most, for the progress bar: a CSV's first line names the columns.

    Raises:
        InvalidInput: it can't be read.
    """
    try:
        with _binary(path) as file:
            lines: int = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
            return max(lines - (".csv" in path.suffixes), 0)
    except (OSError, EOFError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def read(path: Path, of_csv: Callable[[Mapping[str, str]], Row]) -> Iterator[tuple[int, Row]]:
    """Yield (line number, row).

    Raises:
        InvalidInput: the file or a line can't be read; the message begins with file and line.
    """
    kind = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    try:
        with _text(path) as file:
            if kind == ".csv":
                yield from _csv_rows(path, file, of_csv)
            elif kind in (".jsonl", ".ndjson", ".json"):
                yield from _json_rows(path, file)
            else:
                raise InvalidInput(f"{path}: a file's name ends with .csv or .jsonl (or either with .gz)")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from error


def item_of_csv(line: Mapping[str, str]) -> Row:
    """Return an item; columns we don't know become attributes, ``tags`` are separated by ``;``."""
    row: Row = {name: line[name] for name in ITEM_COLUMNS - {"price", "stock", "tags"} if line.get(name)}
    if line.get("price"):
        row["price"] = float(_number(line["price"], "price"))
    if line.get("stock"):
        row["stock"] = int(_number(line["stock"], "stock"))
    if line.get("tags"):
        row["tags"] = [tag.strip() for tag in line["tags"].split(";") if tag.strip()]
    extra = {name: value for name, value in line.items() if name not in ITEM_COLUMNS and value}
    return {**row, "attributes": extra} if extra else row


def event_of_csv(line: Mapping[str, str]) -> Row:
    """Return an event; columns we don't know become properties."""
    row: Row = {name: line[name] for name in EVENT_COLUMNS if line.get(name)}
    extra = {name: value for name, value in line.items() if name not in EVENT_COLUMNS and value}
    return {**row, "properties": extra} if extra else row


def _csv_rows(
    path: Path, file: TextIO, of_csv: Callable[[Mapping[str, str]], Row]
) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(file)
    try:
        for line in reader:
            if None in line or None in line.values():
                raise InvalidInput(
                    f"{path}:{reader.line_num}: not as many fields as the first line has names"
                )
            try:
                yield reader.line_num, of_csv(line)
            except InvalidInput as error:
                raise InvalidInput(f"{path}:{reader.line_num}: {error.message}") from error
    except csv.Error as error:
        raise InvalidInput(f"{path}:{reader.line_num}: {error}") from error


def _json_rows(path: Path, file: TextIO) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidInput(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InvalidInput(f"{path}:{number}: a line is one JSON object")
        yield number, row


def _number(text: str, name: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise InvalidInput(f"{name} {text[:40]!r} is not a number") from error
    if not number.is_finite():
        raise InvalidInput(f"{name} {text[:40]!r} is not a number")
    return number


def _binary(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open("r", encoding="utf-8-sig", newline="")
