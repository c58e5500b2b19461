"""A scripted chatpush server for the widget's tests: the browser half of the contract, in memory.

It speaks real HTTP, long-poll and WebSocket (the JSON client protocol: connect,
subscribe, push, ping), keeps what the widget posted for the test to look at, and
says only what the test makes it say. Nothing of the real server is imported, so a
fault there cannot hide one here.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from aiohttp import WSMsgType, web

from tests.widget.pages import plain_page, product_picture, shop_page

Json = dict[str, Any]
STATIC = Path(__file__).parents[2] / "chatpush" / "web" / "static"
ANYWHERE = {"Access-Control-Allow-Origin": "*"}
EPOCH = "mock"


def now(minutes_ago: float = 0) -> str:
    """Return a time of the wire, some minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat().replace("+00:00", "Z")


def token_for(user: str, number: int = 1) -> str:
    """Return something shaped like a JWT: the widget reads its subject, nobody checks its seal."""
    claims = json.dumps({"sub": user, "jti": number}).encode()
    body = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.seal"


def user_of(token: str) -> str:
    """Return the subject of a token made above."""
    body = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"])


class MockServer:
    """The state of one scripted server, and the doors to it."""

    def __init__(self) -> None:
        self.websocket: Literal["ok", "refuse", "hang"] = "ok"
        self.config: Json = {"name": "Harbour & Co.", "greeting": None, "suggestions": None, "theme": None}
        self.inbox: list[Json] = []
        self.receipts: list[tuple[str, str]] = []
        self.conversations: dict[str, Json] = {}
        self.preferences: Json = {
            "categories": {"marketing": True, "alert": True},
            "channels": {
                "marketing": {"inbox": True, "email": True, "pager": True},
                "alert": {"inbox": True, "email": False, "pager": True},
            },
            "quiet_hours": None,
            "timezone": "Europe/London",
            "locale": "en",
            "personalized": True,
        }
        self.consent_texts: list[str] = []
        self.promises: list[Json] = []
        self.reasons: list[Json] = []
        # What new conversations say of the queue and the office.
        self.standing: Json = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.refused_tokens: set[str] = set()
        self.failing: set[str] = set()
        # While set, a conversation's fetch is answered only when the event is.
        self.slow: asyncio.Event | None = None
        # While set, what the loader fetches is answered only when the event is.
        self.held: asyncio.Event | None = None
        self.on_turn: Callable[[str, str], Awaitable[None]] | None = None
        self.visitors = 0
        self.files: dict[str, tuple[Json, bytes]] = {}
        # While set, an upload's last bytes are read only when the event is.
        self.stalled: asyncio.Event | None = None
        self.host = ""
        self._numbers = itertools.count(1)
        self._log: dict[str, list[Json]] = defaultdict(list)
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._kept_from: dict[str, int] = {}
        self._bell = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # What tests do

    @property
    def connected(self) -> int:
        """How many WebSockets are connected and have said who they are."""
        return sum(1 for channels in self._sockets.values() if channels)

    def subscribers(self, channel: str) -> int:
        """How many WebSockets read a channel."""
        return sum(1 for channels in self._sockets.values() if channel in channels)

    def asked(self, method: str, path: str) -> list[Any]:
        """Return the bodies of the requests to a path, oldest first."""
        return [body for verb, where, body in self.requests if verb == method and where == path]

    @property
    def unread(self) -> int:
        """The unread count of the inbox."""
        counted = [item for item in self.inbox if item["badge"] is not False and item["shelf"] == "active"]
        return sum(1 for item in counted if not item["seen"])

    def item(self, **fields: Any) -> Json:
        """Make an inbox item with every field of the contract."""
        number = next(self._numbers)
        made: Json = {
            "delivery": f"dlv_{number}",
            "message": f"msg_{number}",
            "category": "transactional",
            "template": "test@1",
            "title": f"Message {number}",
            "body": "",
            "url": None,
            "image": None,
            "format": "plain",
            "data": {},
            "actions": [],
            "collapse_key": None,
            "at": now(),
            "seen": False,
            "clicked": False,
            "dismissed": False,
            "silent": False,
            "badge": True,
            "display_seconds": None,
            "shelf": "active",
        }
        return {**made, **fields}

    async def send(self, user: str, **fields: Any) -> Json:
        """Deliver a message to a user: into the inbox and onto the open page."""
        item = self.item(**fields)
        if not item["silent"]:
            self.inbox.insert(0, item)
        payload = {key: value for key, value in item.items() if key not in ("seen", "clicked", "dismissed")}
        await self.publish(f"user:{user}", {"type": "message", **payload, "unread": self.unread})
        return item

    def turn(self, by: str, text: str, **fields: Any) -> Json:
        """Make a turn with every field of the contract."""
        made: Json = {
            "id": f"trn_{next(self._numbers)}",
            "by": by,
            "name": None,
            "text": text,
            "at": now(),
            "sources": [],
            "actions": [],
            "cards": [],
            "promise": None,
            "streaming": False,
            "client_id": None,
            "attachments": [],
        }
        return {**made, **fields}

    async def say(self, conversation: str, by: str, text: str, **fields: Any) -> Json:
        """Say a whole turn in a conversation."""
        turn = self.turn(by, text, **fields)
        self.conversations[conversation]["turns"].append(turn)
        await self.publish(f"conversation:{conversation}", {"type": "turn", "turn": turn})
        return turn

    async def publish(self, channel: str, data: Json) -> None:
        """Append to a channel and tell whoever reads it."""
        self._log[channel].append(data)
        push = {"push": {"channel": channel, "pub": {"data": data, "offset": len(self._log[channel])}}}
        for socket, channels in list(self._sockets.items()):
            if channel in channels:
                await _tell(socket, push)
        self._bell.set()
        self._bell = asyncio.Event()

    def forget(self) -> None:
        """Lose what was kept of every channel: whoever comes back is told of a gap."""
        self._kept_from = {channel: len(log) + 1 for channel, log in self._log.items()}

    async def drop_sockets(self) -> None:
        """Cut every WebSocket, as a network does."""
        for socket in list(self._sockets):
            await socket.close(code=1011)

    def conversation(self, state: str = "assistant", **fields: Any) -> Json:
        """Make a conversation."""
        number = next(self._numbers)
        cid = f"cnv_{number}"
        made = {
            "id": cid,
            "channel": f"conversation:{cid}",
            "token": f"sub-{cid}",
            "state": state,
            "turns": [],
        }
        self.conversations[cid] = {**made, "about": None, "agent": None, "unread_turns": 0, **fields}
        return self.conversations[cid]

    # The server

    def app(self) -> web.Application:
        """Build the application with every door the widget uses."""
        app = web.Application(middlewares=[self._remember])
        me = "/v1/me"
        app.add_routes(
            [
                web.get("/", self._shop),
                web.get("/plain", self._plain),
                web.get("/widget.js", self._loader),
                web.get("/widget/{name}", self._file),
                web.get("/chatpush-sw.js", self._worker),
                web.get("/img/{name}", self._picture),
                web.get("/favicon.ico", self._nothing),
                web.get("/v1/widget/config", self._config),
                web.post("/v1/visitors", self._visitor),
                web.get(f"{me}/inbox", self._inbox),
                web.post(f"{me}/inbox/read-all", self._read_all),
                web.post(f"{me}/inbox/{{delivery}}/{{verb}}", self._put_away),
                web.get(f"{me}/inbox/{{delivery}}/why", self._why),
                web.post(f"{me}/receipts", self._receipts),
                web.get(f"{me}/preferences", self._get_preferences),
                web.put(f"{me}/preferences", self._put_preferences),
                web.get(f"{me}/conversations", self._list_conversations),
                web.post(f"{me}/conversations", self._open_conversation),
                web.get(f"{me}/conversations/{{id}}", self._get_conversation),
                web.post(f"{me}/conversations/{{id}}/turns", self._say),
                web.post(f"{me}/conversations/{{id}}/handover", self._handover),
                web.post(f"{me}/conversations/{{id}}/stop", self._ok),
                web.post(f"{me}/conversations/{{id}}/read", self._read),
                web.post(f"{me}/conversations/{{id}}/typing", self._nothing),
                web.post(f"{me}/conversations/{{id}}/rating", self._rate),
                web.post(f"{me}/conversations/{{id}}/transcript", self._transcript),
                web.post(f"{me}/conversations/{{id}}/leave-message", self._leave),
                web.post(f"{me}/conversations/{{id}}/attachments", self._upload),
                web.get(f"{me}/conversations/{{id}}/attachments/{{file}}", self._download),
                web.delete(f"{me}/conversations/{{id}}/attachments/{{file}}", self._drop),
                web.post(f"{me}/push-subscriptions", self._nothing),
                web.post(f"{me}/push-subscriptions/remove", self._nothing),
                web.post(f"{me}/join", self._join),
                web.post(f"{me}/events", self._ok),
                web.get(f"{me}/promises", self._list_promises),
                web.delete(f"{me}/promises/{{id}}", self._cancel_promise),
                web.get("/connection/websocket", self._socket),
                web.post("/connection/poll", self._poll),
            ]
        )
        app.on_shutdown.append(self._close)
        return app

    async def _close(self, _: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._bell.set()
        await self.drop_sockets()

    @web.middleware
    async def _remember(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        is_json = request.can_read_body and request.content_type == "application/json"
        body = await request.json() if is_json else None
        self.requests.append((request.method, request.path, body))
        if any(request.path.startswith(path) for path in self.failing):
            return _problem(503, "unavailable")
        if request.path.startswith("/v1/me/"):
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if not token or token in self.refused_tokens:
                return _problem(401, "unauthenticated")
        return await handler(request)

    async def _shop(self, request: web.Request) -> web.Response:
        return shop_page(request)

    async def _plain(self, request: web.Request) -> web.Response:
        return plain_page(request)

    async def _loader(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "widget.js")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if self.held is not None:
            await self.held.wait()
        return web.FileResponse(STATIC / "widget" / request.match_info["name"], headers=ANYWHERE)

    async def _worker(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "widget" / "chatpush-sw.js")

    async def _picture(self, request: web.Request) -> web.Response:
        return product_picture(request.match_info["name"])

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _ok(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _config(self, _: web.Request) -> web.Response:
        return web.json_response(self.config)

    async def _visitor(self, _: web.Request) -> web.Response:
        self.visitors += 1
        user = f"visitor_{self.visitors}"
        return web.json_response({"user": user, "token": token_for(user)})

    async def _inbox(self, request: web.Request) -> web.Response:
        limit = int(request.query["limit"])
        state = request.query.get("state", "active")
        items = [item for item in self.inbox if not item["dismissed"] and item["shelf"] == state]
        after = request.query.get("starting_after")
        if after:
            items = items[[item["delivery"] for item in items].index(after) + 1 :]
        page = {"data": items[:limit], "has_more": len(items) > limit, "unread": self.unread}
        return web.json_response(page)

    async def _put_away(self, request: web.Request) -> web.Response:
        [item] = [one for one in self.inbox if one["delivery"] == request.match_info["delivery"]]
        item["shelf"] = {"archive": "archived", "snooze": "snoozed"}.get(request.match_info["verb"], "active")
        item["snoozed_until"] = (await request.json())["until"] if item["shelf"] == "snoozed" else None
        return web.json_response({"unread": self.unread})

    async def _why(self, request: web.Request) -> web.Response:
        more = {"reasons": self.reasons} if self.reasons else {}
        return web.json_response({"delivery": request.match_info["delivery"], "steps": [], **more})

    async def _read_all(self, _: web.Request) -> web.Response:
        for item in self.inbox:
            item["seen"] = True
        return web.json_response({"unread": 0})

    async def _receipts(self, request: web.Request) -> web.Response:
        for receipt in (await request.json())["receipts"]:
            self.receipts.append((receipt["delivery"], receipt["kind"]))
            for item in self.inbox:
                if item["delivery"] == receipt["delivery"] and receipt["kind"] != "delivered":
                    item["seen"] = True
                    item[receipt["kind"]] = True
        return web.json_response({"unread": self.unread})

    async def _get_preferences(self, _: web.Request) -> web.Response:
        return web.json_response(self.preferences)

    async def _put_preferences(self, request: web.Request) -> web.Response:
        changed = await request.json()
        self.consent_texts += [changed.pop("consent_text")] if "consent_text" in changed else []
        categories, channels = changed.pop("categories", {}), changed.pop("channels", {})
        self.preferences |= changed
        self.preferences["categories"] |= categories
        for name, row in self.preferences["channels"].items():
            if name in categories:
                row.update(dict.fromkeys(row, categories[name]))
            row.update(channels.get(name, {}))
        return web.json_response(self.preferences)

    async def _list_conversations(self, _: web.Request) -> web.Response:
        newest = reversed(self.conversations.values())
        return web.json_response({"data": [{**one, "turns": []} for one in newest]})

    async def _open_conversation(self, request: web.Request) -> web.Response:
        about = (await request.json()).get("about")
        if about and len(about) > 1:
            return _problem(422, "invalid_input")
        made = self.conversation(about=about, **self.standing)
        return web.json_response(made, status=201)

    async def _get_conversation(self, request: web.Request) -> web.Response:
        found = self.conversations.get(request.match_info["id"])
        if found is None:
            return _problem(404, "not_found")
        # Taken now and delivered later: what happens in between must not be lost on the other side.
        snapshot = json.dumps(found)
        if self.slow is not None:
            await self.slow.wait()
        return web.Response(text=snapshot, content_type="application/json")

    async def _say(self, request: web.Request) -> web.Response:
        cid = request.match_info["id"]
        body = await request.json()
        known = [turn for turn in self.conversations[cid]["turns"] if turn["client_id"] == body["client_id"]]
        if known:
            return web.json_response({"turn": known[0]}, status=202)
        files = [self.files[one][0] for one in body.get("attachments", [])]
        turn = await self.say(cid, "user", body["text"], client_id=body["client_id"], attachments=files)
        if self.on_turn:
            task = asyncio.get_running_loop().create_task(_run(self.on_turn(cid, body["text"])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.json_response({"turn": turn}, status=202)

    async def _handover(self, request: web.Request) -> web.Response:
        cid = request.match_info["id"]
        self.conversations[cid]["state"] = "waiting"
        await self.publish(f"conversation:{cid}", {"type": "state", "state": "waiting", "agent": None})
        return web.json_response({}, status=202)

    async def _rate(self, request: web.Request) -> web.Response:
        made = self.conversations[request.match_info["id"]]
        made |= {"may_rate": False, "rating": await request.json()}
        return web.json_response({**made, "turns": None})

    async def _transcript(self, request: web.Request) -> web.Response:
        return web.json_response(await request.json(), status=202)

    async def _leave(self, request: web.Request) -> web.Response:
        text = (await request.json())["text"]
        return web.json_response({"turn": await self.say(request.match_info["id"], "user", text)}, status=202)

    async def _upload(self, request: web.Request) -> web.Response:
        if self.stalled is not None:
            await self.stalled.wait()
        body = await request.read()
        name = request.query["name"]
        if b"<script" in body:
            return _problem(422, "invalid_input")
        kind = "image/png" if body.startswith(b"\x89PNG") else "text/plain"
        number = f"att_{next(self._numbers)}"
        url = f"{request.path}/{number}"
        made: Json = {"id": number, "name": name, "type": kind, "size": len(body), "url": url}
        self.files[number] = (made, body)
        return web.json_response(made, status=201)

    async def _download(self, request: web.Request) -> web.Response:
        made, body = self.files[request.match_info["file"]]
        return web.Response(body=body, content_type=made["type"])

    async def _drop(self, request: web.Request) -> web.Response:
        del self.files[request.match_info["file"]]
        return web.Response(status=204)

    async def _read(self, request: web.Request) -> web.Response:
        self.conversations[request.match_info["id"]]["unread_turns"] = 0
        return web.json_response({})

    async def _join(self, request: web.Request) -> web.Response:
        token = (await request.json())["visitor_token"]
        if token in self.refused_tokens:
            return _problem(403, "forbidden")
        return web.json_response({"conversations": 1, "events": 0})

    async def _list_promises(self, _: web.Request) -> web.Response:
        return web.json_response({"data": self.promises})

    async def _cancel_promise(self, request: web.Request) -> web.Response:
        self.promises = [one for one in self.promises if one["id"] != request.match_info["id"]]
        return web.json_response({})

    # Realtime

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.websocket == "refuse":
            return _problem(403, "forbidden")
        if self.websocket == "hang":
            await self._bell.wait()
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    for line in message.data.split("\n"):
                        await self._command(socket, json.loads(line))
        finally:
            del self._sockets[socket]
        return socket

    async def _command(self, socket: web.WebSocketResponse, command: Json) -> None:
        if "connect" in command:
            token = command["connect"].get("token", "")
            if not token or token in self.refused_tokens:
                await socket.close(code=3500, message=b"invalid token")
                return
            channel = f"user:{user_of(token)}"
            self._sockets[socket].add(channel)
            subs = {channel: self._position(channel, command["connect"].get("subs", {}).get(channel, {}))}
            connect = {"client": "c1", "version": "mock", "ping": 25, "pong": True, "subs": subs}
            await _tell(socket, {"id": command["id"], "connect": connect})
        elif "subscribe" in command:
            channel = command["subscribe"]["channel"]
            self._sockets[socket].add(channel)
            subscribe = self._position(channel, command["subscribe"])
            await _tell(socket, {"id": command["id"], "subscribe": subscribe})
        elif "unsubscribe" in command:
            self._sockets[socket].discard(command["unsubscribe"]["channel"])
            await _tell(socket, {"id": command["id"], "unsubscribe": {}})

    def _position(self, channel: str, asked: Json) -> Json:
        log = self._log[channel]
        position: Json = {"recoverable": True, "positioned": True, "epoch": EPOCH, "offset": len(log)}
        if asked.get("recover"):
            since = asked.get("offset", 0)
            missed = [{"data": data, "offset": since + n + 1} for n, data in enumerate(log[since:])]
            whole = since >= self._kept_from.get(channel, 0)
            position |= {"recovered": whole, "was_recovering": True, "publications": missed if whole else []}
        return position

    async def _poll(self, request: web.Request) -> web.Response:
        body = await request.json()
        token = body.get("token") or body.get("grant", "").removeprefix("grant:")
        if not token or token in self.refused_tokens:
            return _problem(401, "unauthenticated")
        channels = [f"user:{user_of(token)}", *(one["channel"] for one in body["channels"])]
        cursor: dict[str, int] = json.loads(body["cursor"]) if body["cursor"] else {}
        cursor = {name: cursor.get(name, len(self._log[name])) for name in channels}
        deadline = asyncio.get_running_loop().time() + body["timeout"]
        while True:
            bell = self._bell
            found = [
                {"channel": name, "offset": at + n + 1, "data": data}
                for name, at in cursor.items()
                for n, data in enumerate(self._log[name][at:])
            ]
            left = deadline - asyncio.get_running_loop().time()
            if found or left <= 0:
                break
            try:
                await asyncio.wait_for(bell.wait(), left)
            except TimeoutError:
                break
        cursor = {name: len(self._log[name]) for name in channels}
        reply = {"cursor": json.dumps(cursor), "grant": f"grant:{token}", "publications": found, "gaps": []}
        return web.json_response(reply)


async def _run(work: Awaitable[None]) -> None:
    await work


async def _tell(socket: web.WebSocketResponse, message: Json) -> None:
    if not socket.closed:
        await socket.send_str(json.dumps(message))


def _problem(status: int, code: str) -> web.Response:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "request_id": "req_1"}
    return web.json_response(body, status=status, content_type="application/problem+json")
