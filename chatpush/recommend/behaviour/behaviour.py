"""Remember what users did, once each, and see to it that somebody reacts.

An event is stored together with one ``reaction`` row in the same transaction,
so nothing that must follow from it can be lost; ``bell`` is set after the
commit and the reactor takes the rows. Sending an event again under its id
changes nothing. Properties may say anything about a user, so they are sealed
under that user's key.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import Event, EventId, ItemId, TenantId, UserId, from_ms, new_id, to_ms
from chatpush.errors import VaultError
from chatpush.recommend.behaviour.liking import dislikes
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

PASSIVE = frozenset({"view", "impression"})
"""Types that a reload or a crawler produces by the thousand."""
REPEAT_MILLISECONDS = 1000
REPEATS_REMEMBERED = 20_000
BOT = re.compile(r"bot\b|crawl|spider|slurp|headless|lighthouse|preview|monitor", re.IGNORECASE)
NEWS = timedelta(days=2)
RECENT_EVENTS = 200
LASTING_EVENTS = 2000
USERS_AT_ONCE = 250
OPENED_AT_ONCE = 300
"""More events than these are opened in a thread: they would hold up everybody else."""
LASTING = "('purchase', 'dismiss', 'mute', 'unmute')"
"""Types that forbid items long after they happened, or undo that; an index is made for these."""
COLUMNS = "tenant, id, user_id, type, item, at, received_at, properties_sealed"
RECENT = f"""WITH who (user_id) AS (VALUES {{users}}),
 since AS MATERIALIZED (SELECT user_id,
   COALESCE((SELECT at FROM event WHERE tenant = :t AND event.user_id = who.user_id
             ORDER BY at DESC LIMIT 1 OFFSET :recent), 0) AS recently,
   COALESCE((SELECT at FROM event WHERE tenant = :t AND event.user_id = who.user_id
             AND type IN {LASTING} ORDER BY at DESC LIMIT 1 OFFSET :lasting), 0) AS long
   FROM who)
 SELECT {COLUMNS} FROM (SELECT event.*, ROW_NUMBER() OVER (PARTITION BY event.user_id ORDER BY event.at DESC)
   AS place FROM since CROSS JOIN event WHERE event.tenant = :t
   AND event.user_id = since.user_id AND event.at >= since.recently) AS latest WHERE place <= :recent + 1
 UNION SELECT {COLUMNS} FROM (SELECT event.*, ROW_NUMBER() OVER (PARTITION BY event.user_id ORDER BY event.at DESC)
   AS place FROM since CROSS JOIN event WHERE event.tenant = :t
   AND event.user_id = since.user_id AND event.at >= since.long AND type IN {LASTING}) AS lasting
   WHERE place <= :lasting + 1
 ORDER BY at DESC, id DESC"""
"""By the time of each user's nth event, so that a user with a million costs no more than others.

The places count where a flood has one moment for all of its events.
``CROSS JOIN`` and ``MATERIALIZED`` keep SQLite from walking through all events instead."""

LAST = """WITH who (user_id) AS (VALUES {users}), what (type) AS (VALUES {types})
 SELECT user_id, type, at FROM (SELECT who.user_id, what.type,
   (SELECT MAX(event.at) FROM event WHERE event.tenant = :t AND event.user_id = who.user_id
    AND event.type = what.type) AS at
   FROM who CROSS JOIN what) AS last WHERE at IS NOT NULL"""


def _values(names: Iterable[str]) -> str:
    """Return the rows of a VALUES that holds these parameters."""
    return ", ".join(f"(CAST(:{name} AS TEXT))" for name in names)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: stored, known before, or dropped as noise."""

    accepted: int
    duplicates: int
    dropped: int


class Behaviour:
    """The events of all tenants. ``bell`` is set whenever there is something to react to."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._versions: dict[TenantId, int] = {}
        self._repeats: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self.bell = asyncio.Event()

    def version(self, tenant: TenantId) -> int:
        """Return a number that grows with every batch recorded on this node."""
        return self._versions.get(tenant, 0)

    async def record(self, tenant: TenantId, events: Sequence[Event]) -> Recorded:
        """Store events; each that is news is followed by exactly one reaction.

        A time in the future is taken as now: clocks of browsers are wrong. What
        happened more than ``NEWS`` ago is history being imported: it teaches
        the rankers, but sends nobody a message.
        """
        now = self._clock.now()
        oldest_news = to_ms(now - NEWS)
        passed: dict[tuple[str, ...], int] = {}
        wanted = [event for event in events if not self._is_noise(event, passed)]
        timely = [replace(event, at=min(event.at, now)) for event in wanted]
        await self._vault.ready_many(tenant, [event.user for event in timely if event.properties])
        rows = [self._row(tenant, event, to_ms(now)) for event in timely]

        def store(tx: Transaction) -> int:
            accepted = 0
            for row in rows:
                if tx.insert("event", row, "(tenant, id) DO NOTHING"):
                    accepted += 1
                    if row["at"] >= oldest_news:
                        tx.insert("reaction", _reaction(row, to_ms(now)))
            return accepted

        accepted = await self._database.write(store) if rows else 0
        self._remember(passed)
        if accepted:
            self._versions[tenant] = self.version(tenant) + 1
            self.bell.set()
        return Recorded(accepted, len(rows) - accepted, len(events) - len(rows))

    async def get(self, tenant: TenantId, event: EventId) -> Event | None:
        """Return one event with its properties, or None if it is gone."""
        rows = await self._database.read(
            "SELECT * FROM event WHERE tenant = :t AND id = :e", t=tenant, e=event
        )
        return (await self._open(tenant, rows))[0] if rows else None

    async def users_of_type(
        self, tenant: TenantId, kind: str, since: datetime, until: datetime, after: str, limit: int
    ) -> tuple[list[UserId], UserId | None]:
        """Return users beyond an id who had events of a type within a time, and where to go on (None: the end)."""
        rows = await self._database.read(
            "SELECT DISTINCT user_id FROM event WHERE tenant = :t AND at > :since AND at <= :until AND type = :k"
            " AND user_id > :after ORDER BY user_id LIMIT :n",
            t=tenant, since=to_ms(since), until=to_ms(until), k=kind, after=after, n=limit,
        )  # fmt: skip
        users = [UserId(row["user_id"]) for row in rows]
        return users, users[-1] if len(users) == limit else None

    async def count_users_of_type(self, tenant: TenantId, kind: str, since: datetime, until: datetime) -> int:
        """Return how many users had events of a type within a time."""
        rows = await self._database.read(
            "SELECT COUNT(DISTINCT user_id) AS n FROM event WHERE tenant = :t AND at > :since AND at <= :until"
            " AND type = :k",
            t=tenant, since=to_ms(since), until=to_ms(until), k=kind,
        )  # fmt: skip
        return int(rows[0]["n"])

    async def of_type(
        self, tenant: TenantId, kind: str, since: datetime, until: datetime, users: Sequence[UserId], limit: int
    ) -> list[Event]:  # fmt: skip
        """Return the events of a type that some users had within a time, oldest first."""
        names, params = among(users)
        rows = await self._database.read(
            f"SELECT * FROM event WHERE tenant = :t AND user_id IN {names} AND at > :since AND at <= :until"
            " AND type = :k ORDER BY at, id LIMIT :n",
            t=tenant, since=to_ms(since), until=to_ms(until), k=kind, n=limit, **params,
        )  # fmt: skip
        return await self._open(tenant, rows)

    async def last_of(
        self, tenant: TenantId, users: Collection[UserId], kinds: Collection[str]
    ) -> dict[UserId, dict[str, datetime]]:
        """Return user → type → when the user's latest event of that type was.

        Each is one look at the end of an index, however many events the user has.
        """
        who = {f"u{n}": name for n, name in enumerate(users)}
        which = {f"k{n}": kind for n, kind in enumerate(sorted(kinds))}
        rows = await self._database.read(
            LAST.format(users=_values(who), types=_values(which)), t=tenant, **who, **which
        )
        found: dict[UserId, dict[str, datetime]] = {}
        for row in rows:
            found.setdefault(UserId(row["user_id"]), {})[row["type"]] = from_ms(row["at"])
        return found

    async def recent(self, tenant: TenantId, user: UserId) -> tuple[Event, ...]:
        """Return what matters about a user now, newest first.

        The last ``RECENT_EVENTS``, and older purchases, dismissals and mutes,
        because these still forbid items.
        """
        return (await self.recent_many(tenant, [user]))[user]

    async def recent_many(self, tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, tuple[Event, ...]]:
        """Return ``recent`` of many users, read at once."""
        names = list(dict.fromkeys(users))
        found: dict[UserId, tuple[Event, ...]] = {}
        for start in range(0, len(names), USERS_AT_ONCE):
            page = names[start : start + USERS_AT_ONCE]
            who = {f"u{n}": name for n, name in enumerate(page)}
            rows = await self._database.read(
                RECENT.format(users=_values(who)), t=tenant, recent=RECENT_EVENTS - 1,
                lasting=LASTING_EVENTS - 1, **who,
            )  # fmt: skip
            by_user: dict[UserId, list[Event]] = {name: [] for name in page}
            for event in await self._open(tenant, rows):
                by_user[event.user].append(event)
            found |= {name: tuple(events) for name, events in by_user.items()}
        return found

    async def all_of(self, tenant: TenantId, user: UserId, limit: int) -> list[Event]:
        """Return a user's events, newest first, for the user to take along."""
        rows = await self._database.read(
            "SELECT * FROM event WHERE tenant = :t AND user_id = :u ORDER BY at DESC, id DESC LIMIT :n",
            t=tenant, u=user, n=limit,
        )  # fmt: skip
        return await self._open(tenant, rows)

    async def erase(self, tenant: TenantId, user: UserId) -> int:
        """Delete all events of a user and return how many there were."""

        def erase(tx: Transaction) -> int:
            tx.execute(
                """DELETE FROM reaction WHERE tenant = :t AND event IN
                   (SELECT id FROM event WHERE tenant = :t AND user_id = :u)""",
                t=tenant, u=user,
            )  # fmt: skip
            return tx.execute("DELETE FROM event WHERE tenant = :t AND user_id = :u", t=tenant, u=user)

        deleted = await self._database.write(erase)
        self._versions[tenant] = self.version(tenant) + 1
        return deleted

    async def forget(self, keep: timedelta) -> int:
        """Delete events received longer ago than that, once nothing reacts to them any more."""
        before = to_ms(self._clock.now() - keep)
        return await self._database.write(
            lambda tx: tx.execute(
                """DELETE FROM event WHERE received_at < :b AND NOT EXISTS (SELECT 1 FROM reaction
                   WHERE reaction.tenant = event.tenant AND reaction.event = event.id)""",
                b=before,
            )
        )

    def _is_noise(self, event: Event, passed: dict[tuple[str, ...], int]) -> bool:
        """Return whether a crawler or a double click sent this; only for passive types.

        ``passed`` collects what got through; it is remembered only once it is
        stored, so that a batch sent again after a failure is not taken for noise.
        """
        if event.type not in PASSIVE:
            return False
        if BOT.search(str(event.properties.get("user_agent", ""))):
            return True
        key = (event.tenant, event.user, event.type, event.item or "")
        at = to_ms(event.at)
        before = passed.get(key, self._repeats.get(key))
        passed[key] = at
        return before is not None and abs(at - before) < REPEAT_MILLISECONDS

    def _remember(self, passed: dict[tuple[str, ...], int]) -> None:
        self._repeats.update(passed)
        while len(self._repeats) > REPEATS_REMEMBERED:
            self._repeats.popitem(last=False)

    def _row(self, tenant: TenantId, event: Event, now: int) -> Row:
        sealed = None
        if event.properties:
            sealed = self._vault.seal_json(
                tenant, event.user, "event", "properties", event.id, event.properties
            )
        return {
            "tenant": tenant, "id": event.id, "user_id": event.user, "type": event.type, "item": event.item,
            "at": to_ms(event.at), "received_at": now, "properties_sealed": sealed,
            "disliked": int(dislikes(event)),
        }  # fmt: skip

    async def _open(self, tenant: TenantId, rows: list[Row]) -> list[Event]:
        owners = [row["user_id"] for row in rows if row["properties_sealed"] is not None]
        if owners:
            await self._vault.ready_many(tenant, owners)
        if len(rows) <= OPENED_AT_ONCE:
            return [self._event(row) for row in rows]
        return await asyncio.to_thread(lambda: [self._event(row) for row in rows])

    def _event(self, row: Row) -> Event:
        tenant, user = TenantId(row["tenant"]), UserId(row["user_id"])
        properties: dict[str, Any] = {}
        if row["properties_sealed"] is not None:
            try:
                properties = self._vault.open_json(
                    tenant, user, "event", "properties", row["id"], row["properties_sealed"]
                )
            except VaultError:
                properties = {}  # the user was erased; what is left says nothing about them
        item = None if row["item"] is None else ItemId(row["item"])
        return Event(tenant, EventId(row["id"]), user, row["type"], from_ms(row["at"]), item, properties)


def event(
    tenant: TenantId,
    user: UserId,
    kind: str,
    at: datetime,
    item: ItemId | None = None,
    properties: dict[str, Any] | None = None,
    event_id: str = "",
) -> Event:
    """Make an event with an id of its own where the caller has none."""
    return Event(tenant, EventId(event_id or new_id("evt")), user, kind, at, item, properties or {})


def _reaction(event: Row, due_at: int) -> Row:
    return {"tenant": event["tenant"], "id": new_id("rct"), "event": event["id"], "due_at": due_at}
