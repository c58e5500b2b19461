"""The ten lines run, and their message arrives."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import jwt
from aiohttp import ClientConnectionError, ClientSession

from chatpush.cli.init import create
from chatpush.configuration import load
from examples.shop.demo import HOST
from tests.waiting import until

MAIN = Path(__file__).parents[2] / "examples" / "minimal" / "main.py"


async def test_ten_lines_serve_and_write_to_a_user(tmp_path: Path, unused_tcp_port: int) -> None:
    await create(tmp_path, "ada@example.com")
    secret = load(tmp_path / "chatpush.toml", {}).client.token.hmac_secret_key
    environment = os.environ | {"CHATPUSH_SERVER_PORT": str(unused_tcp_port)}
    process = await asyncio.create_subprocess_exec(sys.executable, MAIN, cwd=tmp_path, env=environment)
    headers = {"Authorization": f"Bearer {jwt.encode({'sub': '42'}, secret, algorithm='HS256')}"}
    try:
        async with ClientSession(f"http://{HOST}:{unused_tcp_port}", headers=headers) as http:

            async def inbox() -> list[Any]:
                try:
                    async with http.get("/v1/me/inbox") as answer:
                        return list((await answer.json())["data"])
                except ClientConnectionError:
                    return []

            [item] = await until(inbox, seconds=60)
        assert (item["title"], item["body"]) == ("Shipped", "Your lantern is on its way.")
    finally:
        process.terminate()
        await process.wait()
