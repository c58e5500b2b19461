"""The demo's real parts, each a process of its own: chatpush and the shop, which may be killed."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

from aiohttp import ClientSession

from examples.shop.catalogue import Catalogue, load
from examples.shop.demo import Addresses, send_everything, serving_chatpush, serving_shop, until_ready
from examples.shop.people import CUSTOMERS
from examples.shop.preparation import Prepared, prepare
from examples.shop.push import Push

FOREIGN = ("OPENAI_", "CHATPUSH_", "SHOP_")
OTHER_PURCHASES = 1500


@dataclass
class Premises:
    """A running demo."""

    folder: Path
    addresses: Addresses
    prepared: Prepared
    http: ClientSession
    push: Push
    _chatpush: AsyncExitStack = field(default_factory=AsyncExitStack)
    _process: asyncio.subprocess.Process | None = None

    @property
    def shop(self) -> str:
        """The shop's address."""
        return self.addresses.shop

    @property
    def console(self) -> str:
        """The console's address."""
        return f"{self.addresses.chatpush}/console"

    async def start_chatpush(self) -> None:
        """Start chatpush and wait until it is ready."""
        running = serving_chatpush(self.folder, self.prepared, self.addresses)
        self._process = await self._chatpush.enter_async_context(running)
        ready = f"{self.addresses.chatpush}/readyz"
        await until_ready(self.http, ready, self._process, self.folder / "chatpush.log")

    async def kill_chatpush(self) -> None:
        """End chatpush as a power cut does."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        await self._chatpush.aclose()

    async def stop_chatpush(self) -> None:
        """End chatpush in good order."""
        await self._chatpush.aclose()

    async def told(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """Call chatpush with the shop's secret key."""
        return await self.push.call(method, path, body, query=query or None, seconds=20)

    async def user_at(self, user: str, hour: int) -> None:
        """Move a user to where it is this hour now, so that no test depends on the time of day."""
        await self.told("PUT", f"/v1/users/{user}", {"timezone": zone_at(hour)})


def zone_at(hour: int, now: datetime | None = None) -> str:
    """Return a time zone in which it is about this hour."""
    now = now or datetime.now(UTC)
    offset = (hour - now.hour + 11) % 24 - 11
    # The sign of these names is the other way round.
    return f"Etc/GMT{-offset:+d}" if offset else "Etc/GMT"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def some_of(catalogue: Catalogue) -> Catalogue:
    """Return the shop with all its items, the demo customers' own purchases and a few of the others'."""
    own = [purchase for purchase in catalogue.purchases if purchase.user in CUSTOMERS]
    others = (purchase for purchase in catalogue.purchases if purchase.user not in CUSTOMERS)
    purchases = own + list(islice(others, OTHER_PURCHASES))
    users = {purchase.user for purchase in purchases}
    countries = {user: country for user, country in catalogue.countries.items() if user in users}
    return replace(catalogue, purchases=purchases, countries=countries)


Filling = Callable[[Prepared, Addresses, Catalogue], Awaitable[None]]


@asynccontextmanager
async def opened(folder: Path, past: Filling | None = None, model: str = "") -> AsyncIterator[Premises]:
    """Open a shop in an empty folder, on free ports, until the block ends.

    It has some of the data; or all that ``past`` makes of it before chatpush starts. ``model``
    is the address of a language model.
    """
    addresses = Addresses(free_port(), free_port())
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    if model:
        own |= {"OPENAI_BASE_URL": model, "OPENAI_API_KEY": "any", "OPENAI_MODEL": "mind"}
    with mock.patch.dict(os.environ, own, clear=True):
        catalogue = await asyncio.to_thread(load, now=datetime.now(UTC))
        prepared = await prepare(folder, addresses.port, addresses.shop)
        if past is not None:
            await past(prepared, addresses, catalogue)
        async with ClientSession() as http, AsyncExitStack() as stack:
            push = Push(http, addresses.chatpush, prepared.secret_key)
            premises = Premises(folder, addresses, prepared, http, push)
            stack.push_async_callback(premises.stop_chatpush)
            await premises.start_chatpush()
            shop = await stack.enter_async_context(serving_shop(folder, prepared, addresses))
            if past is None:
                await send_everything(folder, prepared, push, addresses, some_of(catalogue))
            await until_ready(http, addresses.shop, shop, folder / "shop.log")
            yield premises
