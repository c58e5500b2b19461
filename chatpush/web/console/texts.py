"""The console's own words, in English and Chinese.

``texts/<language>.json`` and ``texts/<part>.<language>.json`` map a key to a text
with ``{values}``. Both languages have the same keys (a test says so). A key
nobody translated shows as its last part, readable, so that a new state of a
service never breaks a page.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent / "texts"
LANGUAGES = ("en", "zh-CN")


@cache
def table(language: str) -> dict[str, str]:
    """Return all texts of a language."""
    texts: dict[str, str] = {}
    for file in [DIRECTORY / f"{language}.json", *sorted(DIRECTORY.glob(f"*.{language}.json"))]:
        texts |= json.loads(file.read_text(encoding="utf-8"))
    return texts


class Texts:
    """A language's texts, called as ``t("nav.overview")``."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._table = table(language)

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text of a key with its values filled in."""
        text = self._table.get(key)
        if text is None:
            return key.rpartition(".")[2].replace("_", " ")
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Return whether the key is translated."""
        return key in self._table


def preferred(cookie: str, accept_language: str) -> str:
    """Return the language to speak: the chosen one, else the browser's first that we have."""
    if cookie in LANGUAGES:
        return cookie
    for part in accept_language.split(","):
        wanted = part.partition(";")[0].strip().lower()
        if wanted.startswith("zh"):
            return "zh-CN"
        if wanted.startswith("en"):
            return "en"
    return LANGUAGES[0]
