"""Rewrite ``:name`` parameters as each driver binds them best.

Statements are written once, with names. psycopg wants ``%(name)s``. SQLite
knows names, but looks every one of them up among all the others for each
execution, so a statement that names five hundred users spends more time on
names than on rows: it gets places instead.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

REMEMBERED = 4096
TOKENS = re.compile(
    r"(?P<kept>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|::|%)|:(?P<name>[A-Za-z_]\w*)", re.DOTALL
)


@lru_cache(maxsize=REMEMBERED)
def formatted(sql: str, nulls: frozenset[str] = frozenset()) -> bytes:
    """Return ``:name`` as ``%(name)s`` outside literals, casts and comments, each ``%`` doubled.

    Parameters that are None become the word NULL: the server can't tell the type
    of a lone one (``:name IS NULL``).
    """

    def replace(token: re.Match[str]) -> str:
        name = token["name"]
        if not name:
            return token["kept"].replace("%", "%%")
        return "NULL" if name in nulls else f"%({name})s"

    return TOKENS.sub(replace, sql).encode()


@lru_cache(maxsize=REMEMBERED)
def placed(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return ``:name`` as ``?`` outside literals, casts and comments, and the names in the order of their places."""
    names: list[str] = []

    def replace(token: re.Match[str]) -> str:
        if not token["name"]:
            return token["kept"]
        names.append(token["name"])
        return "?"

    return TOKENS.sub(replace, sql), tuple(names)


def among(values: Iterable[Any], prefix: str = "v") -> tuple[str, dict[str, Any]]:
    """Return ``(:v0, :v1, …)`` and its parameters; ``(NULL)`` for nothing, which matches nothing."""
    given = list(values)
    text, names = _places(prefix, len(given))
    return text, dict(zip(names, given, strict=True))


@lru_cache(maxsize=1024)
def _places(prefix: str, count: int) -> tuple[str, list[str]]:
    """Return the text and the names for so many values; pages are alike."""
    names = [f"{prefix}{index}" for index in range(count)]
    return f"({', '.join(f':{name}' for name in names) or 'NULL'})", names
