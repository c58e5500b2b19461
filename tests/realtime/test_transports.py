"""Nothing lost, nothing doubled, order kept, gaps told: one state machine over every transport, against a model."""

import asyncio
import base64
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, WSMsgType
from centrifuge.protocol import client_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from msgspec import Raw

from chatpush.clock import SystemClock
from chatpush.domain import TenantId, UserId
from chatpush.realtime.polls.grants import decode_cursor
from chatpush.realtime.protocol import frames, protobuf
from tests.realtime.node import RealtimeNode, realtime_node
from tests.waiting import until
from tests.web.test_front import Line, listening

TENANT = TenantId("default")
READERS = 2
USERS = ("emma", "lin")


class Reader:
    """A client's bookkeeping: where it stands, what it was given, where it was told of a gap."""

    def __init__(self, user: str, channel: str, http: ClientSession) -> None:
        self.user, self.channel, self.http = user, channel, http
        self.token = ""
        self.epoch, self.offset, self.cursor = "", 0, ""
        self.seen: list[int] = []
        # Numbers of publications seen before each gap that was told.
        self.told: list[int] = []
        self.placed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def here(self) -> bool:
        return self._task is not None and not self._task.done()

    async def come(self, address: str, token: str) -> None:
        """Connect, and stand in the channel when this returns."""
        if self.here:
            return
        self.token, self.placed = token, False
        self._task = asyncio.create_task(self._run(address))
        await until(lambda: self.placed or not self.here)

    async def go(self) -> None:
        """Leave without a word."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self, address: str) -> None:
        with contextlib.suppress(ClientError, ConnectionError, asyncio.IncompleteReadError):
            await self.listen(address)

    async def listen(self, address: str) -> None:
        raise AssertionError("each transport has its own")

    def commands(self) -> list[dict[str, Any]]:
        place = {"recover": True, "epoch": self.epoch, "offset": self.offset} if self.epoch else {}
        return [
            {"id": 1, "connect": {"token": self.token}},
            {"id": 2, "subscribe": {"channel": self.channel, **place}},
        ]

    def hear(self, message: dict[str, Any]) -> bool:
        """Take in a message; return whether the connection must be given up."""
        if result := message.get("subscribe"):
            if not self.epoch or not result.get("recovered"):
                self.told.append(len(self.seen))
            for publication in result.get("publications", []):
                self.take(publication)
            self.epoch, self.offset = result["epoch"], result.get("offset", 0)
            self.placed = True
        push = message.get("push", {})
        if push.get("channel") == self.channel and "pub" in push:
            self.take(push["pub"])
        assert "error" not in message, message
        return "unsubscribe" in push or "disconnect" in push

    def take(self, publication: dict[str, Any]) -> None:
        self.seen.append(publication["data"])
        self.offset = publication["offset"]

    def check(self, published: list[int]) -> None:
        """Compare with the model."""
        assert self.seen == sorted(set(self.seen)), f"doubled or out of order: {self.seen}"
        for place, (before, after) in enumerate(zip(self.seen, self.seen[1:], strict=False), start=1):
            assert after == before + 1 or place in self.told, f"a silent gap between {before} and {after}"
        if self.seen and len(self.seen) not in self.told:
            assert self.seen[-1] == published[-1], "something at the end is missing"


class OverWebSocket(Reader):
    async def listen(self, address: str) -> None:
        async with self.http.ws_connect(f"http://{address}/connection/websocket") as socket:
            await socket.send_str("\n".join(json.dumps(command) for command in self.commands()))
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    return
                over = [self.hear(json.loads(line)) for line in frame.data.split("\n")]
                if True in over:
                    return


class Binary(Reader):
    """The same in Protobuf, written and read by Google's own implementation."""

    def __init__(self, user: str, channel: str, http: ClientSession) -> None:
        super().__init__(user, channel, http)
        self._rest = b""

    def encoded(self, *commands: dict[str, Any]) -> bytes:
        parsed = [ParseDict(command, client_pb2.Command()).SerializeToString() for command in commands]
        return b"".join(protobuf.varint(len(one)) + one for one in parsed)

    def decoded(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that are whole, with the data of publications as in JSON."""
        self._rest += data
        found = []
        while (begin := next((at for at, byte in enumerate(self._rest, 1) if byte < 128), 0)) > 0:
            length = sum((byte & 127) << 7 * at for at, byte in enumerate(self._rest[:begin]))
            if len(self._rest) < begin + length:
                break
            reply = client_pb2.Reply.FromString(self._rest[begin : begin + length])
            self._rest = self._rest[begin + length :]
            found.append(self.plain(reply))
        return found

    def plain(self, reply: client_pb2.Reply) -> dict[str, Any]:
        message: dict[str, Any] = MessageToDict(reply, preserving_proto_field_name=True)
        result, push = message.get("subscribe"), message.get("push", {})
        for publication in [
            *(result or {}).get("publications", []),
            *([push["pub"]] if "pub" in push else []),
        ]:
            publication["data"] = json.loads(base64.b64decode(publication["data"]))
            publication["offset"] = int(publication["offset"])
        if result is not None:
            result["offset"] = int(result.get("offset", 0))
        return message


class OverBinaryWebSocket(Binary):
    async def listen(self, address: str) -> None:
        url, self._rest = f"http://{address}/connection/websocket", b""
        async with self.http.ws_connect(url, protocols=("centrifuge-protobuf",)) as socket:
            await socket.send_bytes(self.encoded(*self.commands()))
            async for frame in socket:
                if frame.type is not WSMsgType.BINARY:
                    return
                if True in [self.hear(message) for message in self.decoded(frame.data)]:
                    return


class OverBinaryStream(Binary):
    async def listen(self, address: str) -> None:
        (first, second), self._rest = self.commands(), b""
        options: dict[str, Any] = {"headers": {"Content-Type": "application/octet-stream"}}
        url = f"http://{address}/connection/http_stream"
        async with self.http.post(url, data=self.encoded(first), **options) as response:
            async for data in response.content.iter_any():
                for message in self.decoded(data):
                    if "connect" in message:
                        where = {name: message["connect"][name] for name in ("session", "node")}
                        asked = frames.EmulationRequest(**where, data=Raw(self.encoded(second)))
                        body = protobuf.encode(asked)
                        async with self.http.post(
                            f"http://{address}/emulation", data=body, **options
                        ) as answer:
                            assert answer.status == 204
                    if self.hear(message):
                        return


class OverStream(Reader):
    """Commands beside the stream, by emulation."""

    def opened(self, address: str, first: str) -> Any:
        return self.http.post(
            f"http://{address}/connection/http_stream",
            data=first,
            headers={"Content-Type": "application/json"},
        )

    async def messages(self, response: ClientResponse) -> AsyncIterator[dict[str, Any]]:
        async for line in response.content:
            yield json.loads(line)

    async def listen(self, address: str) -> None:
        first, second = self.commands()
        async with self.opened(address, json.dumps(first)) as response:
            async for message in self.messages(response):
                if "connect" in message:
                    where = {name: message["connect"][name] for name in ("session", "node")}
                    body = {**where, "data": json.dumps(second)}
                    async with self.http.post(f"http://{address}/emulation", json=body) as answer:
                        assert answer.status == 204
                if self.hear(message):
                    return


class OverEvents(OverStream):
    def opened(self, address: str, first: str) -> Any:
        return self.http.get(f"http://{address}/connection/sse", params={"cf_connect": first})

    async def messages(self, response: ClientResponse) -> AsyncIterator[dict[str, Any]]:
        async for line in response.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


class OverPoll(Reader):
    async def listen(self, address: str) -> None:
        self.placed = bool(self.cursor)  # a cursor is a place; the reply may take its time
        while True:
            body = {
                "token": self.token,
                "channels": [{"channel": self.channel}],
                "cursor": self.cursor,
                "limit": 7,
            }
            async with self.http.post(f"http://{address}/connection/poll", json=body) as response:
                if response.status != 200:
                    return
                self.hear_reply(await response.json())

    def hear_reply(self, reply: dict[str, Any]) -> None:
        if self.channel in reply["gaps"] or not self.cursor:
            self.told.append(len(self.seen))
        for publication in reply["publications"]:
            if publication["channel"] == self.channel:
                self.take(publication)
        self.cursor, self.epoch, self.placed = reply["cursor"], "known", True
        self.offset = decode_cursor(self.cursor)[self.channel].offset


class OverKeptPoll(OverPoll):
    """By its grant, on one connection, with the same bytes but for the cursor."""

    grant = ""

    async def listen(self, address: str) -> None:
        line = Line(*await asyncio.open_connection(*address.split(":")))
        self.placed = bool(self.cursor)
        try:
            while True:
                proof = {"grant": self.grant} if self.grant else {"token": self.token}
                ask = {"channels": [{"channel": self.channel}], "cursor": self.cursor, "limit": 7, **proof}
                status, reply = await line.ask("/connection/poll", ask)
                if status != 200:
                    self.grant = ""  # taken back: it comes with its token again
                    return
                self.grant = reply["grant"]
                self.hear_reply(reply)
        finally:
            line.writer.close()


TRANSPORTS = {
    "websocket": OverWebSocket,
    "websocket in protobuf": OverBinaryWebSocket,
    "http_stream": OverStream,
    "http_stream in protobuf": OverBinaryStream,
    "sse": OverEvents,
    "poll": OverPoll,
    "poll on a kept connection": OverKeptPoll,
}


class Lives(RuleBasedStateMachine):
    """Publishers, readers, cuts and restarts, in any order."""

    transport = "websocket"
    channel = "news:a"

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.published: list[int] = []
        self.stack = contextlib.AsyncExitStack()
        self.do(self.start())
        self.http = self.do(self.open_http())
        self.readers = [TRANSPORTS[self.transport](user, self.channel, self.http) for user in USERS[:READERS]]

    def do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    async def open_http(self) -> ClientSession:
        return ClientSession(timeout=ClientTimeout(total=60))

    async def start(self) -> None:
        self.node: RealtimeNode = await self.stack.enter_async_context(
            realtime_node(Path(self.directory.name), SystemClock(), commands_per_second=1000)
        )
        port = await self.stack.enter_async_context(listening(self.node))
        self.address = f"127.0.0.1:{port}"

    async def come(self, reader: Reader) -> None:
        await reader.come(self.address, await self.node.token(reader.user))

    async def add(self, count: int) -> None:
        numbers = range(len(self.published), len(self.published) + count)
        self.published += numbers
        await asyncio.gather(*(self.node.hub.publish(TENANT, self.channel, number) for number in numbers))

    @rule(count=st.integers(1, 6))
    def publish(self, count: int) -> None:
        self.do(self.add(count))

    @rule(which=st.integers(0, READERS - 1))
    def arrive(self, which: int) -> None:
        self.do(self.come(self.readers[which]))

    @rule(which=st.integers(0, READERS - 1), count=st.integers(1, 12))
    def arrive_amid_publications(self, which: int, count: int) -> None:
        async def both() -> None:
            await asyncio.gather(self.add(count), self.come(self.readers[which]), self.add(2))

        self.do(both())

    @rule(which=st.integers(0, READERS - 1))
    def leave(self, which: int) -> None:
        self.do(self.readers[which].go())

    @rule(which=st.integers(0, READERS - 1), count=st.integers(1, 5))
    def leave_amid_publications(self, which: int, count: int) -> None:
        async def both() -> None:
            await asyncio.gather(self.add(count), self.readers[which].go())

        self.do(both())

    @rule(which=st.integers(0, READERS - 1))
    def be_cut_off(self, which: int) -> None:
        self.do(self.node.hub.disconnect(TENANT, UserId(USERS[which]), 3011, "force reconnect"))

    @precondition(lambda self: self.published)
    @rule()
    def restart(self) -> None:
        async def again() -> None:
            await self.stack.aclose()
            for reader in self.readers:
                await reader.go()
            await self.start()

        self.do(again())

    def teardown(self) -> None:
        try:
            self.do(self.finish())
            for reader in self.readers:
                reader.check(self.published)
        finally:
            self.do(self.close())
            self.runner.close()
            self.directory.cleanup()

    async def finish(self) -> None:
        """Let everybody who was ever here come back and stand at the end."""
        for reader in self.readers:
            if reader.epoch:
                await until(partial(self.back, reader))
        await self.add(1)
        top = (await self.node.log.top(TENANT, self.channel)).offset
        for reader in self.readers:
            if reader.epoch:
                await until(partial(self.back, reader, top))

    async def back(self, reader: Reader, top: int = 0) -> bool:
        """Return whether a reader is here and has read as far; bring it back if it is not here."""
        await self.come(reader)
        return reader.here and reader.placed and reader.offset >= top

    async def close(self) -> None:
        for reader in self.readers:
            await reader.go()
        await self.http.close()
        await self.stack.aclose()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("channel", ["news:a", "short:a"])
@pytest.mark.parametrize("transport", list(TRANSPORTS))
def test_nothing_lost_nothing_doubled(transport: str, channel: str) -> None:
    machine = type("Lives", (Lives,), {"transport": transport, "channel": channel})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
