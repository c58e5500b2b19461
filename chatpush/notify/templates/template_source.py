"""What a template is made of: texts by locale, from a file, a body or a stored row.

Nothing here renders. Checks name the locale and the part, so that whoever
wrote the template finds the place.
"""

import json
import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from chatpush.domain import DEFAULT_LOCALE, Category, Content, TenantId, User, from_ms
from chatpush.errors import InvalidTemplate, TooLarge
from chatpush.notify.templates.content_limits import LONGEST_BODY, LONGEST_TITLE, bounded
from chatpush.notify.templates.message_formats import BUILT_IN
from chatpush.store.database import Row

FIELDS = ("title", "body", "url", "image")
MAX_SOURCE_BYTES = 65_536
MAX_LOCALES = 50
MAX_ACTIONS = 5
SAFE_SCHEMES = ("https://", "http://", "mailto:", "tel:")


def check_content(content: Content, param: str = "content", formats: Container[str] = BUILT_IN) -> None:
    """Check literal content.

    Raises:
        InvalidTemplate: an address or the format can't be used.
        TooLarge: the text is too long.
    """
    for name in ("url", "image"):
        safe_address(getattr(content, name), f"{param}.{name}")
    for index, action in enumerate(content.actions):
        safe_address(action.get("url"), f"{param}.actions.{index}.url")
    _check_format(content.format, "", f"{param}.format", formats)
    if len(content.title.encode()) + len(content.body.encode()) > MAX_SOURCE_BYTES:
        raise TooLarge(f"title and body take at most {MAX_SOURCE_BYTES} bytes", param=f"{param}.body")


@dataclass(frozen=True, slots=True)
class LocaleSource:
    """One language's texts: Jinja2 source, but for ``format`` and the actions' ids.

    ``includes`` are the texts it names with ``{% include %}``, as they were when it was saved.
    """

    title: str
    body: str
    url: str | None = None
    image: str | None = None
    format: str = "plain"
    actions: tuple[Mapping[str, str], ...] = ()
    includes: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> dict[str, str]:
        """Return every Jinja2 text by its place."""
        texts = {name: text for name in FIELDS if (text := getattr(self, name)) is not None}
        for index, action in enumerate(self.actions):
            texts |= {f"actions.{index}.{key}": action[key] for key in ("label", "url") if key in action}
        return texts

    def content(self, texts: Mapping[str, str], data: Mapping[str, Any]) -> Content:
        """Return the rendered texts as content.

        Raises:
            InvalidTemplate: an address came out as something a browser must not open.
        """
        actions = []
        for index, action in enumerate(self.actions):
            rendered = {key: texts[f"actions.{index}.{key}"] for key in ("label", "url") if key in action}
            actions.append({"id": action["id"], **rendered})
            safe_address(rendered.get("url"), f"actions.{index}.url")
        return Content(
            title=bounded(texts["title"].strip(), LONGEST_TITLE),
            body=bounded(texts["body"].strip(), LONGEST_BODY),
            url=safe_address(texts.get("url"), "url"),
            image=safe_address(texts.get("image"), "image"),
            format=self.format,
            data=public(data),
            actions=tuple(actions),
        )


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a template; ``published_at`` is None for a draft.

    ``reviewed_by`` is who said that its words are news although they read like advertising, "" nobody.
    """

    tenant: TenantId
    name: str
    version: int
    category: Category
    locales: Mapping[str, LocaleSource]
    trusted: bool
    fingerprint: str
    created_at: datetime
    published_at: datetime | None
    reviewed_by: str = ""

    @property
    def pinned(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    def nearest(self, locale: str) -> str:
        """Return the locale to use for a wanted one."""
        wanted = locale
        while wanted:
            if wanted in self.locales:
                return wanted
            wanted = wanted.rpartition("-")[0]
        language = locale.partition("-")[0]
        related = (known for known in self.locales if known.partition("-")[0] == language)
        return next(related, DEFAULT_LOCALE if DEFAULT_LOCALE in self.locales else next(iter(self.locales)))


@dataclass(frozen=True, slots=True)
class Rendering:
    """One user's turn: the user, the wanted locale, the data."""

    user: User
    locale: str
    data: Mapping[str, Any]

    def context(self, locale: str) -> dict[str, Any]:
        """Return what the template sees: the data by its own names, ``user``, ``data``."""
        user = {
            **self.user.attributes,
            "id": self.user.id,
            "name": self.user.name,
            "locale": self.user.locale,
            "attributes": self.user.attributes,
        }
        return {
            **self.data,
            "data": self.data,
            "user": user,
            "locale": locale,
            "timezone": self.user.timezone,
        }


def public(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a message's data that travels to the browser: ``items`` and ``public``."""
    shown = data.get("public")
    extras = dict(shown) if isinstance(shown, Mapping) else {}
    return {**extras, "items": data["items"]} if "items" in data else extras


def safe_address(address: str | None, part: str) -> str | None:
    """Return an address a browser may open: web, mail, phone or a path on the app's own site.

    Raises:
        InvalidTemplate: it is something else, such as ``javascript:``.
    """
    address = (address or "").strip()
    if not address:
        return None
    if address.lower().startswith(SAFE_SCHEMES) or (address[0] in "/#?" and not address.startswith("//")):
        return address
    raise InvalidTemplate(f"{part}: {address[:80]!r} is not a web address or a path", param=part)


def template_of(row: Row) -> Template:
    """Return a row of table ``template`` as a template."""
    locales = {
        locale: LocaleSource(**(stored | {"actions": tuple(stored["actions"])}))
        for locale, stored in json.loads(row["source"]).items()
    }
    return Template(
        tenant=TenantId(row["tenant"]),
        name=row["name"],
        version=row["version"],
        category=Category(row["category"]),
        locales=locales,
        trusted=bool(row["trusted"]),
        fingerprint=row["fingerprint"],
        created_at=from_ms(row["created_at"]),
        published_at=from_ms(row["published_at"]) if row["published_at"] is not None else None,
        reviewed_by=row["reviewed_by"],
    )


def stored(source: LocaleSource) -> dict[str, Any]:
    """Return one locale's texts as the JSON that ``template_of`` reads."""
    return {
        **{name: getattr(source, name) for name in FIELDS},
        "format": source.format,
        "actions": [dict(action) for action in source.actions],
        "includes": dict(source.includes),
    }


def _check_format(name: str, place: str, param: str, formats: Container[str]) -> None:
    if name not in formats:
        known = ", ".join(formats if isinstance(formats, tuple) else BUILT_IN)
        raise InvalidTemplate(f"{place}no format {name[:40]!r}; use {known}", param=param)


def check(sources: Mapping[str, LocaleSource], formats: Container[str] = BUILT_IN) -> None:
    """Check sizes and formats.

    Raises:
        InvalidTemplate: a part can't be used.
        TooLarge: there is too much source.
    """
    if not 1 <= len(sources) <= MAX_LOCALES:
        raise InvalidTemplate(f"a template has 1 to {MAX_LOCALES} locales", param="locales")
    for locale, source in sources.items():
        _check_format(source.format, f"{locale}: ", f"locales.{locale}.format", formats)
        if len(source.actions) > MAX_ACTIONS:
            raise InvalidTemplate(
                f"{locale}: at most {MAX_ACTIONS} actions", param=f"locales.{locale}.actions"
            )
        if sum(len(text.encode()) for text in source.parts().values()) > MAX_SOURCE_BYTES:
            raise TooLarge(f"{locale}: at most {MAX_SOURCE_BYTES} bytes of source", param=f"locales.{locale}")


def read_directory(directory: Path) -> dict[Path, tuple[Category, dict[str, LocaleSource]]]:
    """Return the category and locales of every ``<name>.toml`` of a directory.

    Raises:
        InvalidTemplate: a file can't be used; the message begins with its name.
    """
    if not directory.is_dir():
        raise InvalidTemplate(f"notify.templates_dir: {directory} is not a directory")
    found = {}
    for file in sorted(directory.glob("*.toml")):
        try:
            found[file] = _read(file)
        except InvalidTemplate as error:
            raise InvalidTemplate(f"{file.name}: {error.message}", param=error.param) from error
    return found


def _read(file: Path) -> tuple[Category, dict[str, LocaleSource]]:
    """Return the category and locales of a template file."""
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidTemplate(str(error)) from error
    named = tree.pop("category", Category.TRANSACTIONAL.value)
    if named not in set(Category):
        raise InvalidTemplate(f"no category {named!r}; use {', '.join(Category)}", param="category")
    return Category(named), {locale: source_of(locale, table) for locale, table in tree.items()}


def source_of(locale: str, table: Any) -> LocaleSource:
    """Return one locale's texts from a table of a file or a body.

    Raises:
        InvalidTemplate: a key is unknown, missing or not text.
    """
    if not isinstance(table, Mapping):
        raise InvalidTemplate(f"{locale}: must be a table with title and body", param=locale)
    for key, value in table.items():
        if key not in {*FIELDS, "format", "actions"}:
            known = ", ".join((*FIELDS, "format", "actions"))
            raise InvalidTemplate(
                f"{locale}.{key}: no such key; use {known}", param=f"locales.{locale}.{key}"
            )
        if key != "actions" and not isinstance(value, str):
            raise InvalidTemplate(f"{locale}.{key}: must be text", param=f"locales.{locale}.{key}")
    for key in ("title", "body"):
        if key not in table:
            raise InvalidTemplate(f"{locale}.{key}: missing", param=f"locales.{locale}.{key}")
    actions = tuple(_action(locale, index, action) for index, action in enumerate(table.get("actions", [])))
    return LocaleSource(**{**table, "actions": actions})


def _action(locale: str, index: int, action: Any) -> dict[str, str]:
    place = f"{locale}.actions[{index}]"
    texts = isinstance(action, Mapping) and all(isinstance(value, str) for value in action.values())
    if not texts or not {"id", "label"} <= set(action) <= {"id", "label", "url"}:
        raise InvalidTemplate(
            f"{place}: must have id, label and maybe url, all text", param=f"locales.{place}"
        )
    return dict(action)
