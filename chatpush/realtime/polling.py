"""The long-poll: the same channels and the same cursors, without a connection.

A poll reads what is after its cursor, else waits for the first publication,
lingers a moment to collect what comes with it, and answers. It changes
nothing on the server, so a lost reply is asked for again with the same
cursor. A newer poll of the same client ends the one before.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from chatpush.domain import Cursor, Publication, TenantId, UserId
from chatpush.errors import ChatpushError, CursorLost, Forbidden, InvalidInput, TooMany, Unauthenticated
from chatpush.realtime.codes import Refused
from chatpush.realtime.connecting import server_side_channels
from chatpush.realtime.feed import LiveChannel
from chatpush.realtime.grants import Grant, Grants, decode_cursor, encode_cursor
from chatpush.realtime.held import Answer, Held, Waiting
from chatpush.realtime.node import Node
from chatpush.realtime.permissions import check_reserved, check_subscribe
from chatpush.realtime.tokens import ConnectionClaims

GRANT_SECONDS = 300.0
LINGER_SECONDS = 0.05
POLLS_A_TURN = 256
DRAIN_SECONDS = 5.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """One channel of a poll, with its subscription token if it needs one."""

    channel: str
    token: str = ""


@dataclass(slots=True)
class PollReply:
    """What a poll brings: the next cursor, publications in order, channels with a gap."""

    cursor: str
    grant: str
    client: str
    publications: list[tuple[str, Publication]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


class Waiter:
    """A poll that waits on its channels."""

    __slots__ = ("passing", "woken")

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        # Publications that no log keeps, seen while waiting.
        self.passing: list[tuple[str, Publication]] = []

    def wake(self, channel: str, passing: Publication | None) -> None:
        """Something is new on a channel."""
        if passing is not None:
            self.passing.append((channel, passing))
        self.woken.set()

    def release(self) -> None:
        """Answer now, whatever there is."""
        self.woken.set()


class Polling:
    """Long-polls of this node."""

    def __init__(self, node: Node, grant_key: bytes = b"") -> None:
        self._node = node
        self._grants = Grants(grant_key or secrets.token_bytes(32))
        self._held: dict[str, Waiter | Held] = {}
        self._waiting = Waiting(self._finish_soon, self._let_go)
        self._finishing: set[asyncio.Task[None]] = set()
        self._draining = False
        self._nobody: asyncio.Event | None = None

    async def authorise(self, tenant: TenantId, token: str, grant: str, asked: Sequence[Asked]) -> Grant:
        """Return the permission to poll these channels: from a grant that covers them, else from tokens.

        Raises:
            GrantExpired: the grant's time is over and there is no token.
            Unauthenticated: the token is not valid, or there is none.
            Forbidden: a channel is not for this user.
        """
        known = None
        if grant:
            try:
                known = self._grants.read(grant, tenant, self._node.now())
            except Unauthenticated:
                if not token:
                    raise
        if known is not None:
            self._node.tokens.blocks.check_user(tenant, known.user)
        if known is not None and {one.channel for one in asked} <= {*known.channels, *known.own}:
            return known
        if len(asked) > self._node.settings.max_channels:
            raise TooMany(f"at most {self._node.settings.max_channels} channels a poll", param="channels")
        claims = await self._claims(tenant, token)
        expires_at = self._node.now() + GRANT_SECONDS
        if claims.expires_at is not None:
            expires_at = min(expires_at, claims.expires_at.timestamp())
        try:
            own = tuple(server_side_channels(claims))
            for channel in own:
                self._node.namespaces.options(channel)
            for one in asked:
                if one.channel not in own:
                    expires_at = min(expires_at, await self._check(tenant, claims.user, one))
        except Refused as refused:
            raise Forbidden(f"{refused.code.message}", param="channels") from refused
        same = known is not None and known.user == claims.user
        client = known.client if known is not None and same else secrets.token_urlsafe(12)
        return Grant(tenant, claims.user, client, tuple(one.channel for one in asked), own, expires_at)

    async def poll(
        self, grant: Grant, asked: Sequence[Asked], cursor: str, limit: int, hold_seconds: float
    ) -> PollReply:
        """Answer with what is new after the cursor, or after ``hold_seconds`` with nothing.

        Raises:
            InvalidInput: the cursor is not one of ours, or there is nothing to poll.
        """
        given = decode_cursor(cursor)
        names = list(dict.fromkeys([*grant.own, *(one.channel for one in asked)]))
        if not names:
            raise InvalidInput("name at least one channel", param="channels")
        lives = [self._node.channels.live(grant.tenant, name) for name in names]
        waiter = Waiter()
        for live in lives:
            self._node.channels.listen(live, waiter)
        reply = PollReply("", self._grants.sign(grant), grant.client)
        try:
            places = await self._places(lives, given)
            await self._collect(lives, places, reply, limit)
            placed_all = all(name in given for name in names)
            if placed_all and hold_seconds > 0 and not reply.publications and not reply.gaps:
                await self._hold(grant, waiter, hold_seconds)
                self._node.tokens.blocks.check_user(grant.tenant, grant.user)
                await self._collect(lives, places, reply, limit)
        finally:
            for live in lives:
                self._node.channels.stop_listening(live, waiter)
        reply.publications += waiter.passing
        reply.cursor = encode_cursor(places)
        return reply

    def drain(self) -> list[Callable[[], None]]:
        """Answer the polls to come at once; return what answers each that waits now."""
        self._draining = True
        return [waiter.release for waiter in self._held.values()]

    def sign(self, grant: Grant) -> str:
        """Return a grant as the text that clients send."""
        return self._grants.sign(grant)

    async def all_answered(self) -> None:
        """Wait until every poll that was released has its answer."""
        if self._held:
            self._nobody = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nobody.wait(), DRAIN_SECONDS)

    async def again(
        self, tenant: TenantId, text: str, asked: Sequence[str], cursor: str, limit: int, seconds: float,
        spoken: Answer,
    ) -> PollReply | Held | None:  # fmt: skip
        """Go on with a poll whose grant and cursor cover all its channels, without a task while it waits.

        Return the reply if there is one already; else ``spoken`` is told when
        the wait is over. None is for ``authorise`` and ``poll`` to answer:
        whatever else it is, and what is wrong with it.
        """
        try:
            grant = self._grants.read(text, tenant, self._node.now())
            self._node.tokens.blocks.check_user(tenant, grant.user)
            given = decode_cursor(cursor)
        except ChatpushError:
            return None
        names = list(dict.fromkeys([*grant.own, *asked]))
        if not names or not all(
            name in given and (name in grant.channels or name in grant.own) for name in names
        ):
            return None
        places = {name: given[name] for name in names}
        lives = [self._node.channels.live(tenant, name) for name in names]
        held = Held(self._waiting, grant, text, lives, places, limit, spoken)
        for live in lives:
            self._node.channels.listen(live, held)
        reply = PollReply("", text, grant.client)
        try:
            await self._collect(lives, places, reply, limit)
            if not reply.publications and not reply.gaps and seconds > 0 and not self._draining:
                self._begin(held, seconds)
                return held
        except ChatpushError:
            self._stop_listening(held)
            return None
        except BaseException:
            self._stop_listening(held)
            raise
        self._stop_listening(held)
        reply.publications += held.passing or []
        reply.cursor = encode_cursor(places)
        return reply

    async def reply_of(self, held: Held) -> PollReply:
        """Return the reply of a poll whose wait is over."""
        reply = PollReply("", held.text, held.grant.client)
        await self._collect(list(held.lives), held.places, reply, held.limit)
        reply.publications += held.passing or []
        reply.cursor = encode_cursor(held.places)
        return reply

    def _begin(self, held: Held, seconds: float) -> None:
        grant, node = held.grant, self._node
        if before := self._held.get(grant.client):
            before.release()
        if (
            grant.user
            and node.registry.count(grant.tenant, grant.user) >= node.settings.max_connections_per_user
        ):
            raise TooMany("this user has too many connections; close some", retry_after_seconds=5)
        self._held[grant.client] = held
        node.registry.hold(grant.tenant, grant.user)
        self._waiting.hold(held, seconds)
        if held.news:
            held.release()

    def _finish_soon(self, woken: list[Held]) -> None:
        task = asyncio.get_running_loop().create_task(self._finish(woken))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _finish(self, woken: list[Held]) -> None:
        for number, held in enumerate(woken, start=1):
            if held.second < 0:
                continue
            reply = PollReply(encode_cursor(held.places), held.text, held.grant.client)
            try:
                self._node.tokens.blocks.check_user(held.grant.tenant, held.grant.user)
                reply = await self.reply_of(held)
            except ChatpushError:
                pass  # the next poll is told
            except Exception:
                log.exception("a held poll failed")
            if held.second == 0:  # its client is still there
                held.spoken.poll_over(reply)
                held.leave()
            if number % POLLS_A_TURN == 0:
                await asyncio.sleep(0)

    def _let_go(self, held: Held) -> None:
        self._stop_listening(held)
        self._node.registry.let_go(held.grant.tenant, held.grant.user)
        self._forget(held.grant.client, held)

    def _forget(self, client: str, poll: Waiter | Held) -> None:
        if self._held.get(client) is poll:
            del self._held[client]
        if self._nobody is not None and not self._held:
            self._nobody.set()

    def _stop_listening(self, held: Held) -> None:
        for live in held.lives:
            self._node.channels.stop_listening(live, held)

    async def _hold(self, grant: Grant, waiter: Waiter, hold_seconds: float) -> None:
        """Wait until something is new or a newer poll of this client comes."""
        if self._draining:
            return
        node = self._node
        if before := self._held.get(grant.client):
            before.release()
        if (
            grant.user
            and node.registry.count(grant.tenant, grant.user) >= node.settings.max_connections_per_user
        ):
            raise TooMany("this user has too many connections; close some", retry_after_seconds=5)
        self._held[grant.client] = waiter
        node.registry.hold(grant.tenant, grant.user)
        try:
            async with asyncio.timeout(hold_seconds):
                await waiter.woken.wait()
            if self._held.get(grant.client) is waiter and not self._draining:
                await asyncio.sleep(LINGER_SECONDS)
        except TimeoutError:
            pass
        finally:
            node.registry.let_go(grant.tenant, grant.user)
            self._forget(grant.client, waiter)

    async def _places(self, lives: list[LiveChannel], given: dict[str, Cursor]) -> dict[str, Cursor]:
        """Return where the poll stands in each channel; a new one at its top."""
        return {
            live.name: given.get(live.name) or await self._node.log.top(live.tenant, live.name)
            for live in lives
        }

    async def _collect(
        self, lives: list[LiveChannel], places: dict[str, Cursor], reply: PollReply, limit: int
    ) -> None:
        """Read on in every channel, and move the places."""
        for live in lives:
            room = limit - len(reply.publications)
            if room <= 0:
                return
            try:
                found = await self._node.log.after(live.tenant, live.name, places[live.name], room)
            except CursorLost:
                reply.gaps.append(live.name)
                places[live.name] = await self._node.log.top(live.tenant, live.name)
                continue
            if found.publications:
                places[live.name] = Cursor(found.epoch, found.publications[-1].offset)
                reply.publications += [(live.name, entry) for entry in found.publications]

    async def _claims(self, tenant: TenantId, token: str) -> ConnectionClaims:
        if token:
            return await self._node.tokens.verify_connection(tenant, token)
        settings = self._node.settings
        if settings.insecure or settings.allow_anonymous_connect_without_token:
            return ConnectionClaims(UserId(""))
        raise Unauthenticated("a poll needs a token, or a grant that covers its channels", param="token")

    async def _check(self, tenant: TenantId, user: UserId, asked: Asked) -> float:
        """Return until when this user may read this channel.

        Raises:
            NotFound: no such namespace.
            Refused: no permission.
            Forbidden: the subscription token is not valid.
        """
        options = self._node.namespaces.options(asked.channel)
        if not asked.token:
            check_subscribe(asked.channel, options, user)
            return float("inf")
        try:
            claims = await self._node.tokens.verify_subscription(tenant, asked.token)
        except Unauthenticated as error:
            raise Forbidden(f"{asked.channel}: {error.message}", param="channels") from error
        if claims.channel != asked.channel or claims.user != user:
            raise Forbidden(f"{asked.channel}: the token is for another channel or user", param="channels")
        check_reserved(asked.channel, user)
        return claims.expires_at.timestamp() if claims.expires_at else float("inf")
