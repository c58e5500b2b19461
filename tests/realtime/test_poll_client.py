"""A long-poll client written from ``docs/protocol.md`` alone, and a hard life for it.

It knows nothing of chatpush but that page: names of fields, what a status and
a code mean, when to come again. Whoever changes one of these breaks it here.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from chatpush.domain import DEFAULT_TENANT
from tests.clocks import StillClock
from tests.realtime.node import RealtimeNode, realtime_node
from tests.waiting import until
from tests.web.test_front import listening

LONGEST_PAUSE_SECONDS = 20.0


class Stopped(Exception):
    """Asking again would not help."""


class PollClient:
    """Asks again with the cursor it was given."""

    def __init__(
        self,
        http: ClientSession,
        url: Callable[[], str],
        fetch_token: Callable[[], Awaitable[str]],
        channels: list[dict[str, Any]],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._http, self._url, self._fetch_token, self._pause = http, url, fetch_token, pause
        self._channels = channels
        self._token = self._cursor = self._grant = ""
        self._failures = 0
        self.client = ""
        self.publications: dict[str, list[Any]] = {}
        # How many publications of a channel came before each gap of it.
        self.gaps: list[tuple[str, int]] = []
        self.placed = False

    async def run(self) -> None:
        """Go on until there is no use."""
        while True:
            try:
                status, headers, reply = await self.ask()
            except (ClientError, OSError):
                self._failures += 1
                await self._pause(random.uniform(0, min(LONGEST_PAUSE_SECONDS, 2.0**self._failures)))
                continue
            self._failures = 0
            if status == 200:
                self.take(reply)
            else:
                await self.settle(status, headers, reply.get("code", ""))

    async def ask(self) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        if not self._token:
            self._token = await self._fetch_token()
        body = {"channels": self._channels, "cursor": self._cursor, "grant": self._grant}
        if not self._grant:
            body["token"] = self._token
        async with self._http.post(self._url(), json=body) as response:
            return response.status, response.headers, await response.json(content_type=None)

    def take(self, reply: dict[str, Any]) -> None:
        for publication in reply["publications"]:
            self.publications.setdefault(publication["channel"], []).append(publication["data"])
        for channel in reply["gaps"]:
            self.gaps.append((channel, len(self.publications.get(channel, []))))
        self._cursor, self._grant, self.client = reply["cursor"], reply["grant"], reply["client"]
        self.placed = True

    async def settle(self, status: int, headers: Mapping[str, str], code: str) -> None:
        """Do what the page says of a refusal."""
        if status == 401 and code == "grant_expired":
            self._grant = ""
        elif status == 401 and code == "token_expired":
            self._token = ""
        elif status == 422:
            self._cursor = ""
        elif status in (429, 503):
            await self._pause(float(headers["Retry-After"]))
        else:
            raise Stopped(f"{status} {code}")


class Life:
    """A client that is followed through restarts, on a channel that keeps much and one that keeps little."""

    node: RealtimeNode

    def __init__(self, directory: Path, clock: StillClock, http: ClientSession) -> None:
        self.directory, self.clock = directory, clock
        self.address = ""
        self.tokens = 0
        self.pauses: list[float] = []
        self.published: dict[str, int] = {"news:a": 0, "short:a": 0, "user:emma": 0}
        self.client = PollClient(
            http, lambda: f"http://{self.address}/connection/poll", self.token,
            [{"channel": "news:a"}, {"channel": "short:a"}], self.pause,
        )  # fmt: skip

    async def token(self) -> str:
        self.tokens += 1
        return await self.node.token("emma", ttl=timedelta(seconds=400))

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))  # the client's own pauses, at the pace of a test

    async def publish(self, channel: str, count: int) -> None:
        for _ in range(count):
            await self.node.hub.publish(DEFAULT_TENANT, channel, self.published[channel])
            self.published[channel] += 1

    async def has_all_of(self, channel: str) -> None:
        await until(lambda: self.client.publications.get(channel, [-1])[-1] == self.published[channel] - 1)

    @asynccontextmanager
    async def served(self, **client: Any) -> AsyncIterator[None]:
        async with (
            realtime_node(self.directory, self.clock, **client) as self.node,
            listening(self.node) as port,
        ):
            self.address = f"127.0.0.1:{port}"
            yield


@asynccontextmanager
async def living(directory: Path, clock: StillClock) -> AsyncIterator[Life]:
    async with ClientSession() as http:
        life = Life(directory, clock, http)
        async with life.served():
            task = asyncio.create_task(life.client.run())
            await until(lambda: life.client.placed)
            try:
                yield life
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def test_all_of_it_comes_once_and_in_order(tmp_path: Path, still_clock: StillClock) -> None:
    async with living(tmp_path, still_clock) as life:
        for channel in life.published:
            await life.publish(channel, 3)
        for channel in life.published:
            await life.has_all_of(channel)
            await life.publish(channel, 1)
            await life.has_all_of(channel)
            assert life.client.publications[channel] == [0, 1, 2, 3]
        assert (life.client.gaps, life.tokens) == ([], 1)


async def test_lost_replies_are_asked_for_again(
    tmp_path: Path, still_clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, lost = PollClient.ask, 0

    async def ask(client: PollClient) -> Any:
        nonlocal lost
        reply = await answered(client)
        if reply[2].get("publications") and random.random() < 0.5:
            lost += 1
            raise ClientError("lost on the way")
        return reply

    monkeypatch.setattr(PollClient, "ask", ask)
    async with living(tmp_path, still_clock) as life:
        while lost < 3:
            await life.publish("news:a", 2)
            await life.has_all_of("news:a")
        assert life.client.publications["news:a"] == list(range(life.published["news:a"]))
        assert life.pauses
        assert all(0 <= pause <= LONGEST_PAUSE_SECONDS for pause in life.pauses)


async def test_grants_and_tokens_are_renewed(tmp_path: Path, still_clock: StillClock) -> None:
    async with living(tmp_path, still_clock) as life:
        name = life.client.client
        for tokens in (1, 2):  # the grant alone runs out first, then the token as well
            still_clock.forward(timedelta(seconds=301))
            await life.publish("news:a", 1)
            await life.has_all_of("news:a")
            assert life.tokens == tokens
        assert name


async def test_a_restart_loses_nothing_and_a_gap_is_told(tmp_path: Path, still_clock: StillClock) -> None:
    async with ClientSession() as http:
        life = Life(tmp_path, still_clock, http)
        async with life.served():
            task = asyncio.create_task(life.client.run())
            await until(lambda: life.client.placed)
            await life.publish("short:a", 2)
            await life.has_all_of("short:a")
        life.address = "127.0.0.1:1"  # where nobody is
        async with realtime_node(tmp_path, still_clock) as life.node:
            await life.publish("short:a", 60)
            await life.publish("news:a", 5)
        async with life.served():
            for channel in ("short:a", "news:a"):
                await until(lambda: life.client.gaps)
                await life.publish(channel, 1)
                await life.has_all_of(channel)
            task.cancel()
        assert life.client.publications["news:a"] == list(range(6))
        assert life.client.gaps == [("short:a", 2)]
        assert life.client.publications["short:a"] == [0, 1, 62]


async def test_a_full_node_and_a_user_with_too_many_polls_say_when_to_come_back(
    tmp_path: Path, still_clock: StillClock
) -> None:
    async with ClientSession() as http:
        life = Life(tmp_path, still_clock, http)
        async with life.served(max_connections_per_user=1):
            other = await life.node.client("emma")
            task = asyncio.create_task(life.client.run())
            await until(lambda: len(life.pauses) > 2)
            assert set(life.pauses) == {5.0}
            other.session.ended()
            await until(lambda: life.node.hub.counts().connections == 1)
            await life.publish("news:a", 1)
            await life.has_all_of("news:a")
            life.node.hub.accepting = False
            life.pauses.clear()
            await life.publish("news:a", 1)
            await until(lambda: len(life.pauses) > 2)
            assert all(1 <= pause <= 10 for pause in life.pauses)
            life.node.hub.accepting = True
            await life.publish("news:a", 1)
            await life.has_all_of("news:a")
            task.cancel()
        assert life.client.publications["news:a"] == [0, 1, 2]


async def test_who_may_not_stops(tmp_path: Path, still_clock: StillClock) -> None:
    async with ClientSession() as http:
        life = Life(tmp_path, still_clock, http)
        life.client._channels.append({"channel": "private:a"})
        async with life.served():
            with pytest.raises(Stopped, match="403"):
                await life.client.run()
