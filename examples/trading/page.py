"""Render the trading page in the trader's language."""

import tomllib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGES = Path(__file__).parent / "pages"


class Page:
    """The page and its words."""

    def __init__(self) -> None:
        self.words: dict[str, dict[str, str]] = tomllib.loads(
            (PAGES / "words.toml").read_text(encoding="utf-8")
        )
        environment = Environment(
            loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._template = environment.get_template("desk.html")

    def render(self, **values: Any) -> str:
        """Return the page for a trader."""
        trader = values["trader"]
        return self._template.render(say=self.words[trader.locale], locale=trader.locale, **values)
