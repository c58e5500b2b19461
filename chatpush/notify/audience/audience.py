"""Resolve recipients into pages of users, each user once, resumable anywhere.

Every source (named users, a topic, a segment, a plugin's audience, everyone) can list its users in
the order of their ids beyond a given one. A page merges the sources, so the
whole place one has reached is a single id, and memory stays flat however many
there are.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from chatpush.domain import TenantId, UserId
from chatpush.errors import InvalidInput, NotFound
from chatpush.notify.audience.dynamic_audiences import DynamicAudiences
from chatpush.notify.audience.segments import Segments
from chatpush.notify.audience.topics import Topics
from chatpush.notify.audience.users import checked_user
from chatpush.notify.messages.drafts import Recipient
from chatpush.store.database import Database


@dataclass(frozen=True, slots=True)
class AudiencePage:
    """Some users in the order of their ids; go on after ``cursor``, None: that was all."""

    users: list[UserId]
    cursor: UserId | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What one source has beyond the cursor; complete up to ``through``, None: to its end."""

    users: list[UserId]
    through: UserId | None


class Audience:
    """Whom a list of recipients means."""

    def __init__(
        self, database: Database, topics: Topics, segments: Segments, dynamic: DynamicAudiences | None = None
    ) -> None:
        self._dynamic = dynamic or DynamicAudiences()
        self._database = database
        self._topics = topics
        self._segments = segments

    async def check(self, tenant: TenantId, to: Sequence[Recipient]) -> None:
        """Check that every recipient can be resolved.

        Raises:
            InvalidInput: an id is malformed, or there is no such topic, segment or audience.
        """
        for index, recipient in enumerate(to):
            if recipient.user is not None:
                checked_user(recipient.user, f"to[{index}].user")
        for topic in {one.topic for one in to if one.topic is not None}:
            if not await self._topics.exists(tenant, topic):
                raise InvalidInput(
                    f"no topic {topic!r}; PUT /v1/topics/{topic}/members makes one", param="to.topic"
                )
        for one in to:
            if one.audience is not None:
                await self._dynamic.check(tenant, one.audience, one.arguments)
        for segment in {one.segment for one in to if one.segment is not None}:
            try:
                await self._segments.get(tenant, segment)
            except NotFound as error:
                raise InvalidInput(error.message, param="to.segment") from error

    async def page(
        self, tenant: TenantId, to: Sequence[Recipient], after: UserId, limit: int
    ) -> AudiencePage:
        """Return at most ``limit`` users beyond an id ("" at first)."""
        if any(one.everyone for one in to):
            # Everyone who is known, and those named here who are not yet.
            stretches = [await self._everyone(tenant, after, limit)]
        else:
            stretches = [
                await self._topic(tenant, name, after, limit)
                for name in {one.topic for one in to if one.topic}
            ]
            for name in {one.segment for one in to if one.segment}:
                scan = await self._segments.scan(tenant, name, after)
                stretches.append(_Stretch(scan.users, scan.through))
        for one in to:
            if one.audience is not None:
                users = await self._dynamic.page(tenant, one.audience, one.arguments, after, limit)
                stretches.append(_full_or_end(users, limit))
        stretches.append(_named(to, after, limit))
        return _merge(stretches, limit)

    async def users(
        self, tenant: TenantId, to: Sequence[Recipient], limit: int = 500
    ) -> AsyncIterator[list[UserId]]:
        """Yield all users in pages."""
        after: UserId | None = UserId("")
        while after is not None:
            page = await self.page(tenant, to, after, limit)
            if page.users:
                yield page.users
            after = page.cursor

    async def count(self, tenant: TenantId, to: Sequence[Recipient]) -> int:
        """Return how many users these recipients are."""
        return sum([len(page) async for page in self.users(tenant, to)])

    async def _everyone(self, tenant: TenantId, after: UserId, limit: int) -> _Stretch:
        rows = await self._database.read(
            "SELECT id FROM app_user WHERE tenant = :t AND id > :after ORDER BY id LIMIT :n",
            t=tenant, after=after, n=limit,
        )  # fmt: skip
        return _full_or_end([UserId(row["id"]) for row in rows], limit)

    async def _topic(self, tenant: TenantId, name: str, after: UserId, limit: int) -> _Stretch:
        return _full_or_end(await self._topics.members(tenant, name, after, limit), limit)


def _named(to: Sequence[Recipient], after: UserId, limit: int) -> _Stretch:
    named = sorted({one.user for one in to if one.user is not None})
    start = bisect_right(named, after)
    return _full_or_end(named[start : start + limit], limit)


def _full_or_end(users: list[UserId], limit: int) -> _Stretch:
    return _Stretch(users, users[-1] if len(users) == limit else None)


def _merge(stretches: list[_Stretch], limit: int) -> AudiencePage:
    """Return the first users of all stretches, no further than every stretch is complete."""
    ends = [stretch.through for stretch in stretches if stretch.through is not None]
    users = sorted({user for stretch in stretches for user in stretch.users})
    cursor = min(ends) if ends else None
    if cursor is not None:
        users = users[: bisect_right(users, cursor)]
    if len(users) > limit:
        users = users[:limit]
        cursor = users[-1]
    return AudiencePage(users, cursor)
