"""APNs against an Apple that speaks HTTP/2 over TLS and verifies provider tokens."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatpush.channels.apns import Apns, payload
from chatpush.channels.provider_tokens import AppleKey
from chatpush.domain import Category, Content
from chatpush.errors import InvalidInput, InvalidSettings, NotFound, Unavailable
from tests.channels.apple import Answer, Apple, apple_pushing, self_signed, signing_key
from tests.channels.peers import message
from tests.clocks import StillClock
from tests.serving import serving
from tests.waiting import until

DEVICE = "ab" * 32


@asynccontextmanager
async def reaching(directory: Path, clock: StillClock, **options: Any) -> AsyncIterator[tuple[Apns, Apple]]:
    """Yield the channel and Apple."""
    file = directory / "AuthKey.p8"
    now = lambda: clock.now().timestamp()  # noqa: E731
    async with apple_pushing(signing_key(file), directory, now, **options) as (apple, trust):
        key = AppleKey(file, "KEY1234567", "TEAM123456", clock)
        channel = Apns(key, "com.example.shop", apple.url, clock, trust=trust)
        try:
            yield channel, apple
        finally:
            await channel.close()


@pytest.fixture
async def pair(tmp_path: Path, still_clock: StillClock) -> AsyncIterator[tuple[Apns, Apple]]:
    async with reaching(tmp_path, still_clock) as both:
        yield both


async def test_ttl_priority_and_collapse_key_are_mapped(
    pair: tuple[Apns, Apple], still_clock: StillClock
) -> None:
    channel, apple = pair
    sent = await channel.send(
        message(priority="high", ttl_seconds=3600, collapse_key="order:7", badge=3), DEVICE
    )
    (got,) = apple.pushes
    assert got.device == DEVICE
    assert got.headers["apns-id"] == sent.reference
    assert got.headers["apns-expiration"] == str(int(still_clock.now().timestamp()) + 3600)
    assert (got.headers["apns-priority"], got.headers["apns-push-type"]) == ("10", "alert")
    assert len(got.headers["apns-collapse-id"]) == 32
    assert got.body["aps"]["alert"]["title"] == "Shipped"
    assert got.body["aps"]["badge"] == 3
    assert got.body["chatpush"]["url"] == "https://shop.example/7"


async def test_marketing_waits_for_battery_and_a_silent_push_shows_nothing(pair: tuple[Apns, Apple]) -> None:
    channel, apple = pair
    await channel.send(message(category=Category.MARKETING, ttl_seconds=0), DEVICE)
    await channel.send(message(silent=True, content=Content("", "", data={"refresh": 1})), DEVICE)
    marketing, silent = apple.pushes
    assert (marketing.headers["apns-priority"], marketing.headers["apns-expiration"]) == ("5", "0")
    assert marketing.body["aps"]["interruption-level"] == "passive"
    assert silent.headers["apns-push-type"] == "background"
    assert silent.body["aps"] == {"content-available": 1}
    assert silent.body["chatpush"]["data"] == {"refresh": 1}


async def test_many_pushes_share_one_connection_and_one_token(pair: tuple[Apns, Apple]) -> None:
    channel, apple = pair
    await channel.send(message(), DEVICE)
    apple.held = asyncio.Event()
    sending = [asyncio.create_task(channel.send(message(), DEVICE)) for _ in range(20)]
    await until(lambda: apple.most_at_once >= 20)
    apple.held.set()
    await asyncio.gather(*sending)
    assert {one.connection for one in apple.pushes} == {1}
    assert len({one.headers["authorization"] for one in apple.pushes}) == 1


async def test_a_token_is_renewed_within_the_hour(pair: tuple[Apns, Apple], still_clock: StillClock) -> None:
    channel, apple = pair
    for _ in range(4):
        await channel.send(message(), DEVICE)
        still_clock.forward(timedelta(minutes=26))
    assert len({one.headers["authorization"] for one in apple.pushes}) == 2


async def test_an_expired_token_is_renewed_once_and_never_too_often(
    pair: tuple[Apns, Apple], still_clock: StillClock
) -> None:
    channel, apple = pair
    await channel.send(message(), DEVICE)
    first = apple.pushes[0].headers["authorization"].removeprefix("bearer ")
    apple.stale.add(first)
    with pytest.raises(Unavailable, match="ExpiredProviderToken"):
        await channel.send(message(), DEVICE)
    still_clock.forward(timedelta(minutes=21))
    await channel.send(message(), DEVICE)
    assert len(apple.pushes) == 2


async def test_answers_mean_what_they_mean(pair: tuple[Apns, Apple]) -> None:
    channel, apple = pair
    said = [
        (Answer(400, "BadDeviceToken"), InvalidInput, "is channels.apns.endpoint the right one"),
        (Answer(410, "Unregistered"), NotFound, "410"),
        (Answer(410, "ExpiredToken"), NotFound, "410"),
        (Answer(400, "DeviceTokenNotForTopic"), InvalidInput, "DeviceTokenNotForTopic"),
        (Answer(413, "PayloadTooLarge"), InvalidInput, "413"),
        (Answer(403, "InvalidProviderToken"), Unavailable, "403"),
        (Answer(429, "TooManyRequests", retry_after="7"), Unavailable, "429"),
        (Answer(503, "Shutdown"), Unavailable, "503"),
        (Answer(500, ""), Unavailable, "500"),
        (Answer(302, ""), InvalidInput, "302"),
    ]
    for answer, kind, words in said:
        apple.answers = [answer]
        with pytest.raises(kind, match=words):
            await channel.send(message(), DEVICE)
    await channel.send(message(), DEVICE)
    apple.answers = [Answer(400, "BadDeviceToken")]
    with pytest.raises(NotFound):
        await channel.send(message(), DEVICE)


async def test_retry_after_is_handed_on(pair: tuple[Apns, Apple]) -> None:
    channel, apple = pair
    apple.answers = [Answer(429, "TooManyRequests", retry_after="7")]
    with pytest.raises(Unavailable) as raised:
        await channel.send(message(), DEVICE)
    assert raised.value.retry_after_seconds == 7


async def test_a_connection_that_ends_is_replaced(pair: tuple[Apns, Apple]) -> None:
    channel, apple = pair
    apple.answers = [Answer(hang_up=True)]
    with pytest.raises(Unavailable, match="can't be reached"):
        await channel.send(message(), DEVICE)
    await channel.send(message(), DEVICE)
    apple.answers = [Answer(go_away=True)]
    await channel.send(message(), DEVICE)
    await channel.send(message(), DEVICE)
    assert [one.connection for one in apple.pushes] == [2, 2, 3]


async def test_a_certificate_nobody_trusts_is_not_talked_to(tmp_path: Path, still_clock: StillClock) -> None:
    async with reaching(tmp_path, still_clock) as (channel, apple):
        (tmp_path / "other").mkdir()
        stranger = ssl.create_default_context(cafile=str(self_signed(tmp_path / "other")))
        wary = Apns(channel._key, "com.example.shop", apple.url, still_clock, trust=stranger)
        with pytest.raises(Unavailable, match="can't be reached"):
            await wary.send(message(), DEVICE)
        await wary.close()
        assert apple.pushes == []


@pytest.mark.parametrize("body", ["文" * 9000, "\n" * 9000, '"' * 5000])
def test_long_texts_fit(body: str) -> None:
    content = Content("长" * 500, body, url="https://x.example/" + "y" * 300, data={"extras": "z" * 3000})
    made = payload(message(content=content))
    assert len(made) <= 4096
    assert json.loads(made)["aps"]["alert"]["title"].endswith("…")


async def test_what_can_be_no_device_token_is_refused(pair: tuple[Apns, Apple]) -> None:
    for wrong in ("", "xyz", "ab" * 20, "ab" * 32 + "/../x", "ab" * 101):
        with pytest.raises(InvalidInput):
            await pair[0].send(message(), wrong)


def test_a_wrong_key_stops_the_start(tmp_path: Path, still_clock: StillClock) -> None:
    (tmp_path / "key.p8").write_text("no key")
    for name in ("key.p8", "none.p8"):
        with pytest.raises(InvalidSettings, match=r"channels\.apns\.key_file"):
            AppleKey(tmp_path / name, "K", "T", still_clock)


def test_without_http2_the_start_says_what_to_install(
    tmp_path: Path, still_clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing_key(tmp_path / "key.p8")
    key = AppleKey(tmp_path / "key.p8", "K", "T", still_clock)

    def missing(**_options: Any) -> Callable[[], None]:
        raise ImportError("h2")

    monkeypatch.setattr(httpx2, "AsyncClient", missing)
    with pytest.raises(InvalidSettings, match=r"chatpush\[apns\]"):
        Apns(key, "com.example.shop", "https://localhost", still_clock)


async def test_a_phone_registers_is_reached_and_forgotten_when_it_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "AuthKey.p8"
    async with apple_pushing(signing_key(file), tmp_path, time.time, tls=False) as (apple, _):
        apns = {
            "key_file": str(file), "key_id": "KEY1234567", "team_id": "TEAM123456", "topic": "com.example.shop",
            "endpoint": apple.url,
        }  # fmt: skip
        async with serving(tmp_path / "home", channels={"allow_private": True, "apns": apns}) as served:
            mine = {"channel": "apns", "address": DEVICE}
            await served.told("POST", "/v1/me/endpoints", mine, user="emma")
            message = {"to": [{"user": "emma"}], "channels": ["apns"], "content": {"title": "Hello"}}
            await served.told("POST", "/v1/messages", message)
            await until(lambda: apple.pushes)
            assert apple.pushes[0].body["aps"]["alert"]["title"] == "Hello"
            apple.answers = [Answer(410, "Unregistered")]
            await served.told("POST", "/v1/messages", message)

            async def forgotten() -> bool:
                known = await served.told("GET", "/v1/me/endpoints", user="emma")
                return bool(known == {"endpoints": {}})

            await until(forgotten)
