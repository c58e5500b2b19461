"""Turn pages, words and numbers into HTML in the visitor's language."""

import tomllib
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

PAGES = Path(__file__).parent / "pages"
LOCALES = ("en", "zh-CN")
_HOME_ZONE = "Europe/London"


class Words:
    """What the shop says, by key and language."""

    def __init__(self, folder: Path = PAGES) -> None:
        self.by_locale: dict[str, dict[str, str]] = {
            locale: _flat(tomllib.loads((folder / f"words.{locale}.toml").read_text(encoding="utf-8")))
            for locale in LOCALES
        }

    def say(self, locale: str, key: str, **values: object) -> str:
        """Return a phrase with its gaps filled; an unknown key is a mistake of ours."""
        return self.by_locale[locale][key].format(**values)


class Rendering:
    """Renders the shop's pages."""

    def __init__(self) -> None:
        self.words = Words()
        self._pages = Environment(
            loader=FileSystemLoader(PAGES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters |= {"money": money, "pounds": pounds, "typeset": typeset}

    def page(self, name: str, locale: str, zone: str = "", **values: Any) -> str:
        """Render one page."""

        def say(key: str, **gaps: object) -> str:
            return self.words.say(locale, key, **gaps)

        def day(moment: datetime, *, hours: bool = False) -> str:
            return date(moment, locale, zone or _HOME_ZONE, hours=hours)

        return self._pages.get_template(f"{name}.html").render(
            say=say, day=day, locale=locale, page=name, **values
        )


def money(amount: Decimal) -> str:
    """Return a price as it stands on a label."""
    return f"£{amount:,.2f}"


def pounds(amount: Decimal) -> str:
    """Return a price as one says it: round amounts without pence."""
    return money(amount).removesuffix(".00")


def typeset(title: str) -> Markup:
    """Keep hyphenated words together, so that no line ends in ``T-``."""
    return Markup(" ").join(
        Markup('<span class="nobr">{}</span>').format(word) if "-" in word else escape(word)
        for word in title.split()
    )


def date(moment: datetime, locale: str, zone: str, *, hours: bool = False) -> str:
    """Return a date as people of that language write it, in their own time."""
    there = moment.astimezone(ZoneInfo(zone))
    if locale == "zh-CN":
        return f"{there.month}月{there.day}日" + (f" {there:%H:%M}" if hours else "")
    return f"{there:%a} {there.day} {there:%b}" + (f", {there:%H:%M}" if hours else "")


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return found
