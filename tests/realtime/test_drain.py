"""A process that is told to stop: who waits is answered, who is connected is told, and it ends in time."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from chatpush.cli.init import create
from tests.test_process import started
from tests.waiting import until

NAMESPACE = """
[[channel.namespaces]]
name = "news"
history_size = 10
allow_subscribe_for_anonymous = true
"""


async def closed_by(socket: ClientWebSocketResponse) -> int | None:
    while not socket.closed:
        await socket.receive()
    return socket.close_code


async def test_sigterm_answers_polls_sends_clients_away_and_ends(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    await create(tmp_path, "ada@example.com")
    config = tmp_path / "chatpush.toml"
    config.write_text(config.read_text() + NAMESPACE)
    process = await started(
        "-m", "chatpush", "--config", str(config), "serve",
        CHATPUSH_SERVER_PORT=str(unused_tcp_port), CHATPUSH_CLIENT_INSECURE="true",
        CHATPUSH_SERVER_DRAIN_SECONDS="4", CHATPUSH_SERVER_DRAIN_SPREAD_SECONDS="1",
    )  # fmt: skip
    assert process.stderr is not None
    while b"listening" not in await asyncio.wait_for(process.stderr.readline(), 60):
        pass
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with ClientSession() as http:
        sockets = [await http.ws_connect(f"{url}/connection/websocket") for _ in range(5)]
        sockets += [await http.ws_connect(f"{url}/connection/uni_websocket", params={"cf_connect": "{}"})]
        for socket in sockets:
            await socket.send_json({"id": 1, "connect": {}})
            assert "connect" in await socket.receive_json()
        stream = await http.post(f"{url}/connection/http_stream", json={"id": 1, "connect": {}})
        await stream.content.readline()
        ask: dict[str, Any] = {"channels": [{"channel": "news:a"}]}
        async with http.post(f"{url}/connection/poll", json=ask) as response:
            first = await response.json()
        ask |= {"cursor": first["cursor"], "grant": first["grant"]}
        waiting = asyncio.ensure_future(http.post(f"{url}/connection/poll", json=ask))

        async def held() -> bool:
            async with http.get(f"{url}/metrics") as response:
                return 'chatpush_poll_holds{tenant="default"} 1.0' in await response.text()

        await until(held)
        process.send_signal(signal.SIGTERM)
        assert [await closed_by(socket) for socket in sockets] == [3001] * 6
        assert (await stream.json(content_type=None))["push"]["disconnect"]["code"] == 3001
        async with await waiting as response:
            reply = await response.json()
        assert (response.status, reply["publications"], reply["cursor"]) == (200, [], first["cursor"])
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
