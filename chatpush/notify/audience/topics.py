"""Keep named groups of users that grow and shrink one member at a time.

An open topic is one that users see, join and leave themselves; any other is the
app's business alone.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, from_ms, to_ms
from chatpush.errors import NotFound
from chatpush.notify.audience.users import checked_locale, checked_user, create_missing
from chatpush.notify.listing import Listed, Window, checked_name
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

MOST_CHOICES = 200
TOPICS = (
    "SELECT name, created_at, is_open, titles, (SELECT COUNT(*) FROM topic_member AS m"
    " WHERE m.tenant = topic.tenant AND m.topic = topic.name) AS members FROM topic WHERE tenant = :t"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and how many are in it; ``titles`` is what users read, by locale."""

    name: str
    members: int
    created_at: datetime
    is_open: bool
    titles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """An open topic as one user sees it."""

    name: str
    titles: Mapping[str, str]
    member: bool


class Topics:
    """The topics of every tenant."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, tenant: TenantId, name: str, users: Iterable[str]) -> None:
        """Add users to a topic, making the topic and unknown users.

        Raises:
            InvalidInput: a name or an id can't be used.
        """
        checked_name(name)
        members = [checked_user(user, f"users[{index}]") for index, user in enumerate(users)]
        now = to_ms(self._clock.now())

        def add(tx: Transaction) -> None:
            create_missing(tx, tenant, members, now)
            join(tx, tenant, members, [name], now)

        await self._database.write(add)

    async def put(self, tenant: TenantId, name: str, *, is_open: bool, titles: Mapping[str, str]) -> Topic:
        """Make a topic or change what users may do with it.

        Raises:
            InvalidInput: the name or a locale can't be used.
        """
        checked_name(name)
        row = {
            "tenant": tenant, "name": name, "is_open": int(is_open), "created_at": to_ms(self._clock.now()),
            "titles": json.dumps({checked_locale(locale, "titles"): text for locale, text in titles.items()}),
        }  # fmt: skip
        await self._database.write(
            lambda tx: tx.insert(
                "topic",
                row,
                "(tenant, name) DO UPDATE SET is_open = excluded.is_open, titles = excluded.titles",
            )
        )
        found = await self._database.read(f"{TOPICS} AND name = :n", t=tenant, n=name)
        return _topic(found[0])

    async def choices(self, tenant: TenantId, user: UserId) -> list[Choice]:
        """Return the open topics, and in which of them the user is."""
        rows = await self._database.read(
            "SELECT t.name, t.titles, m.user_id FROM topic AS t LEFT JOIN topic_member AS m ON m.tenant = t.tenant"
            " AND m.topic = t.name AND m.user_id = :u WHERE t.tenant = :t AND t.is_open = 1 ORDER BY t.name LIMIT :n",
            t=tenant, u=user, n=MOST_CHOICES,
        )  # fmt: skip
        return [Choice(row["name"], json.loads(row["titles"]), row["user_id"] is not None) for row in rows]

    async def choose(self, tenant: TenantId, user: UserId, name: str, *, member: bool) -> None:
        """Let a user join or leave an open topic; doing it again changes nothing.

        Raises:
            NotFound: there is no open topic of this name.
        """
        rows = await self._database.read(
            "SELECT 1 FROM topic WHERE tenant = :t AND name = :n AND is_open = 1", t=tenant, n=name
        )
        if not rows:
            raise NotFound(f"no topic {name[:64]!r} that is open to you", param="name")
        if member:
            await self.add(tenant, name, [user])
            return
        await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM topic_member WHERE tenant = :t AND topic = :n AND user_id = :u",
                t=tenant, n=name, u=user,
            )
        )  # fmt: skip

    async def remove(self, tenant: TenantId, name: str, user: UserId) -> None:
        """Take a user out of a topic.

        Raises:
            NotFound: the user is not in it.
        """
        gone = await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM topic_member WHERE tenant = :t AND topic = :n AND user_id = :u",
                t=tenant, n=name, u=user,
            )
        )  # fmt: skip
        if not gone:
            raise NotFound(f"{user!r} is not in topic {name!r}", param="user")

    async def set_of(self, tenant: TenantId, user: UserId, names: Iterable[str]) -> None:
        """Make these the user's topics, all of them.

        Raises:
            InvalidInput: a name can't be used.
        """
        wanted = [checked_name(name, "topics") for name in dict.fromkeys(names)]
        now = to_ms(self._clock.now())

        def set_them(tx: Transaction) -> None:
            kept, params = among(wanted)
            tx.execute(
                "DELETE FROM topic_member WHERE tenant = :t AND user_id = :u"
                + (f" AND topic NOT IN {kept}" if wanted else ""),
                t=tenant, u=user, **(params if wanted else {}),
            )  # fmt: skip
            create_missing(tx, tenant, [user], now)
            join(tx, tenant, [user], wanted, now)

        await self._database.write(set_them)

    async def of(self, tenant: TenantId, user: UserId) -> list[str]:
        """Return the names of a user's topics."""
        rows = await self._database.read(
            "SELECT topic FROM topic_member WHERE tenant = :t AND user_id = :u ORDER BY topic",
            t=tenant, u=user,
        )  # fmt: skip
        return [row["topic"] for row in rows]

    async def exists(self, tenant: TenantId, name: str) -> bool:
        """Return whether there is a topic of this name."""
        return bool(
            await self._database.read("SELECT 1 FROM topic WHERE tenant = :t AND name = :n", t=tenant, n=name)
        )

    async def members(self, tenant: TenantId, name: str, after: str, limit: int) -> list[UserId]:
        """Return members with an id beyond ``after``, in the order of ids."""
        rows = await self._database.read(
            "SELECT user_id FROM topic_member WHERE tenant = :t AND topic = :n AND user_id > :after"
            " ORDER BY user_id LIMIT :limit",
            t=tenant, n=name, after=after, limit=limit,
        )  # fmt: skip
        return [UserId(row["user_id"]) for row in rows]

    async def list(self, tenant: TenantId, window: Window) -> Listed[Topic]:
        """Return a page of topics, by name, last first."""
        clause, params = window.clause("name")
        rows = await self._database.read(
            f"{TOPICS}{clause}", t=tenant, **params,
        )  # fmt: skip
        return window.page(rows, _topic)


def _topic(row: Row) -> Topic:
    return Topic(
        row["name"],
        row["members"],
        from_ms(row["created_at"]),
        bool(row["is_open"]),
        json.loads(row["titles"]),
    )


def join(
    tx: Transaction, tenant: TenantId, users: Iterable[UserId], names: Iterable[str], now_ms: int
) -> None:
    """Put users into topics, making the topics also without any, in the caller's transaction."""
    members = list(users)
    for name in names:
        tx.insert(
            "topic", {"tenant": tenant, "name": name, "created_at": now_ms}, "(tenant, name) DO NOTHING"
        )
        tx.insert_many(
            "topic_member",
            [{"tenant": tenant, "topic": name, "user_id": user, "joined_at": now_ms} for user in members],
            "(tenant, topic, user_id) DO NOTHING",
        )
