"""Keep answers that people give often: by shortcut and locale, as templates.

They are Jinja2 that agents wrote, so they are rendered like every template of
strangers: sandboxed, in a worker with limits of time and memory. A template
sees ``user`` (id, name, locale, attributes), ``agent.name`` and
``conversation`` (id, subject).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chatpush.clock import Clock
from chatpush.domain import TenantId, User, to_ms
from chatpush.errors import Conflict, InvalidInput, InvalidTemplate, NotFound
from chatpush.notify.audience.users import Users
from chatpush.notify.templates.renderers import Renderers
from chatpush.store.database import Database, Row, Transaction
from chatpush.support.conversations.turns import Conversation
from chatpush.support.retrieval.language import pick

SHORTCUT = re.compile(r"[a-z0-9\u4e00-\u9fff][a-z0-9_\u4e00-\u9fff-]{0,39}")
LONGEST = 10_000
MOST = 1000
MOST_LOCALES = 20
SUGGESTED = 8


@dataclass(frozen=True, slots=True)
class CannedAnswer:
    """One answer in its languages, found by ``/shortcut``."""

    shortcut: str
    locales: Mapping[str, str]
    used: int = 0


class CannedAnswers:
    """The ready answers of every tenant."""

    def __init__(self, database: Database, renderers: Renderers, users: Users, clock: Clock) -> None:
        self._database = database
        self._renderers = renderers
        self._users = users
        self._clock = clock

    async def put(self, tenant: TenantId, shortcut: str, locales: Mapping[str, str]) -> CannedAnswer:
        """Keep an answer under a shortcut.

        Raises:
            InvalidInput: the shortcut or a text can't be used.
            InvalidTemplate: a text is no template; it says where.
            Conflict: there are too many.
        """
        shortcut = shortcut.strip().lower().removeprefix("/")
        if not SHORTCUT.fullmatch(shortcut):
            raise InvalidInput("a shortcut is up to 40 letters, digits, - and _", param="shortcut")
        if not 1 <= len(locales) <= MOST_LOCALES:
            raise InvalidInput(f"an answer has 1 to {MOST_LOCALES} locales", param="locales")
        for locale, text in locales.items():
            if (
                not text.strip()
                or len(text) > LONGEST
                or not re.fullmatch(r"[A-Za-z]{2,3}(-[\w-]{1,20})?", locale)
            ):
                raise InvalidInput(f"{locale[:20]}: a text has 1 to {LONGEST} characters", param="locales")
            await self._renderers.check({"text": text}, locale)
        row = {
            "tenant": tenant, "shortcut": shortcut, "locales": json.dumps(dict(locales), ensure_ascii=False),
            "updated_at": to_ms(self._clock.now()),
        }  # fmt: skip

        def write(tx: Transaction) -> None:
            counted = "SELECT COUNT(*) AS n FROM canned_answer WHERE tenant = :t AND shortcut <> :s"
            if tx.query(counted, t=tenant, s=shortcut)[0]["n"] >= MOST:
                raise Conflict(f"there are {MOST} ready answers already; delete one")
            again = "locales = excluded.locales, updated_at = excluded.updated_at"
            tx.insert("canned_answer", row, f"(tenant, shortcut) DO UPDATE SET {again}")

        await self._database.write(write)
        return CannedAnswer(shortcut, dict(locales))

    async def delete(self, tenant: TenantId, shortcut: str) -> None:
        """Forget one.

        Raises:
            NotFound: there is none of this shortcut.
        """
        gone = await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM canned_answer WHERE tenant = :t AND shortcut = :s", t=tenant, s=shortcut
            )
        )
        if not gone:
            raise NotFound(f"no ready answer /{shortcut[:40]}")

    async def matching(self, tenant: TenantId, start: str, locale: str) -> list[tuple[str, str]]:
        """Return (shortcut, unrendered text) of what begins with, then contains, some letters; most used first."""
        wanted = start.strip().lower().removeprefix("/")
        answers = [one for one in await self.list(tenant) if wanted in one.shortcut]
        answers.sort(key=lambda one: (not one.shortcut.startswith(wanted), -one.used, one.shortcut))
        return [(one.shortcut, pick(one.locales, locale)) for one in answers[:SUGGESTED]]

    async def render(self, conversation: Conversation, shortcut: str, agent: str) -> str:
        """Return an answer as it reads in a conversation, in its language.

        Raises:
            NotFound: there is none of this shortcut.
            InvalidTemplate: it can't be rendered for this user; it says why.
        """
        tenant = conversation.tenant
        rows = await self._database.write(
            lambda tx: tx.query(
                "UPDATE canned_answer SET used = used + 1 WHERE tenant = :t AND shortcut = :s RETURNING *",
                t=tenant, s=shortcut,
            )
        )  # fmt: skip
        if not rows:
            raise NotFound(f"no ready answer /{shortcut[:40]}")
        text = pick(_canned(rows[0]).locales, conversation.language)
        user = await self._users.find(tenant, conversation.user) or User(tenant, conversation.user)
        context = {
            "user": {
                **user.attributes, "id": user.id, "name": user.name, "locale": user.locale,
                "attributes": user.attributes,
            },
            "agent": {"name": agent},
            "conversation": {"id": conversation.id, "subject": conversation.subject},
            "locale": conversation.language, "timezone": user.timezone,
        }  # fmt: skip
        mark = hashlib.sha256(text.encode()).hexdigest()
        (rendered,) = await self._renderers.render({"text": text}, mark, [context], f"/{shortcut}")
        if isinstance(rendered, InvalidTemplate):
            raise rendered
        return rendered["text"].strip()

    async def list(self, tenant: TenantId) -> list[CannedAnswer]:
        """Return all, by shortcut."""
        rows = await self._database.read(
            "SELECT * FROM canned_answer WHERE tenant = :t ORDER BY shortcut", t=tenant
        )
        return [_canned(row) for row in rows]


def _canned(row: Row) -> CannedAnswer:
    return CannedAnswer(row["shortcut"], json.loads(row["locales"]), row["used"])
