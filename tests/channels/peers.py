"""Real peers on loopback: a web receiver that answers as told, and a mail server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP, Envelope, Session

from chatpush.domain import (
    DEFAULT_TENANT,
    Category,
    Content,
    DeliveryId,
    MessageId,
    OutgoingMessage,
    User,
    UserId,
)


@dataclass(slots=True)
class Heard:
    """One request a receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """A web server that remembers, and answers what ``answers`` says, in turn, then 204."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: list[Callable[[], Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append(Heard(request.path, headers, await request.read()))
        if self.answers:
            answer = self.answers.pop(0)()
            if isinstance(answer, Exception):
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            made: web.StreamResponse = answer
            return made
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Yield a receiver on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


@asynccontextmanager
async def hanging() -> AsyncIterator[int]:
    """Yield the port of a server that takes connections and never says a word."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class MailServer:
    """Keeps letters; refuses as told."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.refuse_recipient = ""
        self.refuse_data = ""

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        self.letters.append(envelope)
        return "250 kept as 17"


@asynccontextmanager
async def mailing() -> AsyncIterator[tuple[MailServer, int]]:
    """Yield a mail server and its port."""
    handler, loop = MailServer(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    try:
        yield handler, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def message(**more: Any) -> OutgoingMessage:
    """Return a message to emma."""
    given: dict[str, Any] = {
        "tenant": DEFAULT_TENANT,
        "message": MessageId("msg_1"),
        "delivery": DeliveryId("dlv_1"),
        "user": User(DEFAULT_TENANT, UserId("emma")),
        "category": Category.TRANSACTIONAL,
        "template": "",
        "content": Content("Shipped", "Your lantern is on its way.\nSee you", url="https://shop.example/7"),
    }
    return OutgoingMessage(**(given | more))
