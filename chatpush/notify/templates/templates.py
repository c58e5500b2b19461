"""Keep templates: versioned, by locale, checked before they are ever used.

Every put makes a new version, unless nothing changed: published, or a draft
until it is. A queued message keeps the version it was accepted with. A locale that is missing falls back: zh-CN →
zh → en → the template's first.

Where a template comes from decides how far it is trusted. Files of
``templates_dir`` belong to the operator and render in-process; what came in
through the API renders in a worker with limits (``sandbox.py``).
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import Category, Content, TenantId, User, to_ms
from chatpush.errors import InvalidInput, InvalidTemplate, NotFound, TooLarge
from chatpush.notify.audience.users import checked_locale
from chatpush.notify.listing import Listed, Window, checked_name
from chatpush.notify.templates.includes import with_includes
from chatpush.notify.templates.message_formats import MessageFormats
from chatpush.notify.templates.renderers import Renderers
from chatpush.notify.templates.sandbox import compile_parts, render_parts
from chatpush.notify.templates.template_source import (
    LocaleSource,
    Rendering,
    Template,
    check,
    read_directory,
    stored,
    template_of,
)
from chatpush.notify.templates.template_versions import insert_in, publish_in, version_in
from chatpush.store.database import Database, Row, Transaction

CACHED = 500


class Templates:
    """The templates of every tenant."""

    def __init__(
        self, database: Database, renderers: Renderers, clock: Clock, *, max_bytes: int = 65_536,
        formats: MessageFormats | None = None,
    ) -> None:  # fmt: skip
        self.formats = formats or MessageFormats()
        self._database = database
        self._renderers = renderers
        self._clock = clock
        self._max_bytes = max_bytes
        self._known: OrderedDict[tuple[TenantId, str, int], Template] = OrderedDict()
        self._compiled: OrderedDict[str, Any] = OrderedDict()

    async def load_directory(self, tenant: TenantId, directory: Path) -> list[Template]:
        """Put every ``<name>.toml`` of a directory; unchanged ones make no new version.

        Raises:
            InvalidTemplate: a file can't be used; the message begins with its name.
        """
        loaded = []
        for file, (category, locales) in (await asyncio.to_thread(read_directory, directory)).items():
            try:
                loaded.append(await self.put(tenant, file.stem, locales, category, trusted=True))
            except (InvalidInput, TooLarge) as error:
                raise InvalidTemplate(f"{file.name}: {error.message}", param=error.param) from error
        return loaded

    async def put(
        self,
        tenant: TenantId,
        name: str,
        locales: Mapping[str, LocaleSource],
        category: Category = Category.TRANSACTIONAL,
        *,
        trusted: bool = False,
        publish: bool = True,
    ) -> Template:
        """Make a new version, or return the present one if nothing changed; without ``publish`` a draft.

        Raises:
            InvalidTemplate: a text does not compile; the message has locale, part and line.
            TooLarge: the source is too large.
        """
        checked_name(name)
        sources = {checked_locale(locale, "locales"): source for locale, source in locales.items()}
        check(sources, self.formats.names)
        sources = await with_includes(name, sources, lambda other: self.get(tenant, other))
        for locale, source in sources.items():
            if trusted:
                compile_parts(source.parts(), locale, source.includes)
            else:
                await self._renderers.check(source.parts(), locale, source.includes)
        text = json.dumps({locale: stored(source) for locale, source in sources.items()}, ensure_ascii=False)
        fingerprint = hashlib.sha256(f"{category} {text}".encode()).hexdigest()
        row: Row = {
            "tenant": tenant, "name": name, "category": category.value, "source": text,
            "fingerprint": fingerprint, "trusted": int(trusted), "created_at": to_ms(self._clock.now()),
        }  # fmt: skip
        return template_of(await self._database.write(lambda tx: insert_in(tx, row, publish=publish)))

    async def publish(self, tenant: TenantId, name: str, version: int | None = None) -> Template:
        """Make a version the one that messages use from now on; an older one goes back to it.

        Raises:
            NotFound: there is no such version.
        """
        now = to_ms(self._clock.now())
        return template_of(
            await self._database.write(lambda tx: publish_in(tx, version_in(tx, tenant, name, version), now))
        )

    async def review(
        self, tenant: TenantId, name: str, version: int, who: str, along: Callable[[Transaction], None]
    ) -> Template:
        """Let a version's label stand whatever its words are judged to be; ``who`` "" takes that back.

        Another version has other words and needs a review of its own. ``along``
        happens in the same transaction.

        Raises:
            NotFound: there is no such version.
        """

        def write(tx: Transaction) -> Row:
            row = version_in(tx, tenant, name, version)
            tx.execute(
                "UPDATE template SET reviewed_by = :who WHERE tenant = :t AND name = :n AND version = :v",
                who=who, t=tenant, n=name, v=version,
            )  # fmt: skip
            along(tx)
            return row | {"reviewed_by": who}

        reviewed = template_of(await self._database.write(write))
        self._known.pop((tenant, name, version), None)
        return reviewed

    async def reviewed(self, tenant: TenantId, versions: Iterable[Template]) -> set[str]:
        """Return which of these versions (``name@version``) somebody has reviewed, as it is now on any node."""
        found = set()
        for one in versions:
            rows = await self._database.read(
                "SELECT 1 AS one FROM template WHERE tenant = :t AND name = :n AND version = :v"
                " AND reviewed_by <> ''",
                t=tenant, n=one.name, v=one.version,
            )  # fmt: skip
            if rows:
                found.add(one.pinned)
        return found

    async def get(self, tenant: TenantId, name: str) -> Template:
        """Return a template by ``name`` (the version in use) or ``name@version`` (any, drafts too).

        Raises:
            NotFound: there is none.
        """
        plain, _, version = name.partition("@")
        if version and not version.isdigit():
            raise NotFound(f"no template {name[:80]!r}; a version is a number", param="template")
        known = self._known.get((tenant, plain, int(version or 0)))
        if known is not None:
            return known
        rows = await self._database.read(
            "SELECT * FROM template WHERE tenant = :t AND name = :n"
            + (
                " AND version = :v"
                if version
                else " ORDER BY COALESCE(published_at, 0) DESC, version DESC LIMIT 1"
            ),
            t=tenant, n=plain, **({"v": int(version)} if version else {}),
        )  # fmt: skip
        if not rows:
            raise NotFound(
                f"no template {name[:80]!r}; PUT /v1/templates/{plain[:64]} makes one", param="template"
            )
        found = template_of(rows[0])
        if not version and found.published_at is None:
            raise NotFound(
                f"{found.name!r} has drafts only; POST /v1/templates/{found.name}/publish publishes one",
                param="template",
            )
        return self._remember(found)

    async def versions(self, tenant: TenantId, name: str) -> list[Template]:
        """Return every version, newest first."""
        rows = await self._database.read(
            "SELECT * FROM template WHERE tenant = :t AND name = :n ORDER BY version DESC", t=tenant, n=name
        )
        return [template_of(row) for row in rows]

    async def preview(
        self, tenant: TenantId, name: str, user: User, locale: str, data: Mapping[str, Any]
    ) -> tuple[str, Content]:
        """Return the locale used and the content a user would get.

        Raises:
            NotFound: no such template.
            InvalidTemplate: it can't be rendered with this data.
        """
        template = await self.get(tenant, name)
        (content,) = await self.render(template, [Rendering(user, locale, data)])
        if not isinstance(content, Content):
            raise content
        return template.nearest(locale), content

    async def render(
        self, template: Template, renderings: Sequence[Rendering]
    ) -> list[Content | InvalidTemplate | TooLarge]:
        """Return each user's content, or what went wrong with it, in order."""
        by_locale: dict[str, list[int]] = {}
        for index, rendering in enumerate(renderings):
            by_locale.setdefault(template.nearest(rendering.locale), []).append(index)
        contents: dict[int, Content | InvalidTemplate | TooLarge] = {}
        for locale, indexes in by_locale.items():
            contexts = [renderings[index].context(locale) for index in indexes]
            source = template.locales[locale]
            for index, texts in zip(indexes, await self._texts(template, locale, contexts), strict=True):
                contents[index] = await self._content(source, texts, renderings[index].data)
        return [contents[index] for index in range(len(renderings))]

    async def _texts(
        self, template: Template, locale: str, contexts: list[dict[str, Any]]
    ) -> list[dict[str, str] | InvalidTemplate]:
        source = template.locales[locale]
        fingerprint = f"{template.fingerprint} {locale}"
        if not template.trusted:
            return await self._renderers.render(
                source.parts(), fingerprint, contexts, locale, source.includes
            )
        compiled = self._compiled.get(fingerprint)
        if compiled is None:
            compiled = self._compiled[fingerprint] = compile_parts(source.parts(), locale, source.includes)
            if len(self._compiled) > CACHED:
                self._compiled.popitem(last=False)
        texts: list[dict[str, str] | InvalidTemplate] = []
        for context in contexts:
            try:
                texts.append(render_parts(compiled, context, self._max_bytes, locale))
            except InvalidTemplate as error:
                texts.append(error)
        return texts

    async def _content(
        self, source: LocaleSource, texts: dict[str, str] | InvalidTemplate, data: Mapping[str, Any]
    ) -> Content | InvalidTemplate | TooLarge:
        if isinstance(texts, InvalidTemplate):
            return texts
        try:
            return await self.formats.shape(source.content(texts, data))
        except (InvalidTemplate, TooLarge) as error:
            return error

    def _remember(self, template: Template) -> Template:
        """Keep a version, which never changes but for being published; the one in use is always asked for."""
        if template.published_at is None:
            return template
        self._known[template.tenant, template.name, template.version] = template
        if len(self._known) > CACHED:
            self._known.popitem(last=False)
        return template

    async def list(self, tenant: TenantId, window: Window) -> Listed[Template]:
        """Return a page of templates in the version in use (else their newest draft), by name, last first."""
        clause, params = window.clause("name")
        rows = await self._database.read(
            "SELECT * FROM template AS shown WHERE tenant = :t AND NOT EXISTS (SELECT 1 FROM template AS other"
            " WHERE other.tenant = shown.tenant AND other.name = shown.name AND"
            " (COALESCE(other.published_at, 0) > COALESCE(shown.published_at, 0)"
            "  OR (COALESCE(other.published_at, 0) = COALESCE(shown.published_at, 0)"
            f"   AND other.version > shown.version))){clause}",
            t=tenant, **params,
        )  # fmt: skip
        return window.page(rows, template_of)
