"""http_stream, sse and emulation: the public JavaScript client in Chromium, and raw HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web
from centrifuge.protocol import client_pb2
from msgspec import Raw
from playwright.async_api import Page, async_playwright
from websockets.asyncio.client import connect

from chatpush.clock import SystemClock
from chatpush.domain import TenantId, UserId
from chatpush.realtime.protocol import frames, protobuf
from chatpush.web.transports import stream_wire
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until
from tests.widget.conftest import ARGS, browser_path

TENANT = TenantId("default")
ASSETS = Path(__file__).parent / "assets"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock(), allowed_origins=["*"]) as node:
        yield node


@pytest.fixture
async def address(node: RealtimeNode) -> AsyncIterator[str]:
    async with serving(node) as address:
        yield f"http://{address}"


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as http:
        yield http


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page on an origin of its own, with the client's bundle on it."""

    async def blank(_request: web.Request) -> web.Response:
        return web.Response(
            text="<!doctype html><script src=/centrifuge.js></script>", content_type="text/html"
        )

    async def script(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(ASSETS / "centrifuge.js")

    app = web.Application()
    app.router.add_get("/", blank)
    app.router.add_get("/centrifuge.js", script)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=ARGS)
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        yield page
        await browser.close()
    await runner.cleanup()


LISTEN = """([transport, endpoint, emulationEndpoint, token]) => {
  window.heard = []; window.events = []; window.personal = [];
  const client = new centrifuge.Centrifuge([{transport, endpoint}], {
    emulationEndpoint, token, minReconnectDelay: 10, maxReconnectDelay: 100,
  });
  client.on('connected', (ctx) => events.push(ctx.transport));
  client.on('publication', ({data}) => personal.push(data));
  const news = client.newSubscription('news:a');
  news.on('publication', ({data}) => heard.push(data));
  const room = client.newSubscription('room:a');
  room.on('publication', ({data}) => heard.push(data));
  Object.assign(window, {client, room, news});
  news.subscribe(); room.subscribe(); client.connect();
}"""


@pytest.mark.parametrize("transport", ["http_stream", "sse", "websocket"])
async def test_the_public_javascript_client(
    node: RealtimeNode, address: str, page: Page, transport: str
) -> None:
    base = address if transport != "websocket" else address.replace("http", "ws")
    endpoint, token = f"{base}/connection/{transport}", await node.token("emma")
    await page.evaluate(LISTEN, [transport, endpoint, f"{address}/emulation", token])

    async def heard() -> list[Any]:
        found: list[Any] = await page.evaluate("heard")
        return found

    await page.evaluate("Promise.all([room.ready(), news.ready()])")
    await page.evaluate("room.publish({n: 0})")
    await until(lambda: _equal(heard, [{"n": 0}]))
    await node.hub.publish(TENANT, "news:a", "新闻 1")
    await until(lambda: _equal(heard, [{"n": 0}, "新闻 1"]))
    presence = await page.evaluate("room.presence()")
    assert [info["user"] for info in presence["clients"].values()] == ["emma"]
    await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
    for number in (2, 3, 4):
        await node.hub.publish(TENANT, "news:a", number)
    await until(lambda: _equal(heard, [{"n": 0}, "新闻 1", 2, 3, 4]))
    await node.hub.publish(TENANT, "user:emma", "personal")
    await until(lambda: _equal(lambda: page.evaluate("personal"), ["personal"]))
    assert await page.evaluate("events") == [transport, transport]
    await page.evaluate("client.disconnect()")
    await until(lambda: not node.hub.is_online(TENANT, UserId("emma")))


async def _equal(read: Any, expected: list[Any]) -> bool:
    return bool(await read() == expected)


DELTAS = """([endpoint, token]) => {
  window.heard = []; window.numbered = [];
  const client = new centrifuge.Centrifuge(endpoint, {token, minReconnectDelay: 10, maxReconnectDelay: 100});
  const diff = client.newSubscription('diff:a', {delta: 'fossil'});
  diff.on('publication', ({data}) => heard.push(data));
  const tagged = client.newSubscription('tagged:a');
  tagged.on('publication', ({data}) => numbered.push(data));
  diff.subscribe(); tagged.subscribe(); client.connect();
  return Promise.all([diff.ready(), tagged.ready()]);
}"""


async def test_deltas_and_numbers_in_the_public_javascript_client(
    node: RealtimeNode, address: str, page: Page
) -> None:
    def state(number: int) -> dict[str, Any]:
        return {"count": number, "rest": ["新闻 does not change", *range(60)]}

    endpoint = f"{address.replace('http', 'ws')}/connection/websocket"
    await page.evaluate(DELTAS, [endpoint, await node.token("emma")])
    for number in range(3):
        await node.hub.publish(TENANT, "diff:a", state(number))
        await node.hub.publish(TENANT, "tagged:a", number)
    await until(lambda: _equal(lambda: page.evaluate("heard.map(one => one.count)"), [0, 1, 2]))
    await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
    for number in range(3, 6):
        await node.hub.publish(TENANT, "diff:a", state(number))
        await node.hub.publish(TENANT, "tagged:a", number)
    await until(lambda: _equal(lambda: page.evaluate("heard"), [state(number) for number in range(6)]))
    await until(lambda: _equal(lambda: page.evaluate("numbered"), list(range(6))))


FILTERED = """([transport, endpoint, emulationEndpoint, token]) => {
  window.heard = []; window.failed = [];
  const client = new centrifuge.Centrifuge([{transport, endpoint}], {
    emulationEndpoint, token, minReconnectDelay: 10, maxReconnectDelay: 100,
  });
  const leaf = (key, cmp, val) => ({key, cmp, val});
  const tagsFilter = {op: 'and', nodes: [
    {op: 'or', nodes: [leaf('size', 'eq', 'L'), {key: 'size', cmp: 'in', vals: ['XL', 'XXL']}]},
    {op: 'not', nodes: [leaf('price', 'gt', '10.5')]},
  ]};
  window.tagged = client.newSubscription('tagged:a', {tagsFilter});
  tagged.on('publication', ({data}) => heard.push(data));
  const refused = client.newSubscription('news:a', {tagsFilter});
  refused.on('unsubscribed', ({code}) => failed.push(code));
  tagged.subscribe(); refused.subscribe(); client.connect();
}"""


@pytest.mark.parametrize("transport", ["http_stream", "sse", "websocket"])
async def test_a_tag_filter_in_the_public_javascript_client(
    node: RealtimeNode, address: str, page: Page, transport: str
) -> None:
    """Live, recovered and changed on the way; where it is not allowed it is refused for good."""
    base = address if transport != "websocket" else address.replace("http", "ws")
    endpoint, token = f"{base}/connection/{transport}", await node.token("emma")

    async def publish(name: str) -> None:
        for size, price in (("S", "1"), ("L", "9"), ("XL", "10.50"), ("XXL", "10.51"), ("L", "x")):
            await node.hub.publish(TENANT, "tagged:a", name + size, tags={"size": size, "price": price})

    async def heard(expected: list[str]) -> None:
        await until(lambda: _equal(lambda: page.evaluate("heard"), expected))

    await page.evaluate(FILTERED, [transport, endpoint, f"{address}/emulation", token])
    await page.evaluate("tagged.ready()")
    await publish("a")
    await heard(["aL", "aXL", "aL"])
    await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
    await publish("b")
    await heard(["aL", "aXL", "aL", "bL", "bXL", "bL"])
    await until(lambda: _equal(lambda: page.evaluate("failed"), [103]))
    await page.evaluate("tagged.setTagsFilter({key: 'size', cmp: 'eq', val: 'S'}); heard.length = 0")
    await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
    await page.evaluate("tagged.ready()")
    await publish("c")
    await heard(["cS"])


async def line(response: ClientResponse) -> Any:
    """Return the next message of a stream of lines."""
    async with asyncio.timeout(20):
        return json.loads(await response.content.readline())


async def event(response: ClientResponse) -> Any:
    """Return the next message of a stream of events."""
    async with asyncio.timeout(20):
        data = await response.content.readline()
        assert await response.content.readline() == b"\n"
        return json.loads(data.removeprefix(b"data: "))


async def test_a_stream_is_commanded_by_emulation(
    node: RealtimeNode, address: str, http: ClientSession
) -> None:
    first = {"id": 1, "connect": {"token": await node.token("emma")}}
    async with http.post(f"{address}/connection/http_stream", json=first) as response:
        assert response.headers["X-Accel-Buffering"] == "no"
        connected = (await line(response))["connect"]
        assert connected["session"]
        where = {"session": connected["session"], "node": connected["node"]}
        for data in ('{"id":2,"ping":{}}\n{"id":3,"subscribe":{"channel":"news:a"}}', {"id": 4, "ping": {}}):
            async with http.post(f"{address}/emulation", json={**where, "data": data}) as answer:
                assert answer.status == 204
        assert [(await line(response))["id"] for _ in range(3)] == [2, 3, 4]
        await node.hub.publish(TENANT, "news:a", {"n": 1})
        assert (await line(response))["push"]["pub"]["data"] == {"n": 1}
        await node.hub.disconnect(TENANT, UserId("emma"))
        goodbye = (await line(response))["push"]["disconnect"]
        assert goodbye == {"code": 3503, "reason": "force disconnect"}
        assert await response.content.read() == b""
    async with http.post(f"{address}/emulation", json={**where, "data": "{}"}) as answer:
        assert answer.status == 204  # the session is over; its stream has said so
    async with http.post(f"{address}/emulation", json={**where, "node": "x", "data": "{}"}) as answer:
        assert answer.status == 404


async def test_a_stream_speaks_protobuf(node: RealtimeNode, address: str, http: ClientSession) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    first = protobuf.delimited(
        frames.Command(id=1, connect=frames.ConnectRequest(token=await node.token("emma")))
    )
    async with http.post(f"{address}/connection/http_stream", data=first, headers=kind) as response:

        async def reply() -> client_pb2.Reply:
            size = shift = 0
            while True:
                byte = (await response.content.readexactly(1))[0]
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return client_pb2.Reply.FromString(await response.content.readexactly(size))

        connected = (await reply()).connect
        command = frames.Command(id=2, subscribe=frames.SubscribeRequest(channel="news:a"))
        emulated = frames.EmulationRequest(
            connected.node, connected.session, Raw(protobuf.delimited(command))
        )
        body = protobuf.encode(emulated)
        async with http.post(f"{address}/emulation", data=body, headers=kind) as answer:
            assert answer.status == 204
        assert (await reply()).subscribe.recoverable
        await node.hub.publish(TENANT, "news:a", {"n": 1})
        assert (await reply()).push.pub.data == b'{"n":1}'
        await node.hub.disconnect(TENANT, UserId("emma"))
        assert (await reply()).push.disconnect.code == 3503


@pytest.mark.parametrize("body", [b"", b"{", b'{"data":7}', b'{"node":1}'])
async def test_a_broken_emulation_request(address: str, http: ClientSession, body: bytes) -> None:
    async with http.post(f"{address}/emulation", data=body) as answer:
        assert answer.status in (404, 422)


async def test_a_broken_first_frame_ends_the_stream(address: str, http: ClientSession) -> None:
    async with http.post(f"{address}/connection/http_stream", data="nonsense") as response:
        assert (await line(response))["push"]["disconnect"]["code"] == 3501


async def test_what_is_too_large_is_refused(node: RealtimeNode, address: str, http: ClientSession) -> None:
    large = json.dumps({"id": 1, "connect": {"token": "x" * node.settings.client.max_message_bytes}})
    for path in ("connection/http_stream", "connection/sse", "connection/uni_http_stream", "emulation"):
        async with http.post(f"{address}/{path}", data=large) as response:
            assert response.status == 413, path
    assert node.hub.counts().connections == 0


async def test_a_broken_frame_in_protobuf_ends_the_stream(address: str, http: ClientSession) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    for broken in (b"\xff" * 20, b"\x05\x08", b"\x02\xff\xff"):
        async with http.post(f"{address}/connection/http_stream", data=broken, headers=kind) as response:
            body = await response.content.read()
        assert client_pb2.Reply.FromString(body[1:]).push.disconnect.code == 3501
    async with http.post(f"{address}/emulation", data=b"\xff", headers=kind) as response:
        assert response.status == 422


async def test_a_session_ends_with_its_stream(node: RealtimeNode, address: str, http: ClientSession) -> None:
    first = json.dumps({"id": 1, "connect": {"token": await node.token("emma")}})
    async with http.get(f"{address}/connection/sse", params={"cf_connect": first}) as response:
        assert response.content_type == "text/event-stream"
        assert (await event(response))["connect"]["pong"]
        assert node.hub.is_online(TENANT, UserId("emma"))
        response.close()
    await until(lambda: not node.hub.is_online(TENANT, UserId("emma")))
    assert node.hub.counts().connections == 0


async def test_a_slow_reader_misses_nothing(tmp_path: Path, http: ClientSession) -> None:
    """Memory stays flat: it falls behind, and gets what it missed when it reads on."""
    async with realtime_node(tmp_path, SystemClock()) as node, serving(node) as address:
        first = {"id": 1, "connect": {"token": await node.token("emma")}}
        async with http.post(f"http://{address}/connection/http_stream", json=first) as response:
            await line(response)
            big = "x" * 200_000
            for number in range(30):
                await node.hub.publish(TENANT, "user:emma", [number, big])
            text = b""
            while text.count(b"\n") < 30:
                text += await response.content.readany()
            pushed = [json.loads(one)["push"]["pub"]["data"][0] for one in text.splitlines()]
            assert pushed == list(range(30))


# -- one way --------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["uni_sse", "uni_http_stream"])
async def test_a_one_way_stream(
    node: RealtimeNode, address: str, http: ClientSession, transport: str
) -> None:
    read = event if transport == "uni_sse" else line
    token = await node.token("emma", channels=("news:a",))
    url = f"{address}/connection/{transport}"
    async with http.get(url, params={"cf_connect": json.dumps({"token": token})}) as response:
        connect = (await read(response))["connect"]
        assert connect["subs"].keys() == {"user:emma", "news:a"}
        assert not connect.get("pong")
        await node.hub.publish(TENANT, "news:a", {"n": 1})
        assert await read(response) == {"channel": "news:a", "pub": {"data": {"n": 1}, "offset": 1}}
    place = {"recover": True, "epoch": connect["subs"]["news:a"]["epoch"], "offset": 0}
    asked = {"subs": {"news:a": place}}
    await until(lambda: not node.hub.is_online(TENANT, UserId("emma")))
    async with http.post(url, json=asked, headers={"Authorization": f"Bearer {token}"}) as response:
        sub = (await read(response))["connect"]["subs"]["news:a"]
        assert (sub["recovered"], [pub["data"] for pub in sub["publications"]]) == (True, [{"n": 1}])
        for connection in node.hub._registry.open:
            connection.ping()
        assert await read(response) == {}
        await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
        assert (await read(response))["disconnect"]["reconnect"]


@pytest.fixture(params=[True, False], ids=["own", "aiohttp"])
async def either(node: RealtimeNode, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A node whose WebSockets are served by our own protocol, or by aiohttp's."""
    async with serving(node, own=request.param) as address:
        yield f"http://{address}"


async def test_a_one_way_websocket(node: RealtimeNode, either: str, http: ClientSession) -> None:
    async with http.ws_connect(f"{either}/connection/uni_websocket") as socket:
        await socket.send_json({"token": await node.token("emma")})
        assert (await socket.receive_json())["connect"]["subs"].keys() == {"user:emma"}
        await node.hub.publish(TENANT, "user:emma", "hello")
        assert (await socket.receive_json())["pub"]["data"] == "hello"
        await node.hub.disconnect(TENANT, UserId("emma"))
        await socket.receive()
        assert socket.close_code == 3503


@pytest.mark.parametrize("by", ["query", "header"])
async def test_a_one_way_websocket_whose_request_says_who_it_is(
    node: RealtimeNode, either: str, http: ClientSession, by: str
) -> None:
    token = await node.token("emma", channels=("news:a",))
    place = {"recover": True, "epoch": (await node.hub.publish(TENANT, "news:a", 0)).epoch, "offset": 0}
    asked: dict[str, Any] = {"subs": {"news:a": place}}
    options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}}
    if by == "query":
        options = {"params": {"cf_connect": json.dumps({**asked, "token": token})}}
    async with http.ws_connect(f"{either}/connection/uni_websocket", **options) as socket:
        if by == "header":
            await socket.send_json(asked)
        sub = (await socket.receive_json())["connect"]["subs"]["news:a"]
        assert (sub["recovered"], [pub["data"] for pub in sub["publications"]]) == (True, [0])
        for connection in node.hub._registry.open:
            connection.ping()
        assert await socket.receive_json() == {}
        await node.hub.publish(TENANT, "news:a", 1)
        assert (await socket.receive_json())["pub"] == {"data": 1, "offset": 2}


async def test_a_one_way_websocket_says_why_it_closes(either: str, http: ClientSession) -> None:
    for first, code in (("nonsense", 3501), ('{"token":"x"}', 3500), (b"{}", 3506), ("x" * 100_000, 1009)):
        async with http.ws_connect(f"{either}/connection/uni_websocket") as socket:
            await (socket.send_bytes(first) if isinstance(first, bytes) else socket.send_str(first))
            await socket.receive()
            assert socket.close_code == code
    query = {"cf_connect": "nonsense"}
    async with http.ws_connect(f"{either}/connection/uni_websocket", params=query) as socket:
        await socket.receive()
        assert socket.close_code == 3501
    async with http.get(f"{either}/connection/uni_websocket") as response:
        assert response.status == 400
    async with http.post(f"{either}/connection/uni_sse", data=b"{") as response:
        assert response.status == 422


async def test_a_one_way_websocket_that_says_nothing_is_closed_as_stale(
    tmp_path: Path, http: ClientSession
) -> None:
    async with (
        realtime_node(tmp_path, SystemClock(), connect_timeout_seconds=0.1) as node,
        serving(node) as address,
        http.ws_connect(f"http://{address}/connection/uni_websocket") as socket,
    ):
        await socket.receive()
        assert socket.close_code == 3502


async def test_a_one_way_websocket_keeps_no_task(
    node: RealtimeNode, address: str, http: ClientSession
) -> None:
    before = len(asyncio.all_tasks())
    async with http.ws_connect(f"{address}/connection/uni_websocket") as socket:
        await socket.send_json({"token": await node.token("emma")})
        await socket.receive_json()
        await until(lambda: len(asyncio.all_tasks()) <= before)


async def test_a_one_way_websocket_answers_pings_and_notices_the_end(node: RealtimeNode, either: str) -> None:
    url = f"{either.replace('http', 'ws')}/connection/uni_websocket"
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"token": await node.token("emma")}))
        await socket.recv()
        async with asyncio.timeout(20):
            await (await socket.ping())
        await socket.send("what is said now is ignored")
        await node.hub.publish(TENANT, "user:emma", 1)
        assert json.loads(await socket.recv())["pub"]["data"] == 1
    await until(lambda: node.hub.counts().connections == 0)


async def test_a_one_way_reader_that_never_reads_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wire fills, it is closed as slow, and what is unsent is dropped with the connection."""
    async with (
        realtime_node(tmp_path, SystemClock(), slow_buffer_bytes=65_536) as node,
        serving(node) as address,
    ):
        monkeypatch.setattr(stream_wire, "CLOSE_SECONDS", 0.1)
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        token = await node.token("emma")
        writer.write(
            f"GET /connection/uni_sse HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        await until(lambda: node.hub.is_online(TENANT, UserId("emma")))
        (connection,) = node.hub._registry.open
        wire = connection.wire._inner  # type: ignore[attr-defined]
        while wire.closed_by is None:
            connection.push(frames.Push(message=frames.Message(Raw(b'"' + b"x" * 100_000 + b'"'))), "message")
            await asyncio.sleep(0)
        assert wire.closed_by.code == 3008
        await until(lambda: node.hub.counts().connections == 0)
        writer.transport.abort()
