"""The hot requests: publishing, and polling again. What they can't answer is aiohttp's, see ``front``.

A poll that waits here is two small objects: no task, no request, no parser.
"""

import gzip

import msgspec

from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import ChatpushError
from chatpush.realtime.hub import Hub
from chatpush.realtime.polling import Asked, PollReply
from chatpush.settings import Client
from chatpush.web import poll
from chatpush.web.front import Front, Handler, Hot, Pending, response
from chatpush.web.server_api import ServerApi

NO_STORE = b"Cache-Control: no-store\r\n"
ZIPPED = b"Content-Encoding: gzip\r\n"


class HotRequests:
    """Answers publishes and polls in front of aiohttp."""

    def __init__(self, hub: Hub, api: ServerApi, settings: Client) -> None:
        self._hub = hub
        self._api = api
        self._settings = settings

    def handlers(self) -> dict[bytes, Handler]:
        """Return the handlers by request line."""
        return {b"POST /api/publish": self._publish, f"POST {poll.PATH}".encode(): self._poll}

    async def _publish(self, request: Hot, _front: Front) -> bytes | None:
        key = request.headers.get(b"x-api-key", b"")
        if not key:
            return None
        reply = await self._api.answer(key.decode("latin-1"), "publish", request.body)
        return None if reply is None else response(reply)

    async def _poll(self, request: Hot, front: Front) -> bytes | Pending | None:
        cross = self._cross(request.headers.get(b"origin", b""))
        if cross is None or b"x-chatpush-key" in request.headers or self._hub.full():
            return None
        try:
            asked = poll.read_body(request.body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return None
        reader = Reader(front, cross + NO_STORE, b"gzip" in request.headers.get(b"accept-encoding", b""))
        names = [one.channel for one in asked.channels]
        polling = self._hub.polling
        try:
            if not asked.grant or not asked.cursor:
                token = asked.token or _bearer(request.headers.get(b"authorization", b""))
                channels = [Asked(one.channel, one.token) for one in asked.channels]
                grant = await polling.authorise(DEFAULT_TENANT, token, asked.grant, channels)
                if not asked.cursor:
                    return reader.response(await polling.poll(grant, channels, "", asked.limit, 0.0))
                asked.grant = polling.sign(grant)
        except ChatpushError:
            return None
        found = await polling.again(
            DEFAULT_TENANT, asked.grant, names, asked.cursor, asked.limit, poll.hold_seconds(asked), reader
        )
        return reader.response(found) if isinstance(found, PollReply) else found

    def _cross(self, origin: bytes) -> bytes | None:
        """Return the headers that let an allowed origin's page read the answer; None for other pages."""
        if not origin:
            return b""
        allowed = self._settings.allowed_origins
        if "*" not in allowed and origin.decode("latin-1") not in allowed:
            return None
        return (
            b"Access-Control-Allow-Origin: " + origin + b"\r\nVary: Origin\r\n"
            b"Access-Control-Expose-Headers: X-Request-Id, Retry-After\r\n"
        )


class Reader:
    """Brings the answer of a held poll to its client."""

    __slots__ = ("_front", "_headers", "_zip")

    def __init__(self, front: Front, headers: bytes, zipped: bool) -> None:
        self._front = front
        self._headers = headers
        self._zip = zipped

    def poll_over(self, reply: PollReply) -> None:
        self._front.answer(self.response(reply))

    def response(self, reply: PollReply) -> bytes:
        """Return the whole response."""
        body = poll.body_of(reply)
        if self._zip and len(body) > poll.WORTH_COMPRESSING_BYTES:
            return response(gzip.compress(body, 1, mtime=0), self._headers + ZIPPED)
        return response(body, self._headers)


def _bearer(authorization: bytes) -> str:
    scheme, _, credentials = authorization.decode("latin-1").partition(" ")
    return credentials.strip() if scheme == "Bearer" else ""
