"""Nothing lost, nothing doubled, order kept, gaps told: random lives of publishers and readers."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatpush.domain import TenantId
from tests.clocks import StillClock
from tests.realtime.node import Client, MemoryWire, RealtimeNode, realtime_node
from tests.waiting import until

TENANT = TenantId("default")
READERS = 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 5)),
        st.tuples(st.just("burst"), st.integers(5, 20)),
        st.tuples(st.just("come"), st.integers(0, READERS - 1)),
        st.tuples(st.just("go"), st.integers(0, READERS - 1)),
        st.tuples(st.just("slow"), st.integers(0, READERS - 1)),
        st.tuples(st.just("fast"), st.integers(0, READERS - 1)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=25,
)


class Reader:
    """An SDK's bookkeeping: its position, what it was given, what it was told is gone."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.client: Client | None = None
        self.wire = MemoryWire()
        self.epoch = ""
        self.offset = 0
        self.seen: list[int] = []
        # Offsets after which the server said that something may be missing.
        self.told: list[int] = []
        self._read = 0

    async def come(self, node: RealtimeNode) -> None:
        if self.client is not None:
            return
        self.wire, self._read = MemoryWire(), 0
        self.client = await node.client("emma", wire=self.wire)
        await self.subscribe()

    async def subscribe(self) -> None:
        assert self.client is not None
        place = {"recover": True, "epoch": self.epoch, "offset": self.offset} if self.epoch else {}
        await self.client.subscribe(self.channel, **place)

    def go(self) -> None:
        if self.client is not None:
            self.digest()
            self.client.session.ended()
            self.client = None

    def digest(self) -> bool:
        """Take in what the wire brought; return whether the server ended the subscription."""
        ended = False
        for message in self.wire.messages[self._read :]:
            result: dict[str, Any] = message.get("subscribe", {})
            if result:
                self._subscribed(result)
            push = message.get("push", {})
            if push.get("channel") == self.channel and "pub" in push:
                self._take(push["pub"])
            ended = ended or "unsubscribe" in push
        self._read = len(self.wire.messages)
        return ended

    def _subscribed(self, result: dict[str, Any]) -> None:
        if result.get("was_recovering") and not result.get("recovered"):
            self.told.append(len(self.seen))
        elif not self.epoch:
            self.told.append(0)
        for publication in result.get("publications", []):
            self._take(publication)
        self.epoch, self.offset = result["epoch"], result.get("offset", 0)

    def _take(self, publication: dict[str, Any]) -> None:
        self.seen.append(publication["data"])
        self.offset = publication["offset"]

    def check(self, published: list[int]) -> None:
        """Compare with the model: an ordered subsequence, contiguous but where a gap was told."""
        assert self.seen == sorted(set(self.seen)), "doubled or out of order"
        for place, (before, after) in enumerate(zip(self.seen, self.seen[1:], strict=False), start=1):
            if after != before + 1:
                assert place in self.told, f"a silent gap between {before} and {after}"
        if self.epoch and self.seen and len(self.seen) not in self.told:
            assert self.seen[-1] == published[-1], "something at the end is missing"


async def live_through(steps: list[tuple[str, int]], channel: str, tails_kept: int, directory: Path) -> None:
    readers = [Reader(channel) for _ in range(READERS)]
    published: list[int] = []
    options: dict[str, Any] = {"clock": StillClock(), "tails_kept": tails_kept, "commands_per_second": 1000}

    async def publish(node: RealtimeNode, count: int) -> None:
        numbers = list(range(len(published), len(published) + count))
        published.extend(numbers)
        await asyncio.gather(*(node.hub.publish(TENANT, channel, number) for number in numbers))

    async def publish_slowly(node: RealtimeNode, count: int) -> None:
        for _ in range(count):
            published.append(len(published))
            await node.hub.publish(TENANT, channel, published[-1])

    async def live(node: RealtimeNode, rest: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Run until a restart; return the steps after it."""
        for number, (step, value) in enumerate(rest):
            if step == "publish":
                await publish(node, value)
            elif step == "burst":  # somebody comes in the middle of it
                away = [reader for reader in readers if reader.client is None]
                await asyncio.gather(publish_slowly(node, value), *(reader.come(node) for reader in away))
            elif step == "come":
                await readers[value].come(node)
            elif step == "go":
                readers[value].go()
            elif step in ("slow", "fast"):
                readers[value].wire.slow = step == "slow"
            else:
                return rest[number + 1 :]
        return []

    rest = steps
    while rest:
        async with realtime_node(directory, **options) as node:
            rest = await live(node, rest)
            for reader in readers:
                reader.go()
    async with realtime_node(directory, **options) as node:
        await publish(node, 1)
        for reader in readers:
            if reader.epoch:
                await reader.come(node)
                await settled(reader, node)
        for reader in readers:
            reader.check(published)


async def settled(reader: Reader, node: RealtimeNode) -> None:
    """Wait until the reader stands at the channel's top, subscribing again if it must."""

    async def at_top() -> bool:
        if reader.digest():
            await reader.subscribe()
        return reader.offset == (await node.log.top(TENANT, reader.channel)).offset

    await until(at_top)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, channel=st.sampled_from(["news:a", "short:a"]), tails_kept=st.sampled_from([1, 1000]))
def test_no_loss_no_double_no_silent_gap(steps: list[tuple[str, int]], channel: str, tails_kept: int) -> None:
    """With one tail kept, nearly everything is read from disk while publications go on."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(live_through(steps, channel, tails_kept, Path(directory)))
