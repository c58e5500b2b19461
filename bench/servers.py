"""Start a server to be measured in a process of its own, on a core of its own."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
KEY = secrets.token_hex(16)
SETTINGS = f"""
data_dir = "data"
log_level = "error"
[client]
insecure = true
max_connections_per_user = 100000
[http_api]
key = "{KEY}"
[[channel.namespaces]]
name = "bench"
durability = "memory"
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
[[channel.namespaces]]
name = "durable"
history_size = 100
history_ttl_seconds = 600
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    port: int
    pid: int
    directory: Path

    def rss_kib(self) -> int:
        """Return the process' resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise ProcessLookupError(self.pid)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pin(core: int) -> None:
    """Keep this process on one core, where there is more than one."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


@contextlib.asynccontextmanager
async def chatpush() -> AsyncIterator[Served]:
    """Run `chatpush serve` with a fresh database."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        python = sys.executable
        create = await asyncio.create_subprocess_exec(
            python, "-m", "chatpush", "init", name, stdout=asyncio.subprocess.PIPE
        )
        output = (await create.communicate())[0].decode()
        (directory / "secret").write_text(next(word for word in output.split() if word.startswith("sk_")))
        (directory / "chatpush.toml").write_text(SETTINGS)
        port = free_port()
        command = [
            "-m",
            "chatpush",
            "--config",
            str(directory / "chatpush.toml"),
            "serve",
            "--port",
            str(port),
        ]
        async with _running(command, port, directory) as served:
            yield served


@contextlib.asynccontextmanager
async def baseline() -> AsyncIterator[Served]:
    """Run the naive aiohttp server."""
    port = free_port()
    async with _running(["-m", "bench.baseline", str(port)], port, Path()) as served:
        yield served


@contextlib.asynccontextmanager
async def _running(command: list[str], port: int, directory: Path) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, preexec_fn=lambda: pin(SERVER_CORE)
    )
    try:
        await _listening(port, process)
        yield Served(port, process.pid, directory)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
