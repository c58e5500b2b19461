"""A risk alert to its end: past night and caps, open page, a browser that is closed, a letter; and where it stops.

The push service decrypts what it gets as a browser would (RFC 8291), the mail
server speaks SMTP, and everything else is the shipped desk, over HTTP.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from examples.shop.push import customer_token
from examples.trading.desk import OPENING_CASH
from tests.channels.peers import Receiver, receiving
from tests.channels.test_web_push import Browser
from tests.examples.trading import Floor, floor
from tests.waiting import until

CALL = "Margin call: your own money is "


class Mara:
    """A trader with a subscribed browser, at three in the morning, who has bought too much."""

    def __init__(self, desk: Floor, service: Receiver) -> None:
        self.desk = desk
        self.service = service
        self.browser = Browser()
        self._token = customer_token("mara", "Mara Whitlock", desk.demo.keys.token_secret)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask chatpush as her browser does."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self.desk.http.request(
            method, self.desk.demo.url + path, json=body, headers=headers
        ) as told:
            assert told.status < 300, await told.text()
            return await told.json() if told.status != 204 else None

    async def settle_in(self) -> None:
        """Subscribe, sleep, and hold all that her money allows."""
        subscription = self.browser.subscribed(self.service.url)
        await self.call("POST", "/v1/me/push-subscriptions", subscription)
        await self.desk.clock_at("mara", 3)
        price = Decimal((await self.desk.order("mara", "RILL", 1))["trades"][0]["price"])
        quantity = int(OPENING_CASH * Decimal("3.8") / price)
        assert (await self.desk.order("mara", "RILL", quantity))["status"] == 201

    async def read(self, kind: str = "delivered") -> None:
        """Let one of her pages or the service worker say that the alert came."""
        [one] = [one for one in await self.inbox() if one["title"].startswith(CALL)]
        await self.call(
            "POST", "/v1/me/receipts", {"receipts": [{"delivery": one["delivery"], "kind": kind}]}
        )

    async def inbox(self) -> list[dict[str, Any]]:
        """What her inbox shows."""
        found: list[dict[str, Any]] = (await self.call("GET", "/v1/me/inbox"))["data"]
        return found

    async def alert(self) -> dict[str, Any]:
        """Return the alert's delivery as operators see it."""
        listed = (await self.desk.push.call("GET", "/v1/messages?template=margin_call"))["data"]
        (one,) = (await self.desk.push.call("GET", f"/v1/messages/{listed[0]['id']}"))["deliveries"]
        found: dict[str, Any] = await self.desk.push.call("GET", f"/v1/deliveries/{one['id']}")
        return found

    async def went(self, times: int) -> dict[str, Any]:
        """Return the alert once it went out so many times."""
        alert = await self.alert()
        return alert if len(sent(alert)) == times else {}

    async def letters(self, subject: str) -> list[str]:
        """Return those of her letters that begin so."""
        kept = (await self.desk.account("mara"))["letters"]
        return [letter for letter in kept if letter.startswith(subject)]


def sent(alert: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is on record of each time that it went out."""
    return [
        step["detail"] for step in alert["trace"] if (step["step"], step["verdict"]) == ("delivery", "sent")
    ]


def ways(alert: dict[str, Any]) -> list[str]:
    """Return the channels that took it, in turn."""
    return [one["channels"][0] for one in sent(alert)]


@pytest.fixture
async def mara(tmp_path: Path) -> AsyncIterator[Mara]:
    async with receiving() as service, floor(tmp_path / "desk", escalate_seconds=1) as desk:
        mara = Mara(desk, service)
        await mara.settle_in()
        yield mara


async def test_it_passes_night_and_caps_and_goes_from_page_to_browser_to_letter(mara: Mara) -> None:
    waiting = {}
    for number, rule in enumerate(("ignore", "ignore", "ignore", "defer")):
        research = {
            "to": [{"user": "mara"}], "category": "alert", "quiet_hours": rule, "channels": ["inbox"],
            "content": {"title": f"Research {number}", "body": "Read it."},
        }  # fmt: skip
        waiting[number] = await mara.desk.push.message(research, f"research:{number}")

        async def settled(message: str = waiting[number]) -> str:
            (one,) = (await mara.desk.push.call("GET", f"/v1/messages/{message}"))["deliveries"]
            return str(one["state"] if one["state"] in ("sent", "delivered") else one["reason"] or "")

        assert await until(settled) == ("sent", "sent", "frequency_cap", "quiet_hours")[number]
    await mara.desk.move("crash")
    (letter,) = await until(lambda: mara.letters(CALL), seconds=30)
    assert "Pay in $" in letter
    (heard,) = mara.service.heard
    assert mara.browser.read(heard.body)["title"].startswith(CALL)
    assert heard.headers["urgency"] == "high"
    assert len(heard.headers["topic"]) == 32

    alert = await until(lambda: mara.went(3))
    assert ways(alert) == ["ws", "webpush", "email"]
    assert [one["because"] for one in sent(alert)] == ["transactional", "no_receipt", "no_receipt"]
    assert (await mara.inbox())[0]["title"].startswith(CALL)


@pytest.mark.parametrize("after", ["ws", "webpush"])
async def test_a_receipt_in_time_stops_it(mara: Mara, after: str) -> None:
    await mara.desk.move("crash")

    async def got() -> bool:
        if after == "webpush":
            return bool(mara.service.heard)
        return any(one["title"].startswith(CALL) for one in await mara.inbox())

    await until(got)
    await mara.read("clicked" if after == "webpush" else "delivered")
    # Another message takes the whole way to a letter after it; by then this one's next step would have come.
    assert (await mara.desk.order("mara", "WICK", 1, "sell"))["status"] == 422
    assert (await mara.desk.order("mara", "RILL", 5, "sell"))["status"] == 201
    await until(lambda: mara.letters("Sold 5 RILL"), seconds=30)
    alert = await mara.alert()
    assert (alert["state"], ways(alert)) == ("delivered", ["ws", "webpush"][: 1 + (after == "webpush")])
    assert await mara.letters(CALL) == []
    assert len(mara.service.heard) == (after == "webpush")


async def test_a_subscription_that_is_over_or_a_service_that_is_down_do_not_end_it(mara: Mara) -> None:
    mara.service.answers = [ConnectionResetError, lambda: web.Response(status=410)]
    await mara.desk.move("crash")
    (letter,) = await until(lambda: mara.letters(CALL), seconds=40)
    assert letter
    assert ways(await until(lambda: mara.went(2))) == ["ws", "email"]
    assert (await mara.call("GET", "/v1/me/endpoints"))["endpoints"].get("webpush") is None
