"""Let many users fetch one message instead of writing it a million times (fan-out on read).

A broadcast is one row with a number. Each user has a place: the number up to
which their broadcasts became deliveries. Whoever comes (opens the inbox,
connects) or is there already gets what lies beyond their place, through the
same policy, rendering and filters as any other message. So consent, quiet
hours and caps count when it is read, and a user who never comes costs nothing.

The place moves in the transaction that writes the deliveries, and a user has
at most one delivery of a message: nobody misses one, nobody gets it twice.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import MessageId, TenantId, UserId, from_ms, to_ms
from chatpush.notify.messages.accepted import AcceptedMessages
from chatpush.notify.messages.drafts import Accepted
from chatpush.notify.messages.fanout import FanOut
from chatpush.notify.sending.claims import LEASE
from chatpush.rounds import Rounds
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among

log = structlog.get_logger(__name__)

LONGEST_OPEN = timedelta(days=28)
MOST_AT_ONCE = 100
USERS_AT_ONCE = 250
OPENED_AT_ONCE = 50
# Who comes this soon after others is looked after together with those who follow: crowds come at once.
BREATH_SECONDS = 0.02
Deliver = Callable[[TenantId, Sequence[str]], Awaitable[None]]
"""Sends deliveries that were written as claimed."""


class Broadcasts:
    """The messages that are read by their audience."""

    def __init__(
        self, database: Database, accepted: AcceptedMessages, fanout: FanOut, clock: Clock, deliver: Deliver,
        online: Callable[[], Iterable[tuple[TenantId, UserId]]], *, from_users: int = 1000,
    ) -> None:  # fmt: skip
        self._database = database
        self._accepted = accepted
        self._fanout = fanout
        self._clock = clock
        self._deliver = deliver
        self._online = online
        self._from_users = from_users
        self._arrived: set[tuple[TenantId, UserId]] = set()
        self._opened: set[TenantId] = set()
        self._rounds = Rounds("notify.broadcasts", self.turn)

    async def start(self) -> None:
        """Begin; whoever is here already is looked after."""
        self._opened |= {tenant for tenant, _ in self._online()}
        await self._rounds.start()

    async def stop(self) -> None:
        """Finish the present page."""
        await self._rounds.stop()

    def arrived(self, tenant: TenantId, user: UserId) -> None:
        """Say that a user came; what they missed follows."""
        self._arrived.add((tenant, user))
        self._rounds.ring()

    async def suits(self, tenant: TenantId, accepted: Accepted) -> bool:
        """Return whether a message is better read than written: to many, the same for all, on pages only."""
        if accepted.send_local is not None or accepted.away_channels or accepted.digest is not None:
            return False
        if not all(one.everyone or one.topic is not None for one in accepted.to):
            return False
        topics = _topics(accepted)
        if not topics:
            sql, params = "SELECT 1 FROM app_user WHERE tenant = :t", dict[str, Any]()
        else:
            names, params = among(topics)
            sql = f"SELECT 1 FROM topic_member WHERE tenant = :t AND topic IN {names}"
        rows = await self._database.read(
            f"SELECT COUNT(*) AS n FROM ({sql} LIMIT :n) AS found", t=tenant, n=self._from_users + 1, **params
        )
        return int(rows[0]["n"]) > self._from_users

    def insert_in(self, tx: Transaction, tenant: TenantId, message: MessageId, accepted: Accepted) -> None:
        """Write a broadcast within the transaction that accepts its message."""
        now = self._clock.now()
        opens = max(accepted.send_at or now, now)
        ttl = timedelta(seconds=accepted.ttl_seconds) if accepted.ttl_seconds is not None else LONGEST_OPEN
        due = accepted.send_at is None or accepted.send_at <= now
        row = {
            "tenant": tenant, "message": message, "topics": json.dumps(_topics(accepted)),
            "opens_at": to_ms(opens), "closes_at": to_ms(opens + ttl),
            "seq": _next_in(tx, tenant) if due else None,
        }  # fmt: skip
        tx.insert("broadcast", row)

    def ring(self, tenant: TenantId) -> None:
        """Say that a broadcast was accepted."""
        self._opened.add(tenant)
        self._rounds.ring()

    async def read(self, tenant: TenantId, user: UserId) -> None:
        """Bring a user's inbox up to date; afterwards its list and its count are right."""
        await self._bring(tenant, [user])

    async def turn(self) -> float | None:
        """Open what is due, tell those who are here and those who came; say when the next opens."""
        opened = await self._open_due() | self._opened
        arrived, self._arrived, self._opened = self._arrived, set(), set()
        here = {who for who in self._online() if who[0] in opened} if opened else set()
        by_tenant: dict[TenantId, list[UserId]] = {}
        for tenant, user in sorted(here | arrived):
            by_tenant.setdefault(tenant, []).append(user)
        try:
            for tenant, users in by_tenant.items():
                for start in range(0, len(users), USERS_AT_ONCE):
                    await self._bring(tenant, users[start : start + USERS_AT_ONCE])
                    await asyncio.sleep(0)
        except BaseException:
            # They are brought up to date by the next turn.
            self._arrived |= here | arrived
            raise
        if arrived:
            await asyncio.sleep(BREATH_SECONDS)
        if self._arrived or self._opened:
            return 0
        rows = await self._database.read("SELECT MIN(opens_at) AS at FROM broadcast WHERE seq IS NULL")
        if rows[0]["at"] is None:
            return None
        return max(0.001, (from_ms(rows[0]["at"]) - self._clock.now()).total_seconds())

    async def prune(self) -> int:
        """Forget broadcasts that nobody can get any more; return how many."""
        closed = to_ms(self._clock.now() - timedelta(days=1))
        return await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM broadcast WHERE seq IS NOT NULL AND closes_at < :at", at=closed
            )
        )

    async def _open_due(self) -> set[TenantId]:
        """Give their number to broadcasts whose time has come; return whose they are."""
        now = to_ms(self._clock.now())
        waiting = await self._database.read(
            "SELECT 1 FROM broadcast WHERE seq IS NULL AND opens_at <= :now LIMIT 1", now=now
        )
        if not waiting:
            return set()

        def open_them(tx: Transaction) -> set[TenantId]:
            rows = tx.query(
                "SELECT tenant, message FROM broadcast WHERE seq IS NULL AND opens_at <= :now"
                f" ORDER BY opens_at LIMIT :n {tx.lock}",
                now=now, n=OPENED_AT_ONCE,
            )  # fmt: skip
            for row in rows:
                tx.execute(
                    "UPDATE broadcast SET seq = :seq WHERE tenant = :t AND message = :m",
                    seq=_next_in(tx, row["tenant"]), t=row["tenant"], m=row["message"],
                )  # fmt: skip
            return {TenantId(row["tenant"]) for row in rows}

        return await self._database.write(open_them)

    async def _bring(self, tenant: TenantId, users: Sequence[UserId]) -> None:
        """Make deliveries of what these users have not got, and send them."""
        written = await self._write(tenant, users)
        if written:
            await self._deliver(tenant, written)

    async def _write(self, tenant: TenantId, users: Sequence[UserId]) -> list[str]:
        """Return the deliveries that were made."""
        now = self._clock.now()
        newest = await self._database.read(
            "SELECT MAX(seq) AS seq FROM broadcast WHERE tenant = :t AND closes_at > :now",
            t=tenant,
            now=to_ms(now),
        )
        if newest[0]["seq"] is None:  # mostly there is none, whoever and how many come
            return []
        names, params = among(users)
        known = await self._database.read(
            "SELECT u.id, u.created_at, COALESCE(r.seq, 0) AS seq FROM app_user AS u LEFT JOIN broadcast_reader AS r"
            f" ON r.tenant = u.tenant AND r.user_id = u.id WHERE u.tenant = :t AND u.id IN {names}"
            " AND COALESCE(r.seq, 0) < :newest",
            t=tenant, newest=newest[0]["seq"], **params,
        )  # fmt: skip
        if not known:
            return []
        beyond = await self._beyond(tenant, min(row["seq"] for row in known), now)
        if not beyond:
            return []
        members = await self._members(tenant, beyond, [row["id"] for row in known])
        pages: list[tuple[Accepted, list[Row]]] = []
        for broadcast in reversed(beyond):
            accepted = await self._accepted.of_row(broadcast)
            addressed = [UserId(row["id"]) for row in known if _is_for(broadcast, row, members)]
            opened = from_ms(broadcast["opens_at"])
            made = await self._fanout.rows(
                tenant, MessageId(broadcast["id"]), accepted, addressed, due=opened
            )
            claimed = {"due_at": to_ms(now + LEASE), "claimed_by": "broadcasts"}
            pages.append((accepted, [row | claimed for row in made]))
        top = beyond[0]["seq"]
        places = [{"tenant": tenant, "user_id": row["id"], "seq": top} for row in known if row["seq"] < top]

        def write(tx: Transaction) -> list[str]:
            ids = []
            for accepted, rows in pages:
                self._fanout.insert_in(tx, tenant, accepted, rows)
                ids += [row["id"] for row in rows]
            tx.insert_many(
                "broadcast_reader", places,
                "(tenant, user_id) DO UPDATE SET seq = CASE WHEN broadcast_reader.seq > excluded.seq"
                " THEN broadcast_reader.seq ELSE excluded.seq END",
            )  # fmt: skip
            return ids

        return await self._database.write(write)

    async def _beyond(self, tenant: TenantId, place: int, now: datetime) -> list[Row]:
        """Return the open broadcasts beyond a place, newest first, with their messages."""
        return await self._database.read(
            "SELECT b.topics, b.opens_at, b.seq, m.* FROM broadcast AS b JOIN message AS m"
            " ON m.tenant = b.tenant AND m.id = b.message WHERE b.tenant = :t AND b.seq > :place"
            " AND b.closes_at > :now AND m.state = 'accepted' ORDER BY b.seq DESC LIMIT :n",
            t=tenant, place=place, now=to_ms(now), n=MOST_AT_ONCE,
        )  # fmt: skip

    async def _members(
        self, tenant: TenantId, broadcasts: list[Row], users: list[str]
    ) -> dict[tuple[str, str], int]:
        """Return (topic, user) → when the user joined, for the topics these broadcasts name."""
        topics = {topic for row in broadcasts for topic in json.loads(row["topics"])}
        if not topics:
            return {}
        names, which = among(topics, "n")
        people, who = among(users, "u")
        rows = await self._database.read(
            f"SELECT topic, user_id, joined_at FROM topic_member WHERE tenant = :t AND topic IN {names}"
            f" AND user_id IN {people}",
            t=tenant, **which, **who,
        )  # fmt: skip
        return {(row["topic"], row["user_id"]): row["joined_at"] for row in rows}


def _topics(accepted: Accepted) -> list[str]:
    """Return the topics a broadcast is for; none: everyone."""
    if any(one.everyone for one in accepted.to):
        return []
    return sorted({one.topic for one in accepted.to if one.topic is not None})


def _next_in(tx: Transaction, tenant: str) -> int:
    """Return the tenant's next number. The row stays locked until the commit, so numbers appear in order."""
    rows = tx.query(
        "INSERT INTO broadcast_count (tenant, last) VALUES (:t, 1)"
        " ON CONFLICT (tenant) DO UPDATE SET last = broadcast_count.last + 1 RETURNING last",
        t=tenant,
    )
    return int(rows[0]["last"])


def _is_for(broadcast: Row, user: Row, members: dict[tuple[str, str], int]) -> bool:
    """Whether a user has it to get: beyond their place, and theirs when it was sent."""
    if user["seq"] >= broadcast["seq"]:
        return False
    topics = json.loads(broadcast["topics"])
    if not topics:
        return bool(user["created_at"] <= broadcast["opens_at"])
    joined = [members[topic, user["id"]] for topic in topics if (topic, user["id"]) in members]
    return bool(joined) and min(joined) <= broadcast["opens_at"]
