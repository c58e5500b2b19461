"""The hot requests: publishing, polling again, opening a WebSocket. What they can't answer is aiohttp's, see ``front``.

A poll that waits here is a few small objects: no task, no request, no parser.
When it comes again, mostly the same bytes with the cursor it was given, it is
known by these bytes.
"""

import re
import struct
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, TenantId
from chatpush.errors import ChatpushError, Unauthenticated
from chatpush.realtime.hub import Hub
from chatpush.realtime.polls.admission import Asked
from chatpush.realtime.polls.answers import Answer, own_part
from chatpush.realtime.polls.grants import Grant
from chatpush.settings import Client
from chatpush.web.realtime_api.server_api import ServerApi
from chatpush.web.transports import poll, websocket
from chatpush.web.transports.front import Found, Front, Gone, Handler
from chatpush.web.transports.plain_requests import Head, Hot, head, next_id, response
from chatpush.web.transports.websocket import Consent, Handshake, Sockets

BearerOfKey = Callable[[str], Awaitable[Identity]]
Asking = tuple[Consent | None, str | None]
NOBODY = Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)
OPENING = (b"upgrade", b"connection", b"sec-websocket-version", b"sec-websocket-protocol")
PLAIN_KEY = re.compile(rb"[0-9A-Za-z_]+")
NO_STORE = b"Cache-Control: no-store\r\n"
ZIPPED = b"Content-Encoding: gzip\r\n"
# RFC 1952: deflate, no flags, no time, fastest, unknown system.
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
LARGEST_STORED = 0xFFFF
# Longer requests are not remembered.
LONGEST_MEMORY = 4096


class HotRequests:
    """Answers publishes and polls in front of aiohttp."""

    def __init__(
        self,
        hub: Hub,
        api: ServerApi,
        settings: Client,
        sockets: Sockets | None = None,
        bearer_of_key: BearerOfKey | None = None,
    ) -> None:
        self._hub = hub
        self._api = api
        self._settings = settings
        self._sockets = sockets
        self._bearer_of_key = bearer_of_key

    def handlers(self) -> dict[bytes, Handler]:
        """Return the handlers by method and path."""
        return {
            b"POST /api/publish": self._publish,
            b"POST /api/batch": self._batch,
            f"POST {poll.PATH}".encode(): self._poll,
            f"GET {websocket.PATH}".encode(): self._websocket,
        }

    def _publish(self, request: Hot, _front: Front) -> Found | Coroutine[Any, Any, Found]:
        found = self._api.publish_at_once(request.head.headers.get(b"x-api-key", b""), request.body)
        if found is None:
            return self._published("publish", request)
        return response(found) if isinstance(found, bytes) else self._later(found)

    async def _later(self, reply: Awaitable[bytes]) -> bytes:
        return response(await reply)

    def _batch(self, request: Hot, _front: Front) -> Coroutine[Any, Any, Found]:
        return self._published("batch", request)

    async def _published(self, method: str, request: Hot) -> bytes | None:
        key = request.head.headers.get(b"x-api-key", b"")
        if not key:
            return None
        reply = await self._api.answer(key.decode("latin-1"), method, request.body)
        return None if reply is None else response(reply)

    def _websocket(self, request: Hot, front: Front) -> Found | Coroutine[Any, Any, Found]:
        head = request.head
        asked: Asking = head.memo or _asking(head)
        consent, key = asked
        if consent is None or key is None or self._hub.full() or self._cross(head.headers) is None:
            return None
        handshake = consent.answer_to(request.key or head.headers.get(b"sec-websocket-key", b""))
        if handshake is None:
            return None
        if key:
            return self._websocket_of_key(key, handshake, front)
        return self._open(DEFAULT_TENANT, handshake, front)

    async def _websocket_of_key(self, key: str, handshake: Handshake, front: Front) -> Found:
        try:
            bearer = await self._bearer(key)
        except ChatpushError:
            return None
        return self._open(bearer.tenant, handshake, front)

    def _open(self, tenant: TenantId, handshake: Handshake, front: Front) -> Found:
        if self._sockets is None:
            return None
        self._sockets.begin(tenant, handshake, front.take_over)
        return Gone()

    def _poll(self, request: Hot, front: Front) -> Found | Coroutine[Any, Any, Found]:
        cross, key = self._cross(request.head.headers), _key(request.head)
        if cross is None or key is None or self._hub.full():
            return None
        try:
            asked = poll.read_body(request.body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return None
        if not key and (visitor := self._known(DEFAULT_TENANT, request, front, cross, asked)) is not None:
            return visitor
        return self._looked_at(key, request, front, cross, asked)

    def _known(
        self, tenant: TenantId, request: Hot, front: Front, cross: bytes, asked: poll.PollIn
    ) -> "Visitor | None":
        """Return a visitor that waits already, if its grant and its cursor are all it needs."""
        if not asked.grant or not asked.cursor:
            return None
        names = [one.channel for one in asked.channels]
        grant = self._hub.polling.admission.known(tenant, asked.grant, names)
        if grant is None:
            return None
        visitor = Visitor(self._hub, front, request, cross, grant, asked.grant)
        try:
            return visitor if visitor.waits(asked) else None
        except ChatpushError:
            return None

    async def _looked_at(
        self, key: str, request: Hot, front: Front, cross: bytes, asked: poll.PollIn
    ) -> Found:
        """Answer a poll that needs more than memory: its key and tokens checked, its place looked up."""
        if not asked.token:
            asked.token = _bearer(request.head.headers.get(b"authorization", b""))
        channels = [Asked(one.channel, one.token) for one in asked.channels]
        polling = self._hub.polling
        try:
            bearer = await self._bearer(key)
            tenant = bearer.tenant
            if key and (visitor := self._known(tenant, request, front, cross, asked)) is not None:
                return visitor
            grant = await polling.admission.authorise(
                tenant, asked.token, asked.grant, channels, key=bearer.subject
            )
            visitor = Visitor(self._hub, front, request, cross, grant, polling.grants.sign(grant))
            if visitor.waits(asked):
                return visitor
            return visitor.response(await polling.poll(grant, poll.asking(polling, asked)))
        except ChatpushError:
            return None

    async def _bearer(self, key: str) -> Identity:
        """Return whom a publishable key stands for.

        Raises:
            Unauthenticated: the key is unknown or revoked.
        """
        if key and self._bearer_of_key is None:
            raise Unauthenticated("there are no keys here")
        return await self._bearer_of_key(key) if self._bearer_of_key is not None else NOBODY

    def _cross(self, headers: dict[bytes, bytes]) -> bytes | None:
        """Return the headers that let an allowed origin's page read the answer; None for other pages."""
        origin = headers.get(b"origin", b"")
        if not origin:
            return b""
        allowed = self._settings.allowed_origins
        if "*" not in allowed and origin.decode("latin-1") not in allowed:
            own = origin.lower() in (b"http://" + headers[b"host"], b"https://" + headers[b"host"])
            return b"" if own else None
        return (
            b"Access-Control-Allow-Origin: " + origin + b"\r\nVary: Origin\r\n"
            b"Access-Control-Expose-Headers: X-Request-Id, Retry-After\r\n"
        )


class Visitor:
    """A client that polls again and again on one connection."""

    __slots__ = ("_after", "_before", "_front", "_headers", "_id", "_polling", "_tail", "_zip", "poll")

    def __init__(self, hub: Hub, front: Front, request: Hot, cross: bytes, grant: Grant, text: str) -> None:
        self._front = front
        self._polling = hub.polling
        self.poll = self._polling.new(grant, self)
        self._headers = cross + b"\r\n"
        self._id = next_id()
        self._tail = own_part(grant, text)
        self._zip = b"gzip" in request.head.headers.get(b"accept-encoding", b"")
        # What its requests say before and after the cursor.
        self._before = request.whole
        self._after = b""

    def waits(self, asked: poll.PollIn) -> bool:
        """Begin to wait if there is anything to wait for; the answer comes later."""
        if not self._polling.ask(self.poll, poll.asking(self._polling, asked)):
            return False
        before, mark, after = self._before.partition(b'"' + asked.cursor.encode() + b'"')
        memorable = mark and mark not in after and len(self._before) <= LONGEST_MEMORY
        self._before, self._after = (before + b'"', b'"' + after) if memorable else (b"", b"")
        return True

    def again(self, request: bytes) -> bool:
        """Wait again, if this is the same request with the cursor of the last answer."""
        before, after, answer = self._before, self._after, self.poll.answer
        if answer is None or not before or not request.startswith(before) or not request.endswith(after):
            return False
        return request[len(before) : -len(after)] == answer.cursor and self._polling.again(self.poll)

    def leave(self) -> None:
        """The connection is gone."""
        self._polling.leave(self.poll)

    def poll_over(self, answer: Answer) -> None:
        self._front.answer(self.response(answer))

    def response(self, answer: Answer) -> bytes:
        """Return the whole response."""
        body, tail = answer.body, self._tail
        length = len(body) + len(tail)
        if self._zip and length > poll.WORTH_COMPRESSING_BYTES and len(tail) <= LARGEST_STORED:
            return self._zipped(answer)
        begin = answer.forms.get(length)
        if begin is None:
            begin = answer.forms[length] = head(length, NO_STORE)
        return b"".join((begin, self._id, self._headers, body, tail))

    def _zipped(self, answer: Answer) -> bytes:
        """Return the response compressed: the part that all share once for all, the own part stored behind it."""
        body, tail = answer.body, self._tail
        packed = answer.forms.get(0)
        if packed is None:
            deflate = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
            packed = GZIP_HEAD + deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH)
            answer.forms[0] = packed
        size = len(tail)
        stored = b"\x01" + struct.pack("<HH", size, size ^ LARGEST_STORED)
        check = struct.pack("<II", zlib.crc32(tail, zlib.crc32(body)), (len(body) + size) & 0xFFFFFFFF)
        length = len(packed) + len(stored) + size + len(check)
        begin = head(length, NO_STORE)
        return b"".join((begin, self._id, ZIPPED, self._headers, packed, stored, tail, check))


def _asking(head: Head) -> Asking:
    """Return how a request for a WebSocket is answered and its publishable key, and note that in its head."""
    headers = head.headers
    consent = websocket.consent_to(*(headers.get(name, b"").decode("latin-1") for name in OPENING))
    head.memo = asked = (consent, _key(head))
    return asked


def _key(head: Head) -> str | None:
    """Return the publishable key of a request, "" without one; None if that is not plain to see."""
    key = head.headers.get(b"x-chatpush-key", b"")
    if not head.query:
        return key.decode("latin-1")
    name, _, value = head.query.partition(b"=")
    return value.decode() if name == b"key" and not key and PLAIN_KEY.fullmatch(value) else None


def _bearer(authorization: bytes) -> str:
    scheme, _, credentials = authorization.decode("latin-1").partition(" ")
    return credentials.strip() if scheme == "Bearer" else ""
