"""``make demo-trading``: chatpush and the trading desk in one process, with a simulated market.

The first start makes ``.demo-trading/`` (a configuration, keys, databases);
later starts keep what is there. Ctrl-C stops everything. ``--fresh`` begins anew.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

from aiohttp import web
from rich.console import Console
from rich.panel import Panel

from chatpush.app import Chatpush
from chatpush.cli.init import create
from chatpush.configuration import load
from chatpush.errors import ChatpushError
from examples.trading.broker import BrokerSettings, build

HERE = Path(__file__).parent
HOST = "127.0.0.1"
MARK = "DEMO"
EMAIL = "admin@lantern-markets.example"
console = Console()


@dataclass(frozen=True)
class Opened:
    """A running demo: where it is and who may sign in at the console."""

    desk: str
    chatpush: Chatpush
    keys: "Keys"

    @property
    def url(self) -> str:
        """chatpush's address."""
        return f"http://{HOST}:{self.chatpush.port}"


@dataclass(frozen=True)
class Keys:
    """What the desk needs to know, and what init shows once; a demo keeps it."""

    secret: str
    publishable: str
    token_secret: str
    email: str
    password: str


@asynccontextmanager
async def opened(
    folder: Path,
    port: int = 8000,
    desk_port: int = 8200,
    mail_port: int = 8225,
    *,
    escalate_seconds: int = 12,
) -> AsyncIterator[Opened]:
    """Run both until the block ends."""
    desk = f"http://{HOST}:{desk_port}"
    keys = await _prepare(folder, port, desk, mail_port)
    async with Chatpush.from_file(folder / "chatpush.toml").serving() as chatpush:
        settings = BrokerSettings(
            desk, f"http://{HOST}:{chatpush.port}", keys.secret, keys.publishable, keys.token_secret,
            mail_port, escalate_seconds,
        )  # fmt: skip
        runner = web.AppRunner(build(settings), access_log=None, shutdown_timeout=2)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, desk_port).start()
            yield Opened(desk, chatpush, keys)
        finally:
            await runner.cleanup()


async def _prepare(folder: Path, port: int, desk: str, mail_port: int) -> Keys:
    """Return the demo's keys, making everything at the first start; the ports may differ each time."""
    config, kept = folder / "chatpush.toml", folder / "keys.json"
    if kept.exists():
        keys = Keys(**json.loads(kept.read_text(encoding="utf-8")))
    else:
        _make_room(folder)
        made = await create(folder, EMAIL, (desk,))
        token_secret = load(config, {}).client.token.hmac_secret_key
        keys = Keys(made.secret, made.publishable, token_secret, made.email, made.password)
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(asdict(keys), indent=2), encoding="utf-8")
    template = Template((HERE / "chatpush.toml").read_text(encoding="utf-8"))
    text = template.substitute(
        port=port,
        mail_port=mail_port,
        desk=desk,
        desk_localhost=desk.replace(HOST, "localhost"),
        token_secret=keys.token_secret,
        templates=(HERE / "templates").as_posix(),
    )
    config.touch(mode=0o600)
    config.write_text(text, encoding="utf-8")
    return keys


def _make_room(folder: Path) -> None:
    """Make the demo's directory; what an interrupted start left half done is removed."""
    forget(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by examples/trading/demo.py; may be deleted.\n", encoding="utf-8")


def forget(folder: Path) -> None:
    """Remove a former demo, and nothing that a demo did not make.

    Raises:
        FileExistsError: the directory holds something else.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MARK).exists():
        raise FileExistsError(f"{folder} was not made by the demo; choose another with --directory")
    shutil.rmtree(folder)


async def run(folder: Path, port: int, desk_port: int, mail_port: int, *, once: bool) -> None:
    """Open the desk and wait for the end."""
    stop = asyncio.Event()
    for signalled in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signalled, stop.set)
    async with opened(folder, port, desk_port, mail_port) as demo:
        lines = (
            f"[b]Trading desk[/b]  {demo.desk}\n[b]Console[/b]       {demo.url}/console/\n"
            f"Sign in       {demo.keys.email}  [b]{demo.keys.password}[/b]\n\n"
            "Close the page before a trade is confirmed, and the pager rings;\n"
            "who does not answer that gets a letter.\nCtrl-C stops everything."
        )
        console.print(Panel(lines, title="Lantern Markets is open", expand=False, padding=(1, 2)))
        if not once:
            await stop.wait()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8000, help="chatpush's port (8000)")
    parser.add_argument("--desk-port", type=int, default=8200, help="the desk's port (8200)")
    parser.add_argument("--mail-port", type=int, default=8225, help="the traders' mail server's port (8225)")
    parser.add_argument("--directory", type=Path, default=Path(".demo-trading"), help="where things are kept")
    parser.add_argument("--fresh", action="store_true", help="forget what a former demo kept")
    parser.add_argument("--once", action="store_true", help="stop as soon as everything runs")
    given = parser.parse_args()
    folder = given.directory.resolve()
    try:
        if given.fresh:
            forget(folder)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run(folder, given.port, given.desk_port, given.mail_port, once=given.once))
    except (ChatpushError, OSError) as error:
        console.print(f"[red]The demo could not run:[/red] {error}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
