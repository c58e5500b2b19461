"""The transport ``/connection/poll``: ask again with the cursor you were given.

``POST`` with a JSON body, or ``GET`` with the same names as a query (channels
as ``channel=…`` repeated, each with its ``channel_token=…`` and ``channel_tf=…``
in the same order if it has them). A poll whose channels all have a place on the cursor is held
until something is new; otherwise it answers at once. Errors are problems, as
everywhere; an expired grant has the code ``grant_expired``.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import zip_longest
from typing import Annotated

import msgspec
from aiohttp import web

from chatpush.domain import Identity
from chatpush.errors import InvalidInput, Unavailable
from chatpush.realtime.hub import Hub
from chatpush.realtime.polls.admission import Asked
from chatpush.realtime.polls.answers import own_part
from chatpush.realtime.polls.polling import Polling
from chatpush.realtime.polls.wanting import Asking
from chatpush.realtime.protocol.frames import FilterNode
from chatpush.settings import Client
from chatpush.web.http.origins import check_origin

BearerOf = Callable[[web.Request], Awaitable[Identity]]
PATH = "/connection/poll"
# Proxies cut silent requests after 60 s or so; by chance, so that crowds spread.
SHORTEST_HOLD_SECONDS = 25.0
LONGEST_HOLD_SECONDS = 55.0
LOOK_SECONDS = 2.0
WORTH_COMPRESSING_BYTES = 1024


class ChannelIn(msgspec.Struct):
    """A channel to poll, with its subscription token if it needs one, and what is wanted of it."""

    channel: str
    token: str = ""
    tf: FilterNode | None = None


class PollIn(msgspec.Struct):
    """What a poll asks."""

    token: str = ""
    channels: list[ChannelIn] = []
    cursor: str = ""
    grant: str = ""
    timeout: Annotated[float, msgspec.Meta(ge=0, le=3600)] = LONGEST_HOLD_SECONDS
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


_body = msgspec.json.Decoder(PollIn)
_filter = msgspec.json.Decoder(FilterNode)


def add_routes(app: web.Application, hub: Hub, settings: Client, bearer_of: BearerOf) -> None:
    """Serve long-polls; ``bearer_of(request)`` reads the publishable key.

    Errors are raised as ``ChatpushError``; the app's middleware turns them into
    problems and answers CORS.
    """
    polls = Polls(hub, settings, bearer_of)
    app.router.add_post(PATH, polls.handle)
    app.router.add_get(PATH, polls.handle)


class Polls:
    """Reads a poll's request, waits for the hub, writes the reply."""

    def __init__(self, hub: Hub, settings: Client, bearer_of: BearerOf) -> None:
        self._hub = hub
        self._settings = settings
        self._bearer_of = bearer_of

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one poll."""
        check_origin(request, self._settings.allowed_origins)
        bearer = await self._bearer_of(request)
        asked = await self._read(request)
        if self._hub.full():
            raise Unavailable(
                "too many connections here; come back in a moment", retry_after_seconds=random.randint(1, 10)
            )
        channels = [Asked(one.channel, one.token) for one in asked.channels]
        polling = self._hub.polling
        grant = await polling.admission.authorise(
            bearer.tenant, asked.token, asked.grant, channels, key=bearer.subject
        )
        poll = asyncio.ensure_future(polling.poll(grant, asking(polling, asked)))
        try:
            while not poll.done() and request.transport is not None:
                # aiohttp does not tell a handler that its client is gone.
                await asyncio.wait((poll,), timeout=LOOK_SECONDS)
            if not poll.done():
                return web.Response(status=499)
            return _response((await poll).body + own_part(grant, polling.grants.sign(grant)))
        finally:
            poll.cancel()
            await asyncio.gather(poll, return_exceptions=True)

    async def _read(self, request: web.Request) -> PollIn:
        """Return what a request asks, from its body or its query.

        Raises:
            InvalidInput: neither is a poll.
        """
        try:
            asked = _body.decode(await request.read()) if request.method == "POST" else _of_query(request)
        except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError) as error:
            raise InvalidInput(f"this is no poll: {error}") from error
        authorization = request.headers.get("Authorization", "")
        if not asked.token and authorization.startswith("Bearer "):
            asked.token = authorization.removeprefix("Bearer ").strip()
        return asked


def _of_query(request: web.Request) -> PollIn:
    query = request.query
    names: Sequence[str] = query.getall("channel", [])
    tokens: Sequence[str] = query.getall("channel_token", [])
    filters: Sequence[str] = query.getall("channel_tf", [])
    given = {name: query[name] for name in ("token", "cursor", "grant", "timeout", "limit") if name in query}
    asked = msgspec.convert(given, PollIn, strict=False)
    for name, token, tf in zip_longest(names, tokens[: len(names)], filters[: len(names)], fillvalue=""):
        asked.channels.append(ChannelIn(name, token, _filter.decode(tf) if tf else None))
    return asked


def asking(polling: Polling, asked: PollIn) -> Asking:
    """Return what a poll asks, held for a time by chance, so that crowds spread; raises as ``Polling.wanted`` does."""
    hold = min(asked.timeout, random.uniform(SHORTEST_HOLD_SECONDS, LONGEST_HOLD_SECONDS))
    filters = {one.channel: one.tf for one in asked.channels if one.tf is not None}
    names = tuple(one.channel for one in asked.channels)
    return Asking(names, asked.cursor, asked.limit, hold, polling.wanted(filters))


def read_body(body: bytes) -> PollIn:
    """Return what a poll's body asks.

    Raises:
        MsgspecError: it is no poll.
    """
    return _body.decode(body)


def _response(body: bytes) -> web.Response:
    response = web.Response(body=body, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    if len(body) > WORTH_COMPRESSING_BYTES:
        response.enable_compression()
    return response
