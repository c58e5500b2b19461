"""One catalogue for all tests (reading it takes most of a second) and a stand-in for chatpush."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from examples.shop.catalogue import Catalogue, load
from examples.shop.push import Push
from tests.examples.fake_chatpush import FakeChatpush


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load()


@pytest.fixture
def chatpush() -> FakeChatpush:
    return FakeChatpush()


@pytest.fixture
async def push(chatpush: FakeChatpush) -> AsyncIterator[Push]:
    async with TestServer(chatpush.app()) as server, aiohttp.ClientSession() as session:
        yield Push(session, str(server.make_url("/")), "sk_shop")
