"""FCM against a Google that verifies assertions, and answers in every way FCM does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from chatpush.channels.fcm import Fcm
from chatpush.channels.outgoing import Outgoing
from chatpush.channels.provider_tokens import ServiceAccount
from chatpush.domain import Category, Content
from chatpush.errors import InvalidInput, InvalidSettings, NotFound, Unavailable
from tests.channels.google import Google, googling, refusal
from tests.channels.peers import message
from tests.clocks import StillClock
from tests.serving import serving
from tests.waiting import until


@pytest.fixture
async def google(tmp_path: Path, still_clock: StillClock) -> AsyncIterator[Google]:
    async with googling(tmp_path / "account.json", lambda: still_clock.now().timestamp()) as running:
        yield running


@pytest.fixture
async def channel(google: Google, tmp_path: Path, still_clock: StillClock) -> AsyncIterator[Fcm]:
    outgoing = Outgoing(allow_private=True, seconds=5)
    account = ServiceAccount(tmp_path / "account.json", outgoing, still_clock)
    yield Fcm(account, google.url, outgoing, still_clock)
    await outgoing.close()


async def test_ttl_priority_and_collapse_key_are_mapped(
    channel: Fcm, google: Google, still_clock: StillClock
) -> None:
    sent = await channel.send(
        message(priority="high", ttl_seconds=3600, collapse_key="order:7", badge=3, display_seconds=10),
        "token-1",
    )
    (got,) = google.sent
    assert sent.reference == "projects/shop/messages/1"
    assert got["token"] == "token-1"
    assert got["notification"] == {"title": "Shipped", "body": "Your lantern is on its way.\nSee you"}
    assert (got["android"]["ttl"], got["android"]["priority"]) == ("3600s", "HIGH")
    assert len(got["android"]["collapse_key"]) == 32
    assert got["android"]["notification"]["notification_count"] == 3
    headers = got["apns"]["headers"]
    assert headers["apns-collapse-id"] == got["android"]["collapse_key"]
    assert headers["apns-expiration"] == str(int(still_clock.now().timestamp()) + 3600)
    assert headers["apns-priority"] == "10"
    assert got["data"]["display_seconds"] == "10"
    assert got["data"]["delivery"] == "dlv_1"


async def test_marketing_is_not_urgent_and_a_silent_message_is_data_only(
    channel: Fcm, google: Google
) -> None:
    await channel.send(message(category=Category.MARKETING), "t")
    await channel.send(message(silent=True, content=Content("", "", data={"refresh": "orders"})), "t")
    marketing, silent = google.sent
    assert marketing["android"]["priority"] == "NORMAL"
    assert marketing["android"]["ttl"] == "2419200s"
    assert "notification" not in silent
    assert silent["apns"]["payload"]["aps"] == {"content-available": 1}
    assert silent["apns"]["headers"]["apns-priority"] == "5"
    assert json.loads(silent["data"]["data"]) == {"refresh": "orders"}
    assert silent["data"]["silent"] == "true"


async def test_an_access_token_is_asked_for_once_and_renewed_before_it_lapses(
    channel: Fcm, google: Google, still_clock: StillClock
) -> None:
    await asyncio.gather(*(channel.send(message(), "t") for _ in range(5)))
    assert google.granted == 1
    still_clock.forward(timedelta(minutes=56))
    await channel.send(message(), "t")
    assert google.granted == 2


async def test_a_refused_access_token_is_renewed_once(channel: Fcm, google: Google) -> None:
    await channel.send(message(), "t")
    google.revoked.add("ya29.1")
    await channel.send(message(), "t")
    assert (google.granted, len(google.sent)) == (2, 2)
    google.revoked |= {"ya29.2", "ya29.3"}
    with pytest.raises(Unavailable, match="401"):
        await channel.send(message(), "t")


async def test_answers_mean_what_they_mean(channel: Fcm, google: Google) -> None:
    said = [
        (refusal(404, "NOT_FOUND", fcm="UNREGISTERED"), NotFound),
        (refusal(400, "INVALID_ARGUMENT", fcm="INVALID_ARGUMENT", field="message.token"), NotFound),
        (refusal(400, "INVALID_ARGUMENT", fcm="INVALID_ARGUMENT", field="message.data"), InvalidInput),
        (refusal(403, "PERMISSION_DENIED", fcm="SENDER_ID_MISMATCH"), InvalidInput),
        (refusal(404, "NOT_FOUND"), InvalidInput),
        (refusal(429, "RESOURCE_EXHAUSTED", fcm="QUOTA_EXCEEDED"), Unavailable),
        (refusal(503, "UNAVAILABLE", fcm="UNAVAILABLE"), Unavailable),
        (web.Response(status=502, text="<html>bad gateway"), Unavailable),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1/"}), InvalidInput),
        (web.json_response({"error": "no"}, status=400), InvalidInput),
    ]
    for answer, kind in said:
        google.answers = [partial(_same, answer)]
        with pytest.raises(kind):
            await channel.send(message(), "t")
    google.answers = [ConnectionResetError]
    with pytest.raises(Unavailable, match="can't be reached"):
        await channel.send(message(), "t")


def _same(answer: web.Response) -> web.Response:
    return answer


async def test_retry_after_is_handed_on(channel: Fcm, google: Google) -> None:
    google.answers = [lambda: refusal(429, "RESOURCE_EXHAUSTED", **{"Retry-After": "30"})]
    with pytest.raises(Unavailable) as raised:
        await channel.send(message(), "t")
    assert raised.value.retry_after_seconds == 30


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=400, text='{"error":"invalid_grant"}'),
        web.Response(text="no json"),
        web.json_response({}),
        web.Response(status=302, headers={"Location": "http://127.0.0.1/"}),
    ],
)
async def test_without_a_token_nothing_is_sent(channel: Fcm, google: Google, answer: web.Response) -> None:
    google.token_answers = [lambda: answer]
    with pytest.raises(Unavailable, match="no access token"):
        await channel.send(message(), "t")
    assert google.sent == []


@pytest.mark.parametrize("body", ["文" * 9000, "\n" * 9000, '"' * 5000])
async def test_long_texts_fit(channel: Fcm, google: Google, body: str) -> None:
    content = Content("长" * 500, body, url="https://x.example/" + "y" * 300, data={"extras": "z" * 3000})
    await channel.send(message(content=content), "t")
    assert len(json.dumps({"message": google.sent[0]}, ensure_ascii=False).encode()) <= 4097
    assert google.sent[0]["notification"]["title"].endswith("…")


async def test_what_can_be_no_token_is_refused(channel: Fcm) -> None:
    for wrong in ("", "a\nb", "x" * 5000, "ü"):
        with pytest.raises(InvalidInput):
            await channel.check(wrong)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"project_id": 7}'])
def test_a_wrong_key_file_stops_the_start(tmp_path: Path, text: str, still_clock: StillClock) -> None:
    file = tmp_path / "key.json"
    file.write_text(text)
    with pytest.raises(InvalidSettings, match="credentials_file"):
        ServiceAccount(file, Outgoing(), still_clock)
    with pytest.raises(InvalidSettings, match="can't be read"):
        ServiceAccount(tmp_path / "none.json", Outgoing(), still_clock)


async def test_a_key_that_cannot_sign_stops_the_start(
    google: Google, tmp_path: Path, still_clock: StillClock
) -> None:
    account = json.loads((tmp_path / "account.json").read_text())
    (tmp_path / "bad.json").write_text(json.dumps(account | {"private_key": "no key"}))
    with pytest.raises(InvalidSettings, match="can't sign"):
        ServiceAccount(tmp_path / "bad.json", Outgoing(), still_clock)


async def test_a_phone_registers_is_reached_and_forgotten_when_it_is_gone(
    tmp_path: Path, google: Google
) -> None:
    google.now = time.time
    fcm = {"credentials_file": str(tmp_path / "account.json"), "endpoint": google.url}
    async with serving(tmp_path / "home", channels={"allow_private": True, "fcm": fcm}) as served:
        mine = {"channel": "fcm", "address": "phone-1"}
        await served.told("POST", "/v1/me/endpoints", mine, user="emma")
        message = {"to": [{"user": "emma"}], "channels": ["fcm"], "content": {"title": "Hello"}}
        await served.told("POST", "/v1/messages", message)
        await until(lambda: google.sent)
        assert google.sent[0]["token"] == "phone-1"
        google.answers = [lambda: refusal(404, "NOT_FOUND", fcm="UNREGISTERED")]
        await served.told("POST", "/v1/messages", message)

        async def forgotten() -> bool:
            known = await served.told("GET", "/v1/me/endpoints", user="emma")
            return bool(known == {"endpoints": {}})

        await until(forgotten)
        letters = await served.told("GET", "/v1/dead-letters?channel=fcm")
        assert "gone" in letters["data"][0]["reason"]
        for wrong in ({"channel": "apns", "address": "x"}, {"channel": "fcm", "address": "a b\n"}):
            await served.told("POST", "/v1/me/endpoints", wrong, user="emma", status=422)
        await served.told("POST", "/v1/me/endpoints", mine, user="emma")
        await served.told("POST", "/v1/me/endpoints/remove", mine, user="emma")
        assert await forgotten()
