"""One Chromium for all journeys, one fresh shop for each module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.journeys.browsing import Customer, Staff, visiting
from tests.journeys.premises import Premises, opened
from tests.widget.conftest import ARGS, browser_path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def premises(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Premises]:
    """A fresh demo: chatpush and the shop, with some of the data."""
    async with opened(tmp_path_factory.mktemp("demo") / "kept") as premises:
        yield premises


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def staff(browser: Browser, premises: Premises) -> AsyncIterator[Staff]:
    """Someone who works for the shop."""
    async with visiting(Staff, browser, premises) as staff:
        yield staff


@pytest_asyncio.fixture(loop_scope="module")
async def emma(browser: Browser, premises: Premises) -> AsyncIterator[Customer]:
    """Emma of London, who has bought before and agreed to be written to."""
    async with visiting(Customer, browser, premises, timezone_id="Europe/London") as emma:
        await emma.sign_in("emma")
        yield emma


@pytest_asyncio.fixture(loop_scope="module")
async def linxiao(browser: Browser, premises: Premises) -> AsyncIterator[Customer]:
    """林晓 of Shanghai."""
    options = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai"}
    async with visiting(Customer, browser, premises, **options) as linxiao:
        await linxiao.sign_in("linxiao")
        yield linxiao
