"""Say what kind of thing an item is, from the words of its description.

A kind decides three things: the department it is shown in, the drawing that
stands for it (no photographs came with the data) and its everyday name in
English and Chinese. The words are in ``kinds.toml``.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_TABLE = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
_FESTIVE = re.compile(r"CHRISTMAS|XMAS|SANTA|ADVENT|REINDEER|BAUBLE|NOEL|SNOWFLAKE|SNOWMAN")
FALLBACK = "gift"


@dataclass(frozen=True)
class Department:
    """A shelf of the shop: its name and a line on it, by locale."""

    id: str
    name: dict[str, str]
    line: dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A sort of thing, with its drawing of the same name."""

    id: str
    department: str
    name: dict[str, str]
    words: re.Pattern[str]


def _whole_words(words: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Z])(?:{'|'.join(words)})(?![A-Z])" if words else r"(?!)")


DEPARTMENTS = {row["id"]: Department(**row) for row in _TABLE["department"]}
KINDS = {row["id"]: Kind(**row | {"words": _whole_words(row["words"])}) for row in _TABLE["kind"]}
_EXCEPTIONS = [(re.compile(row["words"]), KINDS[row["kind"]]) for row in _TABLE["exception"]]


def kind_of(description: str) -> Kind:
    """Return the kind of a described item."""
    upper = description.upper()
    exceptions = (kind for words, kind in _EXCEPTIONS if words.search(upper))
    matching = (kind for kind in KINDS.values() if kind.words.search(upper))
    return next(exceptions, None) or next(matching, KINDS[FALLBACK])


def department_of(description: str, kind: Kind) -> Department:
    """Return where it is shown: Christmas things stand together, whatever they are."""
    festive = _FESTIVE.search(description.upper())
    return DEPARTMENTS["christmas" if festive else kind.department]
