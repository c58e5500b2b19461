"""Know the end users: how to speak to them, when, and what they agreed to.

Attributes are sealed with the user's own key. Consents stand twice: what holds
now with the user, and every change in a ledger (``consents``). A user nobody
introduced is made with defaults by the first message or event.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import (
    DEFAULT_LOCALE,
    QuietHours,
    TenantId,
    User,
    UserId,
    from_ms,
    to_ms,
)
from chatpush.errors import InvalidInput, NotFound, TooLarge
from chatpush.notify.audience.consents import ConsentEntry, Evidence, Ledger, checked_words
from chatpush.notify.deciding.consenting import Consents, Word, after
from chatpush.notify.deciding.hours import quiet_hours, zone
from chatpush.notify.listing import Listed, Window
from chatpush.notify.messages.happenings import CONSENT_CHANGED, Happenings
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

USER_ID = re.compile(r"[^\s\x00-\x1f\x7f#,]{1,128}")
LOCALE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_BYTES = 32_768
ERASED = ("consent_entry", "happening", "endpoint", "topic_member", "inbox_item", "broadcast_reader")


Eraser = Callable[[TenantId, UserId], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to change; what is None stays as it is.

    ``attributes`` are merged key by key (None removes one). ``quiet_hours`` is
    a window, or None with ``clear_quiet_hours``. ``consents`` are on all channels,
    ``channel_consents`` on single ones, by category; they count after the former.
    ``evidence`` is of both.
    """

    locale: str | None = None
    timezone: str | None = None
    attributes: Mapping[str, Any] | None = None
    consents: Mapping[str, bool] | None = None
    channel_consents: Mapping[str, Mapping[str, bool]] | None = None
    quiet_hours: QuietHours | None = None
    clear_quiet_hours: bool = False
    personalized: bool | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A change whose every part is known to be good, as columns."""

    columns: dict[str, Any] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)


def checked_user(user: str, param: str = "user") -> UserId:
    """Return a user's id.

    Raises:
        InvalidInput: it is empty, too long or has spaces, ``#``, ``,`` or control characters.
    """
    if not USER_ID.fullmatch(user):
        raise InvalidInput(
            f"{user[:80]!r} is not a user id: 1 to 128 characters without spaces, # or commas", param=param
        )
    return UserId(user)


def checked_locale(locale: str, param: str = "locale") -> str:
    """Return a locale as a BCP 47 tag such as ``zh-CN``.

    Raises:
        InvalidInput: it is none.
    """
    if not LOCALE.fullmatch(locale):
        raise InvalidInput(f"{locale[:40]!r} is not a locale; use a tag such as en or zh-CN", param=param)
    language, *rest = locale.replace("_", "-").split("-")
    return "-".join([language.lower(), *(part.upper() if len(part) == 2 else part for part in rest)])


def create_missing(tx: Transaction, tenant: TenantId, users: Iterable[UserId], now_ms: int) -> None:
    """Make the users that do not exist yet, with defaults, in the caller's transaction."""
    tx.insert_many(
        "app_user",
        [
            {
                "tenant": tenant, "id": user, "locale": DEFAULT_LOCALE, "timezone": "UTC", "consents": "{}",
                "personalized": 1, "created_at": now_ms, "updated_at": now_ms,
            }
            for user in users
        ],
        "(tenant, id) DO NOTHING",
    )  # fmt: skip


class Users:
    """The users of every tenant."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, happenings: Happenings | None = None
    ) -> None:
        self._happenings = happenings or Happenings(clock)
        self._database = database
        self._vault = vault
        self._clock = clock
        self._ledger = Ledger(database, vault)
        self._erasers: list[Eraser] = []

    def also_erase(self, eraser: Eraser) -> None:
        """Let another room erase what it holds of a user, before the key is thrown away."""
        self._erasers.append(eraser)

    async def put(self, tenant: TenantId, user: UserId, change: UserChange, via: str = "api") -> User:
        """Make or change a user and return it.

        ``via`` goes into the consent ledger: api, preferences, import …

        Raises:
            InvalidInput: something in the change can't be used.
            TooLarge: too many attributes.
        """
        checked_user(user, "id")
        checked = _check(change)
        await self._vault.ready(tenant, user)
        now = to_ms(self._clock.now())

        def change_it(tx: Transaction) -> Row:
            create_missing(tx, tenant, [user], now)
            before = tx.query("SELECT * FROM app_user WHERE tenant = :t AND id = :u", t=tenant, u=user)[0]
            columns = dict(checked.columns)
            if checked.words:
                columns |= self._consents_in(
                    tx, tenant, user, before, checked.words, via, change.evidence, now
                )
            columns["attributes_sealed"] = self._attributes_after(tenant, user, before, change.attributes)
            columns["updated_at"] = now
            assignments = ", ".join(f"{name} = :{name}" for name in columns)
            tx.execute(
                f"UPDATE app_user SET {assignments} WHERE tenant = :t AND id = :u",
                t=tenant,
                u=user,
                **columns,
            )
            return before | columns

        row = await self._database.write(change_it)
        if checked.words:
            self._happenings.ring(tenant, CONSENT_CHANGED)
        return self._user(row)

    async def ensure(self, tenant: TenantId, users: Iterable[UserId]) -> None:
        """Make the users that do not exist yet, with defaults."""
        wanted = list(users)
        now = to_ms(self._clock.now())
        await self._database.write(lambda tx: create_missing(tx, tenant, wanted, now))

    async def get(self, tenant: TenantId, user: UserId) -> User:
        """Return a user.

        Raises:
            NotFound: there is none of this id.
        """
        found = await self.find(tenant, user)
        if found is None:
            raise NotFound(f"no user {user!r}", param="id")
        return found

    async def find(self, tenant: TenantId, user: UserId) -> User | None:
        """Return a user, or None."""
        return (await self.get_many(tenant, [user])).get(user)

    async def get_many(self, tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        """Return those of the users that exist."""
        names, params = among(users)
        rows = await self._database.read(
            f"SELECT * FROM app_user WHERE tenant = :t AND id IN {names}", t=tenant, **params
        )
        return {user.id: user for user in await self.of_rows(tenant, rows)}

    async def of_rows(self, tenant: TenantId, rows: list[Row]) -> list[User]:
        """Return rows of table ``app_user`` as users, their attributes opened."""
        sealed = [row["id"] for row in rows if row["attributes_sealed"] is not None]
        if sealed:
            await self._vault.ready_many(tenant, sealed)
        return [self._user(row) for row in rows]

    async def ledger(self, tenant: TenantId, user: UserId) -> list[ConsentEntry]:
        """Return every consent given or withdrawn, oldest first."""
        return await self._ledger.of(tenant, user)

    async def delete(self, tenant: TenantId, user: UserId) -> None:
        """Erase a user: rows go, what waits is cancelled, and the key is thrown away.

        Deliveries stay as numbers without a person.

        Raises:
            NotFound: there is none of this id.
        """

        def erase(tx: Transaction) -> int:
            who = {"t": tenant, "u": user}
            for table in ERASED:
                tx.execute(f"DELETE FROM {table} WHERE tenant = :t AND user_id = :u", **who)
            stopped = tx.query(
                "UPDATE delivery SET state = 'cancelled', reason = 'user_erased', pending = 0"
                " WHERE tenant = :t AND user_id = :u AND pending = 1 RETURNING id, message",
                **who,
            )
            self._happenings.cancelled_in(tx, tenant, stopped, "user_erased")
            tx.execute(
                "UPDATE delivery SET user_id = 'erased ' || id, data_sealed = NULL"
                " WHERE tenant = :t AND user_id = :u",
                **who,
            )
            return tx.execute("DELETE FROM app_user WHERE tenant = :t AND id = :u", **who)

        for eraser in self._erasers:
            await eraser(tenant, user)
        existed = await self._database.write(erase)
        await self._vault.forget(tenant, user)
        if not existed:
            raise NotFound(f"no user {user!r}", param="id")

    def _user(self, row: Row) -> User:
        window = QuietHours(row["quiet_start"], row["quiet_end"]) if row["quiet_start"] else None
        return User(
            tenant=TenantId(row["tenant"]),
            id=UserId(row["id"]),
            locale=row["locale"],
            timezone=row["timezone"],
            attributes=self._open(row),
            consents=dict(_said(row["consents"])),
            channel_consents=_said_by_channel(row["channel_consents"]) if row["channel_consents"] else {},
            quiet_hours=window,
            personalized=bool(row["personalized"]),
            created_at=from_ms(row["created_at"]),
        )

    def _open(self, row: Row) -> dict[str, Any]:
        sealed = row["attributes_sealed"]
        if sealed is None:
            return {}
        opened: dict[str, Any] = self._vault.open_json(
            row["tenant"], row["id"], "app_user", "attributes", row["id"], sealed
        )
        return opened

    def _attributes_after(
        self, tenant: TenantId, user: UserId, before: Row, changed: Mapping[str, Any] | None
    ) -> bytes | None:
        if changed is None:
            return None if before["attributes_sealed"] is None else bytes(before["attributes_sealed"])
        merged = {
            name: value for name, value in (self._open(before) | dict(changed)).items() if value is not None
        }
        if len(merged) > MAX_ATTRIBUTES:
            raise TooLarge(f"a user has at most {MAX_ATTRIBUTES} attributes", param="attributes")
        if len(json.dumps(merged)) > MAX_ATTRIBUTE_BYTES:
            raise TooLarge(
                f"a user's attributes take at most {MAX_ATTRIBUTE_BYTES} bytes", param="attributes"
            )
        return self._vault.seal_json(tenant, user, "app_user", "attributes", user, merged) if merged else None

    def _consents_in(
        self, tx: Transaction, tenant: TenantId, user: UserId, before: Row, words: Sequence[Word], via: str,
        evidence: Evidence | None, now: int,
    ) -> dict[str, str]:  # fmt: skip
        """Write what changes into the ledger, for webhooks too, and return what holds now, as columns."""
        own = _said_by_channel(before["channel_consents"]) if before["channel_consents"] else {}
        present, changes = after(Consents(_said(before["consents"]), own), words)
        self._ledger.add_in(tx, tenant, user, changes, via, evidence, now)
        told = [
            {"category": one.category, "channel": one.channel or None, "granted": one.granted, "via": via}
            for one in changes
        ]
        self._happenings.consents_in(tx, tenant, user, told, now)
        return {
            "consents": json.dumps(present.overall),
            "channel_consents": json.dumps(present.by_channel) if present.by_channel else "",
        }

    async def list(self, tenant: TenantId, window: Window) -> Listed[User]:
        """Return a page of users, by id, last first."""
        clause, params = window.clause("id")
        rows = await self._database.read(
            f"SELECT * FROM app_user WHERE tenant = :t{clause}", t=tenant, **params
        )
        users = {user.id: user for user in await self.of_rows(tenant, rows)}
        return window.page(rows, lambda row: users[row["id"]])


@lru_cache(maxsize=1024)
def _said(text: str) -> dict[str, bool]:
    """Return consents as they are stored; millions of users have the same few."""
    said: dict[str, bool] = json.loads(text)
    return said


def _said_by_channel(text: str) -> dict[str, dict[str, bool]]:
    said: dict[str, dict[str, bool]] = json.loads(text)
    return said


def _check(change: UserChange) -> _Checked:
    columns: dict[str, Any] = {}
    if change.locale is not None:
        columns["locale"] = checked_locale(change.locale)
    if change.timezone is not None:
        columns["timezone"] = zone(change.timezone).key
    if change.personalized is not None:
        columns["personalized"] = int(change.personalized)
    if change.quiet_hours is not None:
        window = quiet_hours(change.quiet_hours.start, change.quiet_hours.end)
        columns |= {"quiet_start": window.start, "quiet_end": window.end}
    elif change.clear_quiet_hours:
        columns |= {"quiet_start": None, "quiet_end": None}
    return _Checked(columns, checked_words(change.consents or {}, change.channel_consents or {}))
