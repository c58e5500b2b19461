"""Dead letters in the console: a mail server refuses, and an operator in a real Chromium puts it right."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from chatpush.domain import DEFAULT_TENANT, Role
from tests.channels.peers import MailServer, mailing
from tests.console.axe import violations
from tests.serving import EMAIL, PASSWORD, Served, serving
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

PLACE = "/console/deliveries/dead-letters"
VIEWER = "viewer@example.com"
USERS = ("emma", "noah", "林晓")


@dataclass
class Office:
    """A running chatpush with three dead letters, the mail server that made them, and a browser."""

    served: Served
    mail: MailServer
    browser: Browser

    @asynccontextmanager
    async def page(
        self, email: str = EMAIL, path: str = PLACE, size: tuple[int, int] = (1280, 800)
    ) -> AsyncIterator[Page]:
        """Open a page of the console, signed in."""
        context = await self.browser.new_context(
            locale="en-GB", viewport={"width": size[0], "height": size[1]}
        )
        page = await context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(self.served.url + path)
        await page.get_by_label("Email").fill(email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_selector("html[data-ready] #main")
        yield page
        assert problems == []
        await context.close()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with mailing() as (mail, port), async_playwright() as playwright:
        mail.refuse_data = "554 5.7.1 refused by policy"
        email = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "shop@example.com"}
        async with serving(tmp_path, channels={"email": email}) as served:
            await served.chatpush.people.add(DEFAULT_TENANT, VIEWER, "Vera", PASSWORD, Role.VIEWER)
            for number, user in enumerate(USERS):
                body = {"endpoints": {"email": [f"u{number}@example.com"]}}
                await served.told("PUT", f"/v1/users/{user}", body)
                sent = {"content": {"title": "Margin call"}, "to": [{"user": user}], "channels": ["email"]}
                await served.told("POST", "/v1/messages", sent)

            async def all_failed() -> bool:
                return len((await served.told("GET", "/v1/dead-letters"))["data"]) == len(USERS)

            await until(all_failed)
            browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
            yield Office(served, mail, browser)
            await browser.close()


async def test_an_operator_sends_again_by_keyboard(office: Office) -> None:
    async with office.page(path="/console/deliveries") as page:
        await page.get_by_role("link", name="Dead letters 3").click()
        rows = page.locator("[data-letter]")
        await expect(rows).to_have_count(3)
        await expect(rows.first).to_contain_text("the mail server answered 554: 5.7.1 refused by policy")
        redrive = page.get_by_role("button", name="Send selected again")
        await expect(redrive).to_be_disabled()
        assert await violations(page) == []
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("x")
        await expect(redrive).to_be_enabled()
        await page.keyboard.press("k")
        await page.keyboard.press("x")
        office.mail.refuse_data = ""
        await page.keyboard.press("r")
        await expect(page.get_by_role("status").first).to_contain_text("2 sent again.")
        await expect(rows).to_have_count(1)
        await expect(redrive).to_be_disabled()  # the page knows its keys by now
        await until(lambda: len(office.mail.letters) == 2)
        assert {letter.rcpt_tos[0] for letter in office.mail.letters} == {"u1@example.com", "u2@example.com"}
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("email to emma")
        await expect(page.locator("tbody tr")).to_contain_text("Failed for good")
        assert await violations(page) == []
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("No dead letters")).to_be_visible()
        await until(lambda: len(office.mail.letters) == 3)
        await page.get_by_label("Also sent again").check()
        await page.get_by_role("button", name="Filter").click()
        await expect(rows).to_have_count(3)
        await expect(page.locator("[data-letter] input")).to_have_count(0)


async def test_filters_all_that_fit_and_giving_up(office: Office) -> None:
    async with office.page() as page:
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_label("User").fill("noah")
        await page.get_by_role("button", name="Filter").click()
        rows = page.locator("[data-letter]")
        await expect(rows).to_have_count(1)
        await page.get_by_label("Select all on this page").check()
        await page.get_by_role("button", name="Give up").click()
        await expect(page.get_by_role("status").first).to_contain_text("1 given up.")
        await page.get_by_label("Channel").select_option("email")
        await page.get_by_role("button", name="Filter").click()
        await expect(rows).to_have_count(2)
        office.mail.refuse_data = ""
        await page.get_by_role("button", name="Send all that fit again").click()
        await expect(page.get_by_role("status").first).to_contain_text("2 sent again.")
        await until(lambda: len(office.mail.letters) == 2)


async def test_a_viewer_only_looks(office: Office) -> None:
    async with office.page(VIEWER) as page:
        await expect(page.locator("[data-letter]")).to_have_count(3)
        await expect(page.locator("#main button:not([disabled])")).to_have_text(["Filter"])
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("email to 林晓")
        await expect(page.locator("#main button")).to_have_count(0)
        token = await page.locator("input[name=csrf]").first.input_value()
        answer = await page.request.post(
            f"{office.served.url}{PLACE}/redrive", form={"csrf": token, "channel": "email"}
        )
        assert answer.status == 403


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
async def test_it_speaks_chinese_and_fits(office: Office, size: tuple[int, int]) -> None:
    async with office.page(size=size) as page:
        await page.goto(f"{office.served.url}{PLACE}?language=zh-CN&theme=dark")
        await expect(page.get_by_role("button", name="重发所选")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert await violations(page) == []
        await page.keyboard.press("?")
        await expect(page.locator("#shortcuts")).to_contain_text("重发所选")
        await page.keyboard.press("Escape")
        await page.locator("[data-letter] a").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("email → 林晓")
        await expect(page.locator("tbody tr")).to_contain_text("最终失败")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
