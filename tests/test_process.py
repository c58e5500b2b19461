"""The process stops when it is told to, whatever hangs."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from chatpush.cli.init import create

HANGING = """
import asyncio, contextlib, sys
from pathlib import Path
from chatpush import process
from chatpush.app import Chatpush
from chatpush.configuration import load

@contextlib.asynccontextmanager
async def serving(self):
    print("up", flush=True)
    yield self
    await asyncio.Event().wait()

Chatpush.serving = serving
process.GRACE_SECONDS = 0.1
process.run(load(Path(sys.argv[1]), {"CHATPUSH_SERVER_DRAIN_SECONDS": "0.1"}))
"""


async def started(*command: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env=os.environ | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_hung_shutdown_ends_and_shows_where_it_hung(tmp_path: Path) -> None:
    await create(tmp_path, "ada@example.com")
    process = await started("-c", HANGING, str(tmp_path / "chatpush.toml"))
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, told = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"Timeout" in told


async def test_who_sends_nonsense_writes_nothing_into_the_log(tmp_path: Path, unused_tcp_port: int) -> None:
    await create(tmp_path, "ada@example.com")
    config = str(tmp_path / "chatpush.toml")
    variables = {"CHATPUSH_SERVER_PORT": str(unused_tcp_port), "CHATPUSH_LOG_JSON": "true"}
    process = await started("-m", "chatpush", "--config", config, "serve", **variables)
    assert process.stderr is not None
    said = b""
    while b"listening" not in said:
        said = await asyncio.wait_for(process.stderr.readline(), 30)
    nonsense = [
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\n\r\n",
    ]
    for sent in nonsense:
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        writer.close()
    process.send_signal(signal.SIGTERM)
    _, told = await asyncio.wait_for(process.communicate(), 30)
    assert [json.loads(line)["event"] for line in told.splitlines()] == ["draining"]


async def listening(config: str, port: int) -> asyncio.subprocess.Process:
    process = await started(
        "-m",
        "chatpush",
        "--config",
        config,
        "serve",
        "--port",
        str(port),
        CHATPUSH_SERVER_DRAIN_SECONDS="0.2",
    )
    assert process.stderr is not None
    said = b""
    while b"listening" not in said:
        said = await asyncio.wait_for(process.stderr.readline(), 30)
        assert said, "it ended"
    return process


async def test_a_directory_is_served_by_one_process(tmp_path: Path, unused_tcp_port: int) -> None:
    await create(tmp_path, "ada@example.com")
    config = str(tmp_path / "chatpush.toml")
    first = await listening(config, unused_tcp_port)
    second = await started("-m", "chatpush", "--config", config, "serve", "--port", "0")
    _, told = await asyncio.wait_for(second.communicate(), 30)
    assert (second.returncode, told.count(b"\n")) == (2, 1)
    assert b"another chatpush serves" in told
    listing = await started("-m", "chatpush", "--config", config, "keys", "list")
    await asyncio.wait_for(listing.communicate(), 30)
    assert listing.returncode == 0, "what only looks at the records goes on beside it"
    first.kill()
    await first.wait()
    again = await listening(config, unused_tcp_port)
    again.send_signal(signal.SIGTERM)
    await asyncio.wait_for(again.communicate(), 30)
    assert again.returncode == 0


async def test_half_a_request_does_not_keep_the_server_up(tmp_path: Path, unused_tcp_port: int) -> None:
    await create(tmp_path, "ada@example.com")
    config = str(tmp_path / "chatpush.toml")
    variables = {"CHATPUSH_SERVER_PORT": str(unused_tcp_port), "CHATPUSH_SERVER_DRAIN_SECONDS": "0.2"}
    process = await started("-m", "chatpush", "--config", config, "serve", **variables)
    assert process.stderr is not None
    line = b""
    while b"listening" not in line:
        line = await asyncio.wait_for(process.stderr.readline(), 30)
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert (await reader.read())[:10] in (b"", b"HTTP/1.1 4")
    writer.close()
