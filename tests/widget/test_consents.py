"""The preferences on the real server: what is chosen in them is what the policy keeps to, and is proved."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.waiting import until
from tests.widget.test_real import Shop, shopping

pytestmark = pytest.mark.asyncio(loop_scope="package")

EMAIL = {"host": "127.0.0.1", "sender": "shop@example.com"}


async def pressed(shop: Shop) -> dict[str, str | None]:
    """Return which channels of marketing are chosen."""
    found = {}
    for button in await shop.find("[data-name^='marketing.']").all():
        found[await button.inner_text()] = await button.get_attribute("aria-pressed")
    return found


async def reopen(shop: Shop) -> None:
    """Open the preferences anew, as they stand on the server."""
    if await shop.find(".pane").count():
        await shop.page.keyboard.press("Escape")
    await shop.page.evaluate("chatpush.open('inbox')")
    await shop.find(".head .icon-button").first.click()
    await expect(shop.find("[data-name='prefs.marketing']")).to_be_visible()


async def test_what_is_chosen_holds_is_proved_and_shows_again(browser: Browser, tmp_path: Path) -> None:
    async with shopping(browser, tmp_path, channels={"email": EMAIL}) as shop:
        served = shop.served
        await served.told("PUT", "/v1/users/emma", {"channel_consents": {"marketing": {"email": True}}})
        await shop.boot("emma")
        await reopen(shop)
        assert await pressed(shop) == {"Inbox": "false", "Email": "true"}

        # Off and on again: one step withdraws all, and what is given then is for all channels.
        toggle = shop.find("[data-name='prefs.marketing']")
        await toggle.click()
        await expect(shop.find("[data-name^='marketing.']")).to_have_count(0)

        wanted: list[tuple[str | None, bool]] = [("email", True), (None, False)]

        async def told() -> bool:
            ledger = (await served.told("GET", "/v1/users/emma/consents"))["data"]
            return [(one["channel"], one["granted"]) for one in ledger] == wanted

        await until(told)
        await toggle.click()
        await expect(shop.find("[data-name='marketing.email']")).to_have_attribute("aria-pressed", "true")
        await shop.find("[data-name='marketing.email']").click()
        wanted += [(None, True), ("email", False)]
        await until(told)
        last = (await served.told("GET", "/v1/users/emma/consents"))["data"][-1]
        assert (last["via"], last["address"]) == ("preferences", "127.0.0.1")
        assert last["text"].endswith("Offers and news: Promotions, new arrivals and ideas. (Email)")
        await reopen(shop)
        assert await pressed(shop) == {"Inbox": "true", "Email": "false"}
        found = await served.told("GET", "/v1/users/emma")
        assert (found["consents"], found["channel_consents"]) == (
            {"marketing": True}, {"marketing": {"email": False}}
        )  # fmt: skip


async def test_a_switch_whose_channels_are_all_closed_opens_them(browser: Browser, tmp_path: Path) -> None:
    async with shopping(browser, tmp_path, channels={"email": EMAIL}) as shop:
        closed = {"marketing": {"email": False, "inbox": False}}
        await shop.served.told("PUT", "/v1/users/emma", {"channel_consents": closed})
        await shop.boot("emma")
        await reopen(shop)
        await shop.find("[data-name='prefs.marketing']").click()

        # The server answers that each is still closed by its own no; the switch stays on, and opens them.
        async def opened() -> bool:
            found = await shop.served.told("GET", "/v1/me/preferences", user="emma")
            return bool(found["channels"]["marketing"] == {"inbox": True, "email": True})

        await until(opened)
        await expect(shop.find("[data-name='prefs.marketing']")).to_have_attribute("aria-checked", "true")
        await reopen(shop)
        assert await pressed(shop) == {"Inbox": "true", "Email": "true"}
