"""Draw pages: the one place in the console that knows Jinja2.

Autoescape is on and undefined names are errors. ``static_url`` adds a
fingerprint of the file, so that browsers may keep files for ever.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from chatpush.domain import EPOCH, Role, iso
from chatpush.web.console.texts import Texts

HERE = Path(__file__).parent
STATIC = HERE / "static"
MINUTE, HOUR, DAY = 60, 3600, 86_400
FIRST_IDEOGRAPH = "\u2e80"
HUES = 5


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around every page: who looks at it, in which language, with which token."""

    language: str = "en"
    theme: str = "light"
    csrf: str = ""
    name: str = ""
    role: Role | None = None
    here: str = "/console"
    now: datetime = EPOCH
    me: str = ""

    def may(self, role: str) -> bool:
        """Return whether the person's role covers the needed one."""
        return self.role is not None and self.role.covers(Role(role))


def page(template: str, shell: Shell, values: Mapping[str, Any] | None = None) -> str:
    """Return a template's HTML."""
    texts = Texts(shell.language)
    return _environment().get_template(template).render(
        t=texts, shell=shell, ago=lambda moment: ago(moment, shell.now, texts), **(values or {})
    )  # fmt: skip


def ago(moment: datetime | None, now: datetime, t: Texts) -> str:
    """Say how long ago, or how soon, something is; coarse, so that pages change seldom."""
    if moment is None:
        return t("time.never")
    seconds = (now - moment).total_seconds()
    key, distance = ("time.ago", seconds) if seconds >= 0 else ("time.in", -seconds)
    if distance < MINUTE:
        return t("time.now") if seconds >= 0 else t("time.soon")
    for unit, size, limit in (("minutes", MINUTE, HOUR), ("hours", HOUR, DAY), ("days", DAY, 60 * DAY)):
        if distance < limit:
            return t(f"{key}_{unit}", n=int(distance // size))
    return f"{moment:%Y-%m-%d}"


def grouped(value: float | None) -> str:
    """Return a number with thousands apart; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def initials(name: str) -> str:
    """Return one or two letters for an avatar: of the first and the last word, or the given name in Chinese."""
    words = [word for word in name.replace("_", " ").replace("-", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    if words[0][0] >= FIRST_IDEOGRAPH:
        return words[0][-2:]
    return words[0][0] + (words[-1][0] if len(words) > 1 else "")


def hue(name: str) -> int:
    """Return a steady colour number for a name."""
    return hashlib.blake2s(name.encode(), digest_size=2).digest()[0] % HUES


@cache
def static_url(path: str) -> str:
    """Return a file's address with its fingerprint."""
    digest = hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]
    return f"/console/static/{path}?v={digest}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"grouped": grouped, "initials": initials, "hue": hue, "iso": iso}
    environment.globals["static_url"] = static_url
    return environment
