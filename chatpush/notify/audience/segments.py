"""Keep segments: named conditions over attributes, locale, topics and events.

What stands in the clear is asked of the database (``narrowing``). Attributes are
sealed, so whether the condition holds is decided here, page by page.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import TenantId, User, UserId, from_ms, to_ms
from chatpush.errors import NotFound
from chatpush.notify.audience.conditions import LAST, Condition, events_in, matches, parse, topics_in
from chatpush.notify.audience.narrowing import narrowed
from chatpush.notify.audience.users import Users
from chatpush.notify.listing import Listed, Window, checked_name
from chatpush.store.database import Database, Row
from chatpush.store.parameters import among

PAGE = 1000

Happened = Callable[
    [TenantId, Sequence[UserId], Collection[str]], Awaitable[Mapping[UserId, Mapping[str, datetime]]]
]
"""Says when users' latest events of some types were: user → type → when."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition."""

    name: str
    condition: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Scan:
    """Members found in one stretch of users; the stretch ends at ``through``, None: at the end of all."""

    users: list[UserId]
    through: UserId | None


class Segments:
    """The segments of every tenant."""

    def __init__(self, database: Database, users: Users, clock: Clock) -> None:
        self._database = database
        self._users = users
        self._clock = clock
        self.happened: Happened | None = None

    async def put(self, tenant: TenantId, name: str, condition: str) -> Segment:
        """Make or change a segment.

        Raises:
            InvalidInput: the name or the condition can't be used; the message names the position.
        """
        checked_name(name)
        parse(condition)
        now = to_ms(self._clock.now())
        row = {"tenant": tenant, "name": name, "condition": condition, "created_at": now, "updated_at": now}
        await self._database.write(
            lambda tx: tx.insert(
                "segment", row,
                "(tenant, name) DO UPDATE SET condition = excluded.condition, updated_at = excluded.updated_at",
            )
        )  # fmt: skip
        return await self.get(tenant, name)

    async def get(self, tenant: TenantId, name: str) -> Segment:
        """Return a segment.

        Raises:
            NotFound: there is none of this name.
        """
        rows = await self._database.read(
            "SELECT * FROM segment WHERE tenant = :t AND name = :n", t=tenant, n=name
        )
        if not rows:
            raise NotFound(f"no segment {name!r}; PUT /v1/segments/{name} makes one", param="segment")
        return _segment(rows[0])

    async def delete(self, tenant: TenantId, name: str) -> None:
        """Delete a segment.

        Raises:
            NotFound: there is none of this name.
        """
        gone = await self._database.write(
            lambda tx: tx.execute("DELETE FROM segment WHERE tenant = :t AND name = :n", t=tenant, n=name)
        )
        if not gone:
            raise NotFound(f"no segment {name!r}", param="name")

    async def count(self, tenant: TenantId, name: str) -> int:
        """Return how many users are in a segment now; it looks at every user."""
        after, found = UserId(""), 0
        while True:
            scan = await self.scan(tenant, name, after)
            found += len(scan.users)
            if scan.through is None:
                return found
            after = scan.through

    async def scan(self, tenant: TenantId, name: str, after: UserId) -> Scan:
        """Look at the next ``PAGE`` users beyond an id that may be in the segment; return those that are.

        Raises:
            NotFound: there is none of this name.
        """
        condition = parse((await self.get(tenant, name)).condition)
        likely, params = narrowed(condition)
        rows = await self._database.read(
            f"SELECT u.* FROM app_user AS u WHERE u.tenant = :t AND u.id > :after AND {likely}"
            " ORDER BY u.id LIMIT :n",
            t=tenant, after=after, n=PAGE, **params,
        )  # fmt: skip
        topics = await self._topics(tenant, condition, rows)
        events = await self._events(tenant, condition, [UserId(row["id"]) for row in rows])
        now = self._clock.now()
        found = [
            user.id
            for user in await self._users.of_rows(tenant, rows)
            if matches(condition, profile(user, events.get(user.id, {})), topics.get(user.id, ()), now)
        ]
        return Scan(found, UserId(rows[-1]["id"]) if len(rows) == PAGE else None)

    async def _topics(self, tenant: TenantId, condition: Condition, rows: list[Row]) -> dict[str, set[str]]:
        """Return user → topics, only of the topics asked about and the users at hand."""
        names = topics_in(condition)
        if not names or not rows:
            return {}
        wanted, params = among(sorted(names))
        members = await self._database.read(
            f"SELECT user_id, topic FROM topic_member WHERE tenant = :t AND topic IN {wanted}"
            " AND user_id >= :first AND user_id <= :last",
            t=tenant, first=rows[0]["id"], last=rows[-1]["id"], **params,
        )  # fmt: skip
        found: dict[str, set[str]] = {}
        for row in members:
            found.setdefault(row["user_id"], set()).add(row["topic"])
        return found

    async def _events(
        self, tenant: TenantId, condition: Condition, users: list[UserId]
    ) -> Mapping[UserId, Mapping[str, datetime]]:
        """Return user → type → when, only of the events asked about."""
        types = events_in(condition)
        if not types or not users or self.happened is None:
            return {}
        return await self.happened(tenant, users, types)

    async def list(self, tenant: TenantId, window: Window) -> Listed[Segment]:
        """Return a page of segments, by name, last first."""
        clause, params = window.clause("name")
        rows = await self._database.read(
            f"SELECT * FROM segment WHERE tenant = :t{clause}", t=tenant, **params
        )
        return window.page(rows, _segment)


def profile(user: User, events: Mapping[str, datetime]) -> Mapping[str, Any]:
    """Return what conditions can ask about a user; the fixed names win over attributes, those over events."""
    return {
        **{f"{LAST}{kind}": at for kind, at in events.items()},
        **user.attributes,
        "id": user.id,
        "locale": user.locale,
        "timezone": user.timezone,
        "personalized": user.personalized,
    }


def _segment(row: Row) -> Segment:
    return Segment(row["name"], row["condition"], from_ms(row["created_at"]), from_ms(row["updated_at"]))
