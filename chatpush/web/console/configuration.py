"""Settings: every setting with its default, its value and its help; secrets stay hidden."""

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from chatpush import configuration
from chatpush.domain import Role
from chatpush.settings import Settings
from chatpush.web.console import models
from chatpush.web.console.pages import Pages, Visit, visit_text
from chatpush.web.http.doors import Door

pages = Pages()
SECRET = re.compile(r"(^|\.|_)(key|secret|password|secret_key|hmac_secret_key|api_key)$|^plugins\.settings$")
CREDENTIALS = re.compile(r"(//[^/@:]*):[^@/]*@")
LONGEST = 160


@pages.get("/console/settings", door=Door(role=Role.VIEWER))
async def values_page(visit: Visit) -> web.StreamResponse:
    """Show the table of settings."""
    return visit.draw("settings_values.html", groups=_groups(visit))


def _groups(visit: Visit) -> list[tuple[str, list[models.SettingLine]]]:
    settings = visit.find(Settings) or Settings()
    groups: dict[str, list[models.SettingLine]] = {}
    hidden = visit_text(visit, "settings.hidden")
    for name, default, help_text in configuration.table():
        section = name.rpartition(".")[0] or visit_text(visit, "settings.general")
        value = _value(settings, name)
        shown = hidden if SECRET.search(name) and value else _words(value)
        groups.setdefault(section, []).append(
            models.SettingLine(name, _words(default), shown, value != default, help_text)
        )
    return list(groups.items())


def _value(settings: Settings, name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _words(value: Any) -> str:
    """Return a value as text, without the password a database's address may carry."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        return f"{len(value)} …" if len(str(value)) > LONGEST else str(value) if value else "–"
    return CREDENTIALS.sub(r"\1:…@", str(value)) or "–"
