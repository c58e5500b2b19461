"""Web Push against a push service that decrypts per RFC 8291 and checks VAPID."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import http_ece
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from chatpush.channels.outgoing import Outgoing, checked_url, is_public
from chatpush.channels.web_push import WebPush, checked_subscription, subscription_text
from chatpush.domain import Category, Content
from chatpush.errors import Forbidden, InvalidInput, NotFound, Unavailable
from tests.channels.peers import Receiver, message, receiving


class Browser:
    """Holds a subscription's private half."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = secrets.token_bytes(16)

    def subscribed(self, endpoint: str) -> dict[str, Any]:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": endpoint, "keys": {"p256dh": text(point), "auth": text(self.auth)}}

    def subscription(self, endpoint: str) -> str:
        return subscription_text(self.subscribed(endpoint))

    def read(self, body: bytes) -> dict[str, Any]:
        opened = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        found: dict[str, Any] = json.loads(opened)
        return found


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
async def service() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[WebPush]:
    outgoing = Outgoing(allow_private=True, seconds=5)
    yield WebPush(tmp_path / "vapid.pem", "mailto:ops@example.com", outgoing)
    await outgoing.close()


async def test_the_browser_reads_what_was_sent(channel: WebPush, service: Receiver) -> None:
    browser = Browser()
    sent = message(priority="high", ttl_seconds=3600, collapse_key="order:7")
    await channel.send(sent, browser.subscription(service.url))
    (heard,) = service.heard
    assert browser.read(heard.body)["title"] == "Shipped"
    assert b"Shipped" not in heard.body
    assert (heard.headers["ttl"], heard.headers["urgency"]) == ("3600", "high")
    assert len(heard.headers["topic"]) == 32
    scheme, _, parameters = heard.headers["authorization"].partition(" ")
    assert scheme == "vapid"
    assert Vapid02.verify(heard.headers["authorization"])
    named = dict(part.strip().split("=", 1) for part in parameters.split(","))
    assert named["k"] == channel.public_key


async def test_a_ttl_is_always_set_and_marketing_is_not_urgent(channel: WebPush, service: Receiver) -> None:
    await channel.send(message(category=Category.MARKETING), Browser().subscription(service.url))
    assert service.heard[0].headers["ttl"] == "2419200"
    assert service.heard[0].headers["urgency"] == "low"
    assert "topic" not in service.heard[0].headers


async def test_long_texts_fit_a_push(channel: WebPush, service: Receiver) -> None:
    browser = Browser()
    await channel.send(message(content=Content("长" * 500, "文" * 9000)), browser.subscription(service.url))
    assert len(service.heard[0].body) <= 4096
    assert browser.read(service.heard[0].body)["body"].endswith("…")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFound),
        (410, NotFound),
        (429, Unavailable),
        (503, Unavailable),
        (413, InvalidInput),
        (302, InvalidInput),
    ],
)
async def test_answers_mean_what_they_mean(
    channel: WebPush, service: Receiver, status: int, kind: type[Exception]
) -> None:
    service.answers = [lambda: web.Response(status=status, headers={"Location": "http://127.0.0.1/"})]
    with pytest.raises(kind):
        await channel.send(message(), Browser().subscription(service.url))
    assert len(service.heard) == 1


async def test_a_service_that_hangs_up_is_unavailable(channel: WebPush, service: Receiver) -> None:
    service.answers = [ConnectionResetError]
    with pytest.raises(Unavailable):
        await channel.send(message(), Browser().subscription(service.url))


def test_the_key_pair_stays(tmp_path: Path) -> None:
    outgoing = Outgoing()
    first = WebPush(tmp_path / "vapid.pem", "mailto:a@b.c", outgoing)
    second = WebPush(tmp_path / "vapid.pem", "mailto:a@b.c", outgoing)
    assert first.public_key == second.public_key
    assert (tmp_path / "vapid.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "wrong", ["", "[]", "{}", '{"endpoint":"https://x","keys":{"p256dh":"AA","auth":"AA"}}']
)
def test_what_is_no_subscription_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput):
        checked_subscription(wrong)


async def test_subscriptions_into_our_own_network_are_refused(tmp_path: Path) -> None:
    outgoing = Outgoing()
    with pytest.raises(Forbidden):
        checked_subscription(Browser().subscription("https://127.0.0.1/x"))
    with pytest.raises(OSError, match="no public address"):
        await outgoing.post("https://localhost/x", b"", {})
    await outgoing.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
        "2002:7f00:1::", "fe80::1%eth0", "0.0.0.0", "100.64.0.1", "224.0.0.1", "x",
    ],
)  # fmt: skip
def test_private_addresses_are_known(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_known() -> None:
    assert is_public("8.8.8.8")
    assert is_public("2606:4700::1")
    for url in (
        "ftp://x",
        "https://u:p@x.example",
        "https://",
        "http://x.example",
        "https://x:0/",
        "https://[::1",
    ):
        with pytest.raises(InvalidInput):
            checked_url(url)
