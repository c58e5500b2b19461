"""What is measured inside a process of its own, without a network: the durable log, and many channels."""

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.machine import SERVER_CORE, prefer
from bench.watched import Watch
from chatpush.clock import SystemClock
from chatpush.domain import TenantId
from chatpush.log.contract import ClientInfo, Draft, Retention, Sealing
from chatpush.log.embedded import TAILS_KEPT, EmbeddedLog
from chatpush.process import GC_THRESHOLDS
from chatpush.realtime.catching_up import CatchUp
from chatpush.realtime.feed import LiveChannel, Subscription
from chatpush.realtime.listening import Wire
from chatpush.realtime.protocol.codec import Frame
from chatpush.realtime.protocol.codes import Disconnect
from chatpush.realtime.traffic import Way
from chatpush.settings import ChannelOptions

TENANT = TenantId("default")
BODY = json.dumps({"p": "x" * 110}).encode()
SECONDS = 3.0
A_TURN = 200


class NoWire:
    """A wire to nowhere."""

    def write(self, frame: Frame) -> None:
        """Forget it."""

    def congested(self) -> bool:
        """Never."""
        return False

    async def drained(self) -> None:
        """Always."""

    def close(self, disconnect: Disconnect) -> None:
        """Nothing to close."""


class NoReader:
    """Whoever reads through it."""

    def __init__(self) -> None:
        self.wire: Wire = NoWire()

    def lost(self, subscription: Subscription) -> None:
        """Nothing is lost."""

    def slow(self) -> None:
        """Never."""


async def _ready(_tenant: TenantId, _channel: str) -> None:
    return


def _plain(_tenant: TenantId, _channel: str, _place: str, data: bytes) -> bytes:
    return data


def open_log(
    directory: str, retention: Retention, synchronous: str, tails_kept: int = TAILS_KEPT
) -> EmbeddedLog:
    """Return a log in a directory, unsealed: sealing is measured by the publishes over HTTP."""
    sealing = Sealing(_ready, _plain, _plain)
    return EmbeddedLog(
        Path(directory) / "log.db", lambda _: retention, sealing, SystemClock(),
        synchronous=synchronous, tails_kept=tails_kept,
    )  # fmt: skip


async def durable(synchronous: str, outstanding: int) -> dict[str, float]:
    """Return appends per second with so many waiting for the disk, and the longest pause of the loop."""
    with tempfile.TemporaryDirectory(dir=".") as directory:
        log = open_log(directory, Retention(1000, 0, True), synchronous)
        await log.start()
        stop = time.monotonic() + SECONDS
        done = 0

        async def append(number: int) -> None:
            nonlocal done
            while time.monotonic() < stop:
                await log.append(TENANT, f"durable:{number % 100}", Draft(BODY))
                done += 1

        watch = watching()
        began = time.monotonic()
        await asyncio.gather(*(append(number) for number in range(outstanding)))
        rate = done / (time.monotonic() - began)
        await log.stop()
        return {"rate": rate, "turn_ms": watch.longest_ms}


def watching() -> Watch:
    """Return a watch on this loop, with the collector of cycles set as in a server."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    watch = Watch(asyncio.get_running_loop())
    watch.begin()
    watch.look()
    return watch


async def channels(count: int) -> dict[str, float]:
    """Return seconds to start and stop so many channels, one subscriber each, bytes per idle channel, longest turn.

    A turn of the loop brings ``A_TURN`` of them, as it does when a crowd subscribes.
    """
    with tempfile.TemporaryDirectory(dir=".") as directory:
        log = open_log(directory, Retention(10, 600, False), "NORMAL", count)
        await log.start()
        options = ChannelOptions(durability="memory")
        wire, reader = NoWire(), NoReader()
        catch_up = CatchUp(log, reader, Way("nowhere", binary=False))
        info = ClientInfo("u", "c")
        watch = watching()
        before, began = rss(), time.monotonic()
        live: dict[tuple[TenantId, str], LiveChannel] = {}
        for number in range(count):
            name = f"bench:{number}"
            channel = LiveChannel(TENANT, name, options)
            live[TENANT, name] = channel
            subscription = Subscription(channel, wire, catch_up, info, server_side=False)
            channel.add(subscription)
            subscription.stand_at(await log.top(TENANT, name))
            subscription.settle()
            if number % A_TURN == 0:
                await asyncio.sleep(0)
        size = (rss() - before) / count
        for number in range(count):
            channel = live.pop((TENANT, f"bench:{number}"))
            for subscription in list(channel.subscriptions.values()):
                channel.remove(subscription)
            if number % A_TURN == 0:
                await asyncio.sleep(0)
        took = time.monotonic() - began
        await log.stop()
        return {"seconds": took, "bytes": size, "turn_ms": watch.longest_ms}


def rss() -> int:
    """Return this process' resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(what: str) -> dict[str, float]:
    """Run one of the measurements by name."""
    if what == "channels":
        return await channels(300_000)
    return await durable(what, 512)


async def in_process(what: str) -> dict[str, float]:
    """Run a measurement in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.storage", what, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


if __name__ == "__main__":
    prefer(SERVER_CORE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure(sys.argv[1]))))
