"""The baseline: what one writes first with aiohttp, `await send_str` to each subscriber in turn."""

import asyncio
import json
import sys

from aiohttp import WSMsgType, web

subscribers: set[web.WebSocketResponse] = set()


async def connect(request: web.Request) -> web.WebSocketResponse:
    """Answer connect and subscribe, then keep the connection."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        for line in message.data.split("\n"):
            command = json.loads(line)
            kind = "connect" if "connect" in command else "subscribe"
            await socket.send_str(json.dumps({"id": command.get("id"), kind: {}}, separators=(",", ":")))
            if kind == "subscribe":
                subscribers.add(socket)
    subscribers.discard(socket)
    return socket


async def publish(request: web.Request) -> web.Response:
    """Send to every subscriber, one after the other."""
    command = await request.json()
    push = {"push": {"channel": command["channel"], "pub": {"data": command["data"]}}}
    text = json.dumps(push, separators=(",", ":"))
    for socket in list(subscribers):
        await socket.send_str(text)
    return web.json_response({"result": {}})


async def main(port: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_get("/connection/websocket", connect)
    app.router.add_post("/api/publish", publish)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
