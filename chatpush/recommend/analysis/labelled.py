"""Read the labelled lines that content analysis learns from.

They lie beside this module in one file for each language: a heading
``## category urgency sentiment``, then lines; ``{n}`` stands for a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LINES = Path(__file__).parent / "lines"
PARTS = 5
"""The lines are judged a fifth at a time, by what is learned from the others."""


@dataclass(frozen=True, slots=True)
class Line:
    """A message with what it is."""

    text: str
    language: str
    category: str
    urgency: str
    sentiment: str


def lines() -> list[Line]:
    """Return all lines of all languages."""
    return [line for path in sorted(LINES.glob("messages_*.txt")) for line in _of_file(path)]


def _of_file(path: Path) -> Iterator[Line]:
    language, labels = path.stem.removeprefix("messages_"), ("", "", "")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("## "):
            category, urgency, sentiment = line.removeprefix("## ").split()
            labels = (category, urgency, sentiment)
        elif line and not line.startswith("#"):
            # Numbers of different lengths, so that none of them is a sign of anything.
            yield Line(line.replace("{n}", str(3 + number * 37 % 9973)), language, *labels)
