"""Start a server to be measured in a process of its own, on a core of its own."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.crowd import program
from bench.machine import SERVER_CORE, prefer

KEY = secrets.token_hex(16)
TOKEN_SECRET = secrets.token_hex(32)
SETTINGS = f"""
data_dir = "data"
log_level = "error"
[client]
insecure = true
max_connections = 400000
max_connections_per_user = 100000
[client.token]
hmac_secret_key = "{TOKEN_SECRET}"
[http_api]
key = "{KEY}"
[store]
synchronous = "%s"
[[channel.namespaces]]
name = "bench"
durability = "memory"
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
[[channel.namespaces]]
name = "feed"
durability = "memory"
history_size = 100
history_ttl_seconds = 600
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
force_recovery = true
[[channel.namespaces]]
name = "durable"
history_size = 100
history_ttl_seconds = 600
allow_subscribe_for_client = true
allow_subscribe_for_anonymous = true
force_recovery = true
"""
NGINX_MODULES = Path("/usr/lib/nginx/modules")
NCHAN = """
load_module {modules}/ngx_nchan_module.so;
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 65536;
error_log {directory}/error.log crit; pid {directory}/pid;
events {{ worker_connections 30000; }}
http {{
  access_log off; client_body_temp_path {directory}/body; keepalive_requests 100000000;
  nchan_shared_memory_size 512M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /sub {{ nchan_subscriber; nchan_channel_id $arg_id; }}
    location /pub {{ nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 20; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    port: int
    pid: int
    directory: Path

    def begin_watch(self) -> None:
        """Forget the longest turn of the loop so far; only chatpush's is watched."""
        os.kill(self.pid, signal.SIGUSR1)

    def longest_turn_ms(self) -> float:
        """Return the longest turn of the loop since ``begin_watch``, in milliseconds of CPU time."""
        return float((self.directory / "turn").read_text(encoding="ascii") or 0)

    def bearer(self) -> str:
        """Return the header with chatpush's secret key."""
        return f"Authorization: Bearer {(self.directory / 'secret').read_text(encoding='ascii')}\r\n"

    def rss_kib(self) -> int:
        """Return the process' resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise ProcessLookupError(self.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


Start = Callable[[], AbstractAsyncContextManager[Served]]


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def chatpush(synchronous: str = "FULL", more: str = "") -> AsyncIterator[Served]:
    """Run `chatpush serve` with a fresh database; ``more`` are further settings."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        create = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chatpush", "init", name, stdout=asyncio.subprocess.PIPE
        )
        output = (await create.communicate())[0].decode()
        (directory / "secret").write_text(next(word for word in output.split() if word.startswith("sk_")))
        settings = directory / "chatpush.toml"
        settings.write_text(SETTINGS % synchronous + more)
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "bench.watched",
            "--config",
            str(settings),
            "serve",
            "--port",
            str(port),
        ]
        async with _running(command, port, directory, WATCHED=str(directory / "turn")) as served:
            yield served


@contextlib.asynccontextmanager
async def naive() -> AsyncIterator[Served]:
    """Run what one writes first with aiohttp."""
    port = free_port()
    async with _running([sys.executable, "-m", "bench.baseline", str(port)], port, Path()) as served:
        yield served


@contextlib.asynccontextmanager
async def c_send() -> AsyncIterator[Served]:
    """Run the plain C server."""
    port = free_port()
    async with _running([str(program("send")), str(port)], port, Path()) as served:
        yield served


def nchan_missing() -> str:
    """Return why nchan can't be measured, or nothing."""
    if shutil.which("nginx") is None or not (NGINX_MODULES / "ngx_nchan_module.so").exists():
        return "nginx with nchan is not installed (apt-get install nginx libnginx-mod-nchan)"
    return ""


@contextlib.asynccontextmanager
async def nchan() -> AsyncIterator[Served]:
    """Run nginx with nchan, one worker."""
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        config = Path(name) / "nginx.conf"
        config.write_text(NCHAN.format(modules=NGINX_MODULES, directory=name, port=port))
        async with _running(["nginx", "-p", name, "-c", str(config)], port, Path(name)) as served:
            yield served


@contextlib.asynccontextmanager
async def _running(command: list[str], port: int, directory: Path, **more: str) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        *command, preexec_fn=lambda: prefer(SERVER_CORE), env=os.environ | more
    )
    try:
        await _listening(port, process)
        yield Served(port, process.pid, directory)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
