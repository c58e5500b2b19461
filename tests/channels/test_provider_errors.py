"""What every provider can do wrong below HTTP is the same for each channel: try again later."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chatpush.channel_settings import Email as EmailSettings
from chatpush.channels.apns import Apns
from chatpush.channels.email import Email
from chatpush.channels.fcm import Fcm
from chatpush.channels.outgoing import Outgoing
from chatpush.channels.provider_tokens import AppleKey, ServiceAccount
from chatpush.channels.web_push import WebPush
from chatpush.domain import Category, TenantId, UserId
from chatpush.errors import Unavailable
from tests.channels.apple import self_signed, signing_key
from tests.channels.google import googling
from tests.channels.peers import hanging, message
from tests.channels.test_web_push import Browser
from tests.clocks import StillClock
from tests.servers import free_port

Send = Callable[[int, str], Awaitable[object]]
"""Sends to a port, by http or https."""


@asynccontextmanager
async def sender(channel: str, directory: Path, clock: StillClock) -> AsyncIterator[Send]:
    """Yield what sends by a channel that has half a second of patience."""
    outgoing = Outgoing(allow_private=True, seconds=0.5)
    async with googling(directory / "account.json", lambda: clock.now().timestamp()):
        account = ServiceAccount(directory / "account.json", outgoing, clock)
        signing_key(directory / "key.p8")
        apple = AppleKey(directory / "key.p8", "K", "T", clock)
        push = WebPush(directory / "vapid.pem", "mailto:a@b.c", outgoing)

        async def send(port: int, scheme: str) -> object:
            url = f"{scheme}://localhost:{port}"
            if channel == "webpush":
                return await push.send(message(), Browser().subscription(f"{url}/x"))
            if channel == "fcm":
                return await Fcm(account, url, outgoing, clock).send(message(), "token")
            if channel == "email":
                settings = EmailSettings(host="localhost", port=port, security="tls", sender="a@b.c")
                return await Email(settings, clock, no_link, seconds=0.5).send(message(), "e@x.example")
            apns = Apns(apple, "topic", url, clock, seconds=0.5)
            try:
                return await apns.send(message(), "ab" * 32)
            finally:
                await apns.close()

        try:
            yield send
        finally:
            await outgoing.close()


async def no_link(tenant: TenantId, user: UserId, category: Category, channel: str) -> str:
    return ""


@pytest.fixture(params=["webpush", "fcm", "apns", "email"])
async def send(
    request: pytest.FixtureRequest, tmp_path: Path, still_clock: StillClock
) -> AsyncIterator[Send]:
    async with sender(request.param, tmp_path, still_clock) as sending:
        yield sending


async def test_nobody_there(send: Send) -> None:
    with pytest.raises(Unavailable):
        await send(free_port(), "http")


async def test_a_server_that_never_answers(send: Send) -> None:
    async with hanging() as port:
        with pytest.raises(Unavailable):
            await send(port, "http")


async def test_a_certificate_nobody_trusts(send: Send, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    context.set_alpn_protocols(["h2", "http/1.1"])
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hear)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        with pytest.raises(Unavailable):
            await send(server.port or 0, "https")
    finally:
        await server.close()
    assert heard == []


async def test_a_server_that_speaks_in_the_clear_where_tls_is_due(send: Send) -> None:
    async with TestServer(web.Application()) as server:
        with pytest.raises(Unavailable):
            await send(server.port or 0, "https")
