"""Render the assistant's prompts: Jinja2 files an operator can read, and a tenant's own versions of them.

The built-in ones lie in ``prompts/support`` of the repository, or inside the
installed package. A tenant's own is stored with a new version each time it is
changed and rendered by the processes that render strangers' templates; when it
fails, the built-in one serves. What prompts are given is text; nothing in it is
rendered again. No rule of safety rests on a prompt: code keeps them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import jinja2
import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId, to_ms
from chatpush.errors import InvalidInput, InvalidSettings, InvalidTemplate, NotFound
from chatpush.notify.templates.renderers import Renderers
from chatpush.store.database import Database, Row, Transaction

log = structlog.get_logger(__name__)

PACKAGE = Path(__file__).resolve().parent.parent.parent
PLACES = (PACKAGE.parent / "prompts", PACKAGE / "first_party" / "prompts")
SYSTEM, MEMORY, SUGGESTION, TAKEOVER = "system", "memory", "suggestion", "takeover"
NAMES = (SYSTEM, MEMORY, SUGGESTION, TAKEOVER)
LONGEST = 20_000
KEPT = 50
BUILT_IN = 0
TRIED: Mapping[str, Mapping[str, Any]] = {
    SYSTEM: {
        "assistant": "Ada", "language": "en", "signed_in": True, "about": None, "offer": "", "offer_key": "offered",
        "memory": "", "passages": [{"name": "Help", "title": "Help", "heading": "", "text": "We help.", "url": ""}],
    },
    MEMORY: {"language": "en", "before": ""},
    SUGGESTION: {
        "language": "en", "agent": "Grace",
        "passages": [{"name": "Help", "title": "Help", "heading": "", "text": "We help.", "url": ""}],
    },
    TAKEOVER: {"language": "en", "reason": "", "promises": ["I tell you when it ships"]},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it stands: version 0 is the built-in one."""

    name: str
    version: int
    source: str
    made_by: str = ""
    made_at: int = 0


def prompts_directory() -> Path:
    """Return where the prompts are: beside the package in development, inside it when installed.

    Raises:
        InvalidSettings: they are nowhere; the installation is broken.
    """
    for place in PLACES:
        if (place / "support" / "system.j2").is_file():
            return place
    raise InvalidSettings(f"no prompts in {' or '.join(str(place) for place in PLACES)}; reinstall chatpush")


class Prompts:
    """The prompts of every tenant."""

    def __init__(
        self, database: Database, clock: Clock, renderers: Renderers, directory: Path | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._renderers = renderers
        self._directory = (directory or prompts_directory()) / "support"
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._directory),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
        )

    async def stop(self) -> None:
        """End the rendering processes."""
        await self._renderers.stop()

    async def render(self, tenant: TenantId, name: str, **values: Any) -> tuple[str, int]:
        """Return a prompt with its values, and the version that served."""
        own = await self._own(tenant, name)
        if own is not None and own["source"]:
            try:
                return await self._render_own(tenant, own, values), own["version"]
            except InvalidTemplate as error:
                log.warning(
                    "a tenant's prompt failed; the built-in one serves", tenant=tenant, error=error.message
                )
        return self._environment.get_template(f"{name}.j2").render(**values).strip(), BUILT_IN

    async def get(self, tenant: TenantId, name: str) -> Prompt:
        """Return the prompt that serves.

        Raises:
            NotFound: there is none of this name.
        """
        _known(name)
        own = await self._own(tenant, name)
        if own is None or not own["source"]:
            source = await asyncio.to_thread((self._directory / f"{name}.j2").read_text, "utf-8")
            return Prompt(name, BUILT_IN, source)
        return _prompt(own)

    async def versions(self, tenant: TenantId, name: str) -> list[Prompt]:
        """Return a tenant's own versions, newest first; one without source went back to the built-in.

        Raises:
            NotFound: there is none of this name.
        """
        _known(name)
        rows = await self._database.read(
            "SELECT * FROM prompt_version WHERE tenant = :t AND name = :n ORDER BY version DESC LIMIT :k",
            t=tenant, n=name, k=KEPT,
        )  # fmt: skip
        return [_prompt(row) for row in rows]

    async def put(self, tenant: TenantId, name: str, source: str, made_by: str) -> Prompt:
        """Serve a tenant's own prompt from now on; an empty one means the built-in one again.

        Raises:
            NotFound: there is none of this name.
            InvalidInput: it is too long.
            InvalidTemplate: it can't be rendered.
        """
        _known(name)
        if len(source) > LONGEST:
            raise InvalidInput(f"a prompt has at most {LONGEST:,} characters", param="source")
        if source.strip():
            (tried,) = await self._renderers.render(
                {"source": source}, f"try {hash(source)}", [_json(TRIED[name])], name
            )
            if isinstance(tried, InvalidTemplate):
                raise InvalidTemplate(tried.message, param="source")
        row: Row = {
            "tenant": tenant, "name": name, "source": source.strip(), "made_by": made_by,
            "made_at": to_ms(self._clock.now()),
        }  # fmt: skip

        def store(tx: Transaction) -> Row:
            before = tx.query(
                "SELECT COALESCE(MAX(version), 0) AS v FROM prompt_version WHERE tenant = :t AND name = :n",
                t=tenant, n=name,
            )  # fmt: skip
            stored = {**row, "version": before[0]["v"] + 1}
            tx.insert("prompt_version", stored)
            tx.execute(
                "DELETE FROM prompt_version WHERE tenant = :t AND name = :n AND version <= :v",
                t=tenant, n=name, v=stored["version"] - KEPT,
            )  # fmt: skip
            return stored

        return _prompt(await self._database.write(store))

    async def _own(self, tenant: TenantId, name: str) -> Row | None:
        rows = await self._database.read(
            "SELECT * FROM prompt_version WHERE tenant = :t AND name = :n ORDER BY version DESC LIMIT 1",
            t=tenant, n=name,
        )  # fmt: skip
        return rows[0] if rows else None

    async def _render_own(self, tenant: TenantId, own: Row, values: Mapping[str, Any]) -> str:
        fingerprint = f"prompt {tenant} {own['name']} {own['version']}"
        where = f"prompt {own['name']}"
        (text,) = await self._renderers.render({"source": own["source"]}, fingerprint, [_json(values)], where)
        if isinstance(text, InvalidTemplate):
            raise text
        return text["source"].strip()


def _known(name: str) -> None:
    if name not in NAMES:
        raise NotFound(f"no prompt {name!r}; there are {', '.join(NAMES)}")


def _prompt(row: Row) -> Prompt:
    return Prompt(row["name"], row["version"], row["source"], row["made_by"], row["made_at"])


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as the rendering process takes them."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        named = {"name": value.name} if hasattr(value, "name") else {}
        return {**asdict(value), **named}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
