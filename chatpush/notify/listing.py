"""Page through lists the same way everywhere, in the SQL both databases run.

Newest first; ``starting_after`` goes on to older rows, ``ending_before`` back
to newer ones, never both.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chatpush.errors import InvalidInput
from chatpush.store.database import Row

T = TypeVar("T")
LONGEST_PAGE = 1000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted."""

    limit: int = 10
    starting_after: str = ""
    ending_before: str = ""

    def __post_init__(self) -> None:
        if self.starting_after and self.ending_before:
            raise InvalidInput("give starting_after or ending_before, not both", param="ending_before")
        if not 1 <= self.limit <= LONGEST_PAGE:
            raise InvalidInput(f"limit is from 1 to {LONGEST_PAGE}", param="limit")

    def clause(self, column: str) -> tuple[str, dict[str, Any]]:
        """Return what follows a WHERE with at least one condition, and its parameters.

        It asks for one row more than ``limit``, which ``page`` uses to see whether there is more.
        """
        order, condition = "DESC", ""
        params: dict[str, Any] = {"window_limit": self.limit + 1}
        if self.starting_after:
            condition, params["window_bound"] = f" AND {column} < :window_bound", self.starting_after
        elif self.ending_before:
            condition, params["window_bound"] = f" AND {column} > :window_bound", self.ending_before
            order = "ASC"
        return f"{condition} ORDER BY {column} {order} LIMIT :window_limit", params

    def page(self, rows: list[Row], make: Callable[[Row], T]) -> "Listed[T]":
        """Return the rows of ``clause`` as a page, newest first."""
        more = len(rows) > self.limit
        kept = rows[: self.limit]
        if self.ending_before:
            kept.reverse()
        return Listed([make(row) for row in kept], more)


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """One page; ``has_more`` speaks of the direction one pages in."""

    data: list[T]
    has_more: bool


def checked_name(name: str, param: str = "name") -> str:
    """Return a topic's, segment's or template's name.

    Raises:
        InvalidInput: it has other characters or is too long.
    """
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:80]!r} is not a name: letters, digits, _ . - and at most 64 of them", param=param
        )
    return name
