"""``chatpush serve --reload-plugins``: what is saved in the editor counts for the next message."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from chatpush.cli.init import create
from tests.waiting import until

PLUGIN = """
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook

@hook
def filter_message(message):
    return Drop("{reason}")
"""


async def test_a_saved_file_counts_without_a_restart(tmp_path: Path, unused_tcp_port: int) -> None:
    keys = await create(tmp_path, "ada@example.com")
    directory = tmp_path / "plugins"
    directory.mkdir()
    plugin = directory / "judge.py"
    plugin.write_text(PLUGIN.format(reason="old"), encoding="utf-8")
    variables = {"CHATPUSH_SERVER_PORT": str(unused_tcp_port), "CHATPUSH_PLUGINS_DIRECTORY": str(directory)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chatpush", "--config", str(tmp_path / "chatpush.toml"), "serve",
        "--reload-plugins", env=os.environ | variables, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    lines: list[str] = []
    assert process.stderr is not None
    reading = asyncio.create_task(read(process.stderr, lines))
    await until(lambda: any("listening" in line for line in lines), 60)
    try:
        url = f"http://127.0.0.1:{unused_tcp_port}"
        async with ClientSession(url, headers={"Authorization": f"Bearer {keys.secret}"}) as http:
            assert await dropped(http) == "old"
            plugin.write_text("x = (\n", encoding="utf-8")
            await until(lambda: any("not reloaded" in line for line in lines))
            assert await dropped(http) == "old"
            plugin.write_text(PLUGIN.format(reason="new"), encoding="utf-8")
            await until(lambda: any("plugin reloaded" in line for line in lines))
            assert await dropped(http) == "new"
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        await reading


async def read(stream: asyncio.StreamReader, lines: list[str]) -> None:
    async for line in stream:
        lines.append(line.decode())  # noqa: PERF401 - each line counts as it comes


async def dropped(http: ClientSession) -> str:
    """Send a message and return the reason for which it was dropped."""
    body: Any = {"to": [{"user": "emma"}], "content": {"title": "Hello", "body": "there"}}
    async with http.post("/v1/messages", json=body) as answer:
        message = (await answer.json())["id"]

    async def reason() -> str:
        async with http.get(f"/v1/messages/{message}") as seen:
            return next((one["reason"] for one in (await seen.json())["deliveries"]), "") or ""

    return await until(reason)
