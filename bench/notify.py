"""Measure the notification pipeline on SQLite: a campaign's users a second, a broadcast, one message to its page.

Usage: python -m bench.notify [--users 20000] [--broadcast-users 1000000] [--rate 500] [--seconds 10]
"""

import argparse
import asyncio
import gc
import json
import os
import socketserver
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import jwt

from chatpush.account.metering import Meter
from chatpush.app import Chatpush
from chatpush.cli.init import create
from chatpush.clock import SystemClock
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Category, Content, Json, TenantId, UserId
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.messages.accepted import AcceptedMessages
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.messages.messages import Messages
from chatpush.notify.sending.away import Away
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.notify.sending.sending import build_outbox
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.process import GC_THRESHOLDS
from chatpush.settings import Settings

PAGE = 500


class Nowhere:
    """A publisher that only counts: what is measured ends where realtime begins."""

    def __init__(self) -> None:
        self.published = 0

    async def publish(
        self, tenant: TenantId, channel: str, data: Json, *, idempotency_key: str = "",  # noqa: ARG002
        tags: dict[str, str] | None = None,  # noqa: ARG002
    ) -> None:  # fmt: skip
        self.published += 1


def made(directory: str) -> Chatpush:
    """Return a chatpush with records of its own."""
    (Path(directory) / "master.key").write_text(bytes(range(32)).hex())
    (Path(directory) / "master.key").chmod(0o600)
    settings = Settings.model_validate(
        {
            "data_dir": directory,
            "server": {"port": 0, "requests_per_minute": 0},
            "client": {"token": {"hmac_secret_key": "bench-secret-bench-secret-bench-secret"}},
            "notify": {"marketing_needs_consent": False, "marketing_cap": 3},
        }
    )
    return Chatpush(settings)


async def introduce(push: Chatpush, count: int) -> None:
    """Make users, some thousand at a time."""
    for start in range(0, count, 10_000):
        names = [UserId(f"u{number:07}") for number in range(start, min(count, start + 10_000))]
        await push.users.ensure(DEFAULT_TENANT, names)


async def pipeline(users: int) -> tuple[float, float]:
    """Return users a second through fan-out, policy, rendering, sealing and the inbox: by the clock, and of one core.

    The second counts the processor time of all threads, so that a busy machine does not spoil it.
    """
    with tempfile.TemporaryDirectory() as directory:
        push = made(directory)
        async with push.records():
            await introduce(push, users)
            source = LocaleSource("Hello {{ user.name or 'you' }}", "{{ item }} is {{ price|money('EUR') }}")
            await push.templates.put(DEFAULT_TENANT, "offer", {"en": source}, trusted=True)
            publisher, accepted = Nowhere(), AcceptedMessages(push.vault)
            outbox = build_outbox(
                push.database, push.vault, publisher, lambda _tenant, _user: True,
                Endpoints(push.database, push.vault, push.clock), Away([]), push.users, accepted, push.templates,
                push.plugins, Meter(push.database, push.clock), SystemClock(),
                Rules(marketing_needs_consent=False),
            )  # fmt: skip
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)  # as the server runs
            outbox.handing.open()
            messages = Messages(
                push.database, push.vault, push.audience, push.templates, push.fanout, push.clock, outbox.ring,
                handing=outbox.handing,
            )  # fmt: skip
            begun, spent = time.perf_counter(), time.process_time()
            for start in range(0, users, PAGE):
                to = tuple(
                    Recipient(user=UserId(f"u{number:07}"), data={"price": number % 90})
                    for number in range(start, min(users, start + PAGE))
                )
                draft = MessageDraft(
                    to=to, template="offer", data={"item": "A lantern"}, category=Category.MARKETING
                )
                await messages.accept(DEFAULT_TENANT, draft)
                await outbox.turn()
            while await outbox.turn() == 0:
                pass
            taken, worked = time.perf_counter() - begun, time.process_time() - spent
            await push.renderers.stop()
            assert publisher.published >= users, publisher.published
            return users / taken, users / worked


async def broadcast(users: int) -> float:
    """Return the milliseconds until a message to everybody is accepted."""
    with tempfile.TemporaryDirectory() as directory:
        push = made(directory)
        async with push.records():
            await introduce(push, users)
            if push.labelling is not None:
                await push.labelling.start()  # as a server does before it listens
            draft = MessageDraft(to=(Recipient(everyone=True),), content=Content("Sale", "All must go"))
            taken = []
            for _ in range(11):
                begun = time.perf_counter()
                await push.messages.accept(DEFAULT_TENANT, draft)
                taken.append((time.perf_counter() - begun) * 1000)
            return max(taken)


async def to_the_page(rate: int, seconds: int) -> tuple[float, float]:
    """Return the median and the 99th percentile of milliseconds from POST to the open page.

    ``chatpush serve`` is a process of its own on the first core, this one is on the last; messages are sent
    when their time has come, however slow the answers are (open loop).
    """
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        keys = await create(place, "bench@example.com")
        config, port = place / "chatpush.toml", free_port()
        secret = load(config, {}).client.token.hmac_secret_key
        token = jwt.encode({"sub": "emma", "exp": time.time() + 3600}, secret, algorithm="HS256")
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chatpush", "--config", str(config), "serve", "--port", str(port),
            env={**os.environ, "CHATPUSH_SERVER_REQUESTS_PER_MINUTE": "0"}, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(server.pid, {cores[0]})
        os.sched_setaffinity(0, {cores[-1]})
        try:
            base = f"http://127.0.0.1:{port}"
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                await ready(session, base)
                await load_page(session, base, keys.secret, token, rate, 1)  # whatever is slow once
                measured = sorted(await load_page(session, base, keys.secret, token, rate, seconds))
        finally:
            os.sched_setaffinity(0, cores)
            server.terminate()
            await server.wait()
    return statistics.median(measured), measured[int(len(measured) * 0.99)]


async def ready(session: aiohttp.ClientSession, base: str) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        try:
            async with session.get(f"{base}/readyz") as answer:
                if answer.ok:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    raise TimeoutError("the server does not come up")


async def load_page(
    session: aiohttp.ClientSession, base: str, key: str, token: str, rate: int, seconds: int
) -> list[float]:
    """Send messages to a page at a rate and return how many milliseconds each took."""
    sent: dict[str, float] = {}
    taken: list[float] = []
    arrived = asyncio.Event()
    socket = await session.ws_connect(f"{base}/connection/websocket")
    await socket.send_str(json.dumps({"id": 1, "connect": {"token": token}}))

    async def listen() -> None:
        async for frame in socket:
            now = time.perf_counter()
            for line in frame.data.splitlines():
                if line == "{}":
                    await socket.send_str("{}")
                    continue
                data = json.loads(line).get("push", {}).get("pub", {}).get("data") or {}
                if data.get("type") == "message" and data["title"] in sent:
                    taken.append((now - sent[data["title"]]) * 1000)
                    if len(taken) == rate * seconds:
                        arrived.set()

    async def send(number: int, due: float) -> None:
        title = f"{due:.6f} {number}"
        sent[title] = due  # from when it was to be sent: a client that lags behind is no excuse
        body = {"content": {"title": title}, "to": [{"user": "emma"}]}
        headers = {"Authorization": f"Bearer {key}"}
        async with session.post(f"{base}/v1/messages", json=body, headers=headers) as answer:
            assert answer.status == 202, await answer.text()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.2)
    begun, tasks = time.perf_counter(), []
    for number in range(rate * seconds):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(number, due)))
    await asyncio.gather(*tasks)
    await asyncio.wait_for(arrived.wait(), 60)
    listening.cancel()
    await socket.close()
    return taken


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as found:
        return int(found.server_address[1])


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--broadcast-users", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=10)
    given = parser.parse_args()
    by_clock, of_core = asyncio.run(pipeline(given.users))
    print(f"pipeline, users a second: {by_clock:,.0f} by the clock, {of_core:,.0f} of one core's time")
    worst = asyncio.run(broadcast(given.broadcast_users))
    print(f"broadcast to {given.broadcast_users:,}, worst of 11 in ms: {worst:.1f}")
    median, high = asyncio.run(to_the_page(given.rate, given.seconds))
    print(f"to the open page at {given.rate}/s in ms: median {median:.1f}, p99 {high:.1f}")


if __name__ == "__main__":
    main()
