"""``make demo``: chatpush, the shop and their data, started together.

The first start makes ``.demo/`` (a configuration, keys, databases) and fills
it; later starts keep what is there. Ctrl-C stops everything in order. With
``--fresh`` it begins anew.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from chatpush.errors import ChatpushError
from examples.shop.catalogue import Catalogue, load
from examples.shop.help import write_for
from examples.shop.people import CUSTOMERS
from examples.shop.preparation import MARK, Prepared, prepare
from examples.shop.push import Push, PushError
from examples.shop.seeding import CAMPAIGNS, FLOWS, Seeding

HOST = "127.0.0.1"
READY_SECONDS = 90
STOP_SECONDS = 15
console = Console()


class DemoFailed(Exception):
    """The demo can't go on; the text says why and where to look."""


@dataclass(frozen=True)
class Addresses:
    """Where the two servers live."""

    port: int
    shop_port: int

    @property
    def chatpush(self) -> str:
        """chatpush, as browsers and the shop see it."""
        return f"http://{HOST}:{self.port}"

    @property
    def shop(self) -> str:
        """The shop."""
        return f"http://{HOST}:{self.shop_port}"


async def run(folder: Path, addresses: Addresses, *, once: bool = False) -> None:
    """Start everything, fill it if it is new, and wait for the end."""
    for port in (addresses.port, addresses.shop_port):
        must_be_free(port)
    stop = asyncio.Event()
    for signalled in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signalled, stop.set)
    prepared = await prepare(folder, addresses.port, addresses.shop)
    async with AsyncExitStack() as stack:
        chatpush = await stack.enter_async_context(serving_chatpush(folder, prepared, addresses))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        with console.status("chatpush is starting"):
            await until_ready(session, f"{addresses.chatpush}/readyz", chatpush, folder / "chatpush.log")
        await _fill(folder, prepared, Push(session, addresses.chatpush, prepared.secret_key), addresses, stop)
        if stop.is_set():
            return
        shop = await stack.enter_async_context(serving_shop(folder, prepared, addresses))
        with console.status("the shop is opening"):
            await until_ready(session, addresses.shop, shop, folder / "shop.log")
        console.print(_box(prepared, addresses))
        if not once:
            await _until_stopped(stop, {"chatpush": chatpush, "shop": shop}, folder)
        console.print("stopping …")


async def _fill(
    folder: Path, prepared: Prepared, push: Push, addresses: Addresses, stop: asyncio.Event
) -> None:
    """Send the shop's data, unless a former start has finished that."""
    done = folder / "filled"
    if done.exists():
        return
    catalogue = await asyncio.to_thread(load, now=datetime.now(UTC))
    filling = asyncio.create_task(send_everything(folder, prepared, push, addresses, catalogue))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({filling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if filling.done():
        stopping.cancel()
        await filling
        done.write_text("filled; remove this file to send everything again\n", encoding="utf-8")
    else:
        filling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await filling


async def send_everything(
    folder: Path, prepared: Prepared, push: Push, addresses: Addresses, catalogue: Catalogue
) -> None:
    """Send a catalogue's items, customers and purchases, the campaigns and the articles."""
    seeding = Seeding(push, catalogue, addresses.shop)
    users = len(set(catalogue.countries) | set(CUSTOMERS))
    steps = (
        ("items", len(catalogue.items), seeding.items),
        ("customers", users, seeding.users),
        ("purchases", len(catalogue.purchases), seeding.purchases),
        ("campaigns", len(CAMPAIGNS) + len(FLOWS), seeding.campaigns),
    )
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = [progress.add_task(name, total=total, start=False) for name, total, _ in steps]
        articles = progress.add_task("articles", total=1, start=False)
        for bar, (_, _, send) in zip(bars, steps, strict=True):
            progress.start_task(bar)
            await send(lambda count, bar=bar: progress.advance(bar, count))  # type: ignore[misc]
        progress.start_task(articles)
        await _import_knowledge(folder, prepared, addresses)
        progress.advance(articles)


async def _import_knowledge(folder: Path, prepared: Prepared, addresses: Addresses) -> None:
    """Do what an operator does: ``chatpush knowledge import PATH``."""
    copy = folder / "knowledge"
    write_for(addresses.shop, copy)
    command = [
        sys.executable,
        "-m",
        "chatpush",
        "--config",
        str(prepared.config),
        "knowledge",
        "import",
        str(copy),
        "--url",
        addresses.chatpush,
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"CHATPUSH_KEY": prepared.secret_key},
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise DemoFailed(f"`chatpush knowledge import` failed:\n{said.decode()}")


def serving_chatpush(
    folder: Path, prepared: Prepared, addresses: Addresses
) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Run chatpush for as long as the block lasts."""
    serve = ["-m", "chatpush", "--config", str(prepared.config), "serve", "--host", HOST]
    return _running([*serve, "--port", str(addresses.port)], {}, folder / "chatpush.log")


def serving_shop(
    folder: Path, prepared: Prepared, addresses: Addresses
) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Run the shop for as long as the block lasts."""
    serve = ["-m", "examples.shop.shop", "--host", HOST, "--port", str(addresses.shop_port)]
    where = ["--chatpush", addresses.chatpush, "--database", str(folder / "shop.db")]
    secrets = {
        "SHOP_SECRET_KEY": prepared.secret_key,
        "SHOP_PUBLIC_KEY": prepared.public_key,
        "SHOP_TOKEN_SECRET": prepared.token_secret,
        "SHOP_INTERNAL_TOKEN": prepared.internal_token,
    }
    return _running([*serve, *where], secrets, folder / "shop.log")


@asynccontextmanager
async def _running(
    arguments: list[str], extra: dict[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python program for as long as the block lasts, its words in a file.

    It has a session of its own: Ctrl-C reaches this program alone, which then
    stops the others in order.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=output,
            stderr=output,
            env=os.environ | extra,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def until_ready(
    session: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process, log: Path
) -> None:
    """Ask until the server answers well.

    Raises:
        DemoFailed: it ended or stayed silent; with the end of its log.
    """
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            break
        try:
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                if answer.ok:
                    return
        except (aiohttp.ClientError, TimeoutError):
            pass
        await asyncio.sleep(0.2)
    raise DemoFailed(f"{url} does not answer. The end of {log}:\n{_tail(log)}")


async def _until_stopped(
    stop: asyncio.Event, processes: dict[str, asyncio.subprocess.Process], folder: Path
) -> None:
    """Wait for Ctrl-C.

    Raises:
        DemoFailed: one of the servers ended by itself.
    """
    stopping = asyncio.create_task(stop.wait())
    ends = {asyncio.create_task(process.wait()): name for name, process in processes.items()}
    done, waiting = await asyncio.wait({stopping, *ends}, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    ended = [ends[task] for task in done if task in ends]
    if ended and not stop.is_set():
        log = folder / f"{ended[0]}.log"
        raise DemoFailed(f"{ended[0]} has ended. The end of {log}:\n{_tail(log)}")


def _box(prepared: Prepared, addresses: Addresses) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_row("[b]Shop[/b]", addresses.shop)
    table.add_row("Back office", f"{addresses.shop}/office  (demo controls)")
    table.add_row("[b]Console[/b]", f"{addresses.chatpush}/console/")
    table.add_row("Sign in", f"{prepared.email}  [b]{prepared.password}[/b]")
    table.add_row("", "")
    table.add_row("", "Ctrl-C stops everything; what you did is kept. --fresh begins anew.")
    return Panel(table, title="Hearth & Lantern is open", expand=False, padding=(1, 2), border_style="green")


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def must_be_free(port: int) -> None:
    """Check that nobody listens on a port.

    Raises:
        DemoFailed: somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoFailed(f"port {port} is taken; choose others with --port and --shop-port") from error


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8000, help="chatpush's port (8000)")
    parser.add_argument("--shop-port", type=int, default=8100, help="the shop's port (8100)")
    parser.add_argument(
        "--directory", type=Path, default=Path(".demo"), help="where everything is kept (.demo)"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what a former demo kept")
    parser.add_argument(
        "--once", action="store_true", help="stop as soon as everything runs (to test the demo)"
    )
    given = parser.parse_args()
    try:
        if given.fresh:
            forget(given.directory)
        asyncio.run(run(given.directory.resolve(), Addresses(given.port, given.shop_port), once=given.once))
    except (DemoFailed, PushError, ChatpushError, OSError) as error:
        console.print(f"[red]The demo could not run:[/red] {error}", highlight=False)
        sys.exit(1)


def forget(folder: Path) -> None:
    """Remove a former demo.

    Raises:
        DemoFailed: the directory holds something else.
    """
    if not folder.exists():
        return
    if not (folder / MARK).exists() and any(folder.iterdir()):
        raise DemoFailed(f"{folder} was not made by the demo; it is left alone")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
