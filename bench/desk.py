"""The agents' desk with ten and with a thousand open conversations, in a real Chromium: python -m bench.desk.

Both desks are served by one process after the other in the same run; what counts
is their ratio. Needs Chromium on the PATH and the ``playwright`` package.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console

from chatpush.app import Chatpush
from chatpush.domain import DEFAULT_TENANT, Role, UserId
from chatpush.settings import Settings
from chatpush.store.vault import create_master_key

FEW, MANY = 10, 1000
ROUNDS = 9
EMAIL, PASSWORD = "bench@example.com", "correct horse battery"
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
ANOTHER = """
(before) => {
  const name = document.querySelector('html[data-ready] .thread-name')?.textContent;
  return name && name !== before;
}
"""


@dataclass(frozen=True, slots=True)
class Felt:
    """What an agent feels, in milliseconds, as medians."""

    paint: float
    switch: float


@asynccontextmanager
async def desk(conversations: int) -> AsyncIterator[str]:
    """Serve a console with so many open conversations; yields its address."""
    with tempfile.TemporaryDirectory() as place:
        settings = Settings.model_validate({"data_dir": place, "server": {"port": 0}})
        create_master_key(settings.path(settings.store.master_key_file))
        chatpush = Chatpush(settings)
        async with chatpush.serving():
            await chatpush.people.add(DEFAULT_TENANT, EMAIL, "Bench", PASSWORD, Role.ADMIN)
            for number in range(conversations):
                opened = await chatpush.assistant.open(DEFAULT_TENANT, UserId(f"customer-{number:04}"))
                await chatpush.desk.hand_over(opened)
            yield f"http://127.0.0.1:{chatpush.port}/console"


async def felt(browser: Browser, address: str) -> Felt:
    """Sign in, open the desk again and again, and walk down its lines by the keyboard."""
    page = await (await browser.new_context(locale="en-GB")).new_page()
    await page.goto(f"{address}/sign-in")
    await page.get_by_label("Email").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector("html[data-ready] #main")
    paints = [await painted(page, address) for _ in range(ROUNDS)]
    switches = [await switched(page) for _ in range(ROUNDS)]
    await page.context.close()
    return Felt(statistics.median(paints), statistics.median(switches))


async def painted(page: Page, address: str) -> float:
    """Open the desk and return after how long something of it was to be seen."""
    await page.goto(f"{address}/conversations")
    await page.wait_for_selector("html[data-ready] #lines [data-line]")
    return float(await page.evaluate(PAINTED))


async def switched(page: Page) -> float:
    """Press j and return after how long the next conversation was open and ready for keys."""
    name = page.locator(".thread-name")
    before = await name.text_content() if await name.count() else ""
    began = time.perf_counter()
    await page.keyboard.press("j")
    await page.wait_for_function(ANOTHER, arg=before)
    return (time.perf_counter() - began) * 1000


async def main() -> None:
    """Measure both and print their ratio."""
    found = {}
    async with async_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        for count in (FEW, MANY):
            async with desk(count) as address:
                found[count] = await felt(browser, address)
        await browser.close()
    few, many = found[FEW], found[MANY]
    console = Console()
    for name, a, b in (("first paint", few.paint, many.paint), ("next line", few.switch, many.switch)):
        console.print(f"{name}: {a:.0f} ms with {FEW}, {b:.0f} ms with {MANY} ({b / a:.2f} times)")


if __name__ == "__main__":
    asyncio.run(main())
