"""What the page has of the widget: calls before it is there, content policies, who may follow whom."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.waiting import until
from tests.widget.conftest import Tab
from tests.widget.mock import MockServer, token_for

pytestmark = pytest.mark.asyncio(loop_scope="package")

STORED = "[...Object.entries(localStorage), ...Object.entries(sessionStorage)].flat().join(' ')"


async def test_calls_are_kept_until_the_widget_has_come(tab: Tab, server: MockServer) -> None:
    """Before the loader, between loader and widget; a listener taken off in between hears nothing."""
    server.held = asyncio.Event()
    await tab.open("emma")
    await tab.page.wait_for_function("chatpush.version")
    await tab.page.evaluate(
        """() => {
          const off = chatpush.on('opened', () => heard.push(['gone', 1]));
          const named = () => heard.push(['named', 1]);
          chatpush.on('opened', named);
          chatpush('on', 'opened', () => heard.push(['stays', 1]));
          off();
          chatpush.off('opened', named);
          chatpush.open('chat');
        }"""
    )
    server.held.set()
    await expect(tab.find("textarea")).to_be_focused()
    assert [await tab.heard(name) for name in ("gone", "named", "stays")] == [[], [], [1]]


@pytest.mark.parametrize("policy", ["", "nonce", "strict"])
async def test_a_strict_content_policy_is_enough(tab: Tab, policy: str) -> None:
    """By host, by nonce alone, or strict-dynamic: the widget and its parts run, and nothing is reported."""
    await tab.open("emma", policy=policy, locale="zh-CN")
    await tab.connected()
    await tab.call("open", "inbox")
    await tab.find(".head .icon-button").first.click()
    await expect(tab.find(".pane h2")).to_have_text("偏好设置")


async def test_a_widget_that_was_tampered_with_does_not_run(tab: Tab) -> None:
    """What the loader fetches is pinned: other bytes under its name are refused, and the page goes on."""
    tab.expects_failures = True

    async def tamper(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body="window.tampered = true;" + await answer.text())

    await tab.page.route("**/widget/main-*.js", tamper)
    refused = tab.page.wait_for_event("console", lambda said: "integrity" in said.text)
    loading = asyncio.ensure_future(refused)
    await tab.open("emma")
    await loading
    assert await tab.page.evaluate("window.tampered") is None
    await tab.page.locator("#before").click()
    await tab.page.unroute("**/widget/main-*.js")
    await tab.connected()
    tab.problems = [problem for problem in tab.problems if "integrity" not in problem]


async def test_a_server_that_was_away_is_asked_again(tab: Tab, server: MockServer) -> None:
    """The loader tries later, and what was called meanwhile still counts."""
    tab.expects_failures = True
    server.failing = {"/widget/main-"}
    await tab.open("emma")
    await until(lambda: any(path.startswith("/widget/main-") for _, path, _ in server.requests))
    await tab.page.evaluate("chatpush.open('inbox')")
    server.failing = set()
    await expect(tab.find(".inbox .empty h3")).to_have_text("You're all caught up")


async def test_a_visitor_who_signs_in_is_joined_to_the_user(tab: Tab, server: MockServer) -> None:
    """The visitor's token goes to the server once, with the user's own, and is then forgotten."""
    await tab.open(attributes='data-key="pk_test"')
    await tab.connected()
    await tab.page.evaluate("token => chatpush('boot', { key: 'pk_test', token })", token_for("emma"))
    await until(lambda: server.subscribers("user:emma") == 1)
    assert server.asked("POST", "/v1/me/join") == [{"visitor_token": token_for("visitor_1")}]
    assert "visitor" not in await tab.page.evaluate(STORED)
    await tab.page.reload()
    await until(lambda: server.visitors == 2)


async def test_a_refused_visitor_is_let_go_and_a_page_may_ask_for_no_joining(
    tab: Tab, server: MockServer
) -> None:
    """No second try for what the server does not want; `join: false` never asks."""
    tab.expects_failures = True
    await tab.open(attributes='data-key="pk_test"')
    await tab.connected()
    server.refused_tokens.add(token_for("visitor_1"))
    await tab.page.evaluate("token => chatpush('boot', { key: 'pk_test', token })", token_for("emma"))
    await until(lambda: server.subscribers("user:emma") == 1)
    assert "visitor" not in await tab.page.evaluate(STORED)
    await tab.call("shutdown")
    await tab.page.evaluate("chatpush('boot', { key: 'pk_test' })")
    await until(lambda: server.subscribers("user:visitor_2") == 1)
    await tab.page.evaluate(
        "token => chatpush('boot', { key: 'pk_test', token, join: false })", token_for("noah")
    )
    await until(lambda: server.subscribers("user:noah") == 1)
    assert len(server.asked("POST", "/v1/me/join")) == 1
    assert "visitor" not in await tab.page.evaluate(STORED)


async def test_the_next_user_of_this_browser_finds_nothing(tab: Tab, server: MockServer) -> None:
    """Emma's tab was closed without a word; Noah opens the same page: not even her name is left."""
    sent = server.item(title="For Emma's eyes")
    server.inbox = [sent]
    await tab.open("emma")
    await tab.connected()
    await tab.call("open", "inbox")
    await until(lambda: (sent["delivery"], "seen") in server.receipts)
    assert "emma" in await tab.page.evaluate(STORED)
    server.inbox = []
    await tab.open("noah")
    await until(lambda: server.subscribers("user:noah") == 1)
    assert "emma" not in await tab.page.evaluate(STORED)


async def test_a_page_that_replaces_its_body_keeps_the_widget(tab: Tab, server: MockServer) -> None:
    """Turbo and its like: one widget, still connected, its script run twice without harm."""
    await tab.open("emma")
    await tab.connected()
    await tab.page.evaluate(
        """() => {
          document.body.replaceWith(document.createElement('body'));
          history.pushState({}, '', '/elsewhere');
          const again = document.createElement('script');
          again.src = '/widget.js';
          document.body.append(again);
          return new Promise((done) => (again.onload = done));
        }"""
    )
    await expect(tab.find(".launcher")).to_be_visible()
    assert await tab.page.locator("chatpush-widget").count() == 1
    await server.send("emma", title="Still here")
    await expect(tab.find(".toast-text strong")).to_have_text("Still here")
    assert server.connected == 1
