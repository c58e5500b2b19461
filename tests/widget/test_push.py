"""Web Push in a real browser: the service worker shows what comes and leads a click to where it belongs.

Headless Chromium has no push service, so the subscription itself is the test's;
service worker, permission, notifications and their clicks are the browser's own.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Worker, expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, token_for

pytestmark = pytest.mark.asyncio(loop_scope="package")

ENDPOINT = {"endpoint": "https://push.example.com/1", "keys": {"p256dh": "p", "auth": "a"}}
KEY = "BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U"
# Kept in the page's storage, as the browser keeps a subscription beyond the page.
SUBSCRIPTION = f"""
const made = () => localStorage.getItem('test-push') && {{
  toJSON: () => ({json.dumps(ENDPOINT)}),
  unsubscribe: async () => {{ localStorage.removeItem('test-push'); return true; }},
}};
PushManager.prototype.getSubscription = async () => made();
PushManager.prototype.subscribe = async (options) => {{
  localStorage.setItem('test-push', options.applicationServerKey.length);
  return made();
}};
"""
SHOWN = "() => registration.getNotifications().then((all) => all.map(({ title, body, tag }) => [title, body, tag]))"
CLICK = """
async (action) => {
  const [notification] = await registration.getNotifications();
  const kept = clients.openWindow;
  self.opened = '';
  clients.openWindow = async (url) => { self.opened = url; };
  const done = [];
  const event = new NotificationEvent('notificationclick', { notification, action });
  event.waitUntil = (work) => done.push(work);
  dispatchEvent(event);
  await Promise.all(done);
  clients.openWindow = kept;
  return self.opened;
}
"""
Json = dict[str, Any]
Deliver = Callable[[dict[str, Any] | str], Awaitable[None]]


async def subscribed(tab: Tab, server: MockServer, context: BrowserContext) -> tuple[Worker, Deliver]:
    """Turn notifications on in the preferences; return the service worker and what brings it a push."""
    server.config |= {"push": {"public_key": KEY}}
    await context.grant_permissions(["notifications"], origin=server.host)
    await tab.page.add_init_script(SUBSCRIPTION)
    session = await context.new_cdp_session(tab.page)
    registrations: list[dict[str, Any]] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated", lambda told: registrations.extend(told["registrations"])
    )
    await session.send("ServiceWorker.enable")
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    toggle = tab.find("[data-name='prefs.push']")
    await expect(toggle).to_have_attribute("aria-checked", "false")
    await toggle.click()
    await until(lambda: server.asked("POST", "/v1/me/push-subscriptions"))
    await expect(toggle).to_have_attribute("aria-checked", "true")
    await until(lambda: context.service_workers)
    [worker] = context.service_workers

    async def deliver(message: dict[str, Any] | str) -> None:
        registration = registrations[-1]["registrationId"]
        data = message if isinstance(message, str) else json.dumps(message)
        await session.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": server.host, "registrationId": registration, "data": data},
        )

    return worker, deliver


async def hide(tab: Tab, context: BrowserContext) -> None:
    """Leave the page: a page in sight shows its own toast."""
    await tab.page.goto("about:blank")
    assert context.pages


async def deliver_shown(worker: Worker, deliver: Deliver, message: Json | str) -> list[list[str]]:
    """Bring a push until a notification is there: a worker that is just being stopped takes none."""

    async def shown() -> list[list[str]]:
        await deliver(message)
        found: list[list[str]] = await worker.evaluate(SHOWN)
        return found

    return await until(shown)


async def test_a_push_is_shown_and_its_click_leads_to_the_page(
    tab: Tab, server: MockServer, context: BrowserContext
) -> None:
    worker, deliver = await subscribed(tab, server, context)
    assert server.asked("POST", "/v1/me/push-subscriptions") == [ENDPOINT]
    assert await tab.page.evaluate("localStorage.getItem('test-push')") == "65", "the key's bytes"
    await deliver({"title": "In sight", "delivery": "dlv_0"})
    await hide(tab, context)
    action = {"id": "track", "label": "Track", "url": "/track"}
    shipped: Json = {"title": "Shipped", "body": "On its way", "delivery": "dlv_1", "url": "/plain"}
    shown = await deliver_shown(worker, deliver, {**shipped, "tag": "order 1042", "actions": [action]})
    assert shown == [["Shipped", "On its way", "order 1042"]], "and not what was in sight"
    assert await worker.evaluate(CLICK, "") == f"{server.host}/plain#chatpush-delivery=dlv_1"
    assert await worker.evaluate(SHOWN) == []
    await deliver_shown(worker, deliver, {"title": "Again", "delivery": "dlv_2", "actions": [action]})
    assert await worker.evaluate(CLICK, "track") == f"{server.host}/track#chatpush-delivery=dlv_2"


async def test_what_comes_broken_hostile_or_silent_does_no_harm(
    tab: Tab, server: MockServer, context: BrowserContext
) -> None:
    worker, deliver = await subscribed(tab, server, context)
    await hide(tab, context)
    await deliver({"title": "Quiet", "silent": True, "delivery": "dlv_1"})
    evil = {"title": "Evil", "delivery": "dlv_2", "url": "javascript:alert(1)"}
    assert [title for title, _, _ in await deliver_shown(worker, deliver, evil)] == ["Evil"]
    assert await worker.evaluate(CLICK, "") == f"{server.host}/#chatpush-delivery=dlv_2"
    shown = await deliver_shown(worker, deliver, "not JSON")
    assert {title for title, _, _ in shown} == {server.host.removeprefix("http://")}


async def test_the_page_that_was_opened_tells_of_the_click(tab: Tab, server: MockServer) -> None:
    """The fragment becomes a receipt, and the message is shown where it has no page of its own."""
    sent = server.item(title="Read me")
    server.inbox = [sent]
    await tab.page.add_init_script(
        f"history.replaceState(null, '', location.href + '#chatpush-delivery={sent['delivery']}')"
    )
    await tab.open("emma")
    await expect(tab.find(".item h3")).to_have_text("Read me")
    await until(lambda: (sent["delivery"], "clicked") in server.receipts)
    assert "#" not in tab.page.url


async def test_an_open_page_is_led_by_a_message(
    tab: Tab, server: MockServer, context: BrowserContext
) -> None:
    """A click while the page is open: told, and the page's own router may take it."""
    sent = server.item(title="Offer", url="/plain?offer")
    server.inbox = [sent]
    _, _ = await subscribed(tab, server, context)
    await tab.page.evaluate(
        "chatpush.on('click', (one) => { heard.push(['led', one.url]); one.preventDefault() }); true"
    )
    clicked = {"chatpush": "push.clicked", "delivery": sent["delivery"], "url": f"{server.host}/plain?offer"}
    await tab.page.evaluate(
        "data => navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data }))", clicked
    )
    await until(lambda: (sent["delivery"], "clicked") in server.receipts)
    assert await tab.heard("led") == [f"{server.host}/plain?offer"]


@pytest.mark.parametrize("way", ["shutdown", "boot", "reload"])
async def test_the_next_user_gets_none_of_the_pushes(
    tab: Tab, server: MockServer, context: BrowserContext, way: str
) -> None:
    """Signed out, signed over, or the tab closed in between: subscription and worker go."""
    await subscribed(tab, server, context)
    if way == "shutdown":
        await tab.call("shutdown")
    elif way == "boot":
        await tab.page.evaluate("token => chatpush('boot', { token })", token_for("noah"))
    else:
        await tab.open("noah")
        await until(lambda: server.subscribers("user:noah"))

    async def gone() -> bool:
        kept = "Promise.all([navigator.serviceWorker.getRegistrations(), localStorage.getItem('test-push')])"
        return bool(await tab.page.evaluate(f"{kept}.then(([all, one]) => !all.length && !one)"))

    await until(gone)
    told = server.asked("POST", "/v1/me/push-subscriptions/remove")
    assert told == ([] if way == "reload" else [ENDPOINT]), "without a token nobody can be told"
    assert "emma" not in await tab.page.evaluate("JSON.stringify(localStorage)")


async def test_where_it_is_off_or_denied_it_is_said_so(tab: Tab, server: MockServer) -> None:
    """No key of the server: no switch. Blocked by the user: a switch that says so."""
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    await expect(tab.find("[data-name='prefs.marketing']")).to_be_visible()
    await expect(tab.find("[data-name='prefs.push']")).to_have_count(0)
    server.config |= {"push": {"public_key": KEY}}
    await tab.page.add_init_script(
        "Object.defineProperty(Notification, 'permission', { get: () => 'denied' })"
    )
    await tab.open("emma")
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    await expect(tab.find("[data-name='prefs.push']")).to_contain_text("Blocked in this browser's settings.")
    await expect(tab.find("[data-name='prefs.push']")).to_be_disabled()
