"""A small server that speaks the real streaming protocol, as scripted.

Each request takes the next script; the requests are kept. A script is a list
of steps: chunks, raw bytes, a wait until the test is over, a cut.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True)
class Raw:
    """Bytes sent as they are."""

    data: bytes


@dataclass(frozen=True)
class Stall:
    """Silence until the client leaves."""


@dataclass(frozen=True)
class Cut:
    """The connection breaks."""


@dataclass(frozen=True)
class Gate:
    """Wait until the test opens it."""

    event: asyncio.Event


@dataclass(frozen=True)
class Refuse:
    """An answer that is no stream."""

    status: int
    body: str = '{"error": {"message": "no"}}'
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Step = dict[str, Any] | Raw | Stall | Cut | Gate
Reply = Sequence[Step] | Refuse
Script = Reply | Callable[[dict[str, Any]], Reply]
"""A stream, a refusal, or what makes one of the request: a model that obeys whoever speaks in it."""
DONE = Raw(b"data: [DONE]\n\n")


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """Return one chunk of a stream."""
    return {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip


def usage(total: int) -> dict[str, Any]:
    """Return the last chunk, which has no choices."""
    return {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [],
        "usage": {"prompt_tokens": total - 5, "completion_tokens": 5, "total_tokens": total},
    }  # fmt: skip


def text(*pieces: str, total: int = 50, done: bool = True) -> list[Step]:
    """Return a stream that says something."""
    steps: list[Step] = [chunk({"role": "assistant", "content": ""})]
    steps += [chunk({"content": piece}) for piece in pieces]
    steps += [chunk({}, "stop"), usage(total)]
    return [*steps, DONE] if done else steps


def call(*calls: tuple[str, dict[str, Any]]) -> list[Step]:
    """Return a stream that calls tools, the arguments in two pieces each."""
    steps: list[Step] = [chunk({"role": "assistant", "content": None})]
    for index, (name, arguments) in enumerate(calls):
        written = json.dumps(arguments)
        half = len(written) // 2
        head = {"name": name, "arguments": written[:half]}
        steps.append(
            chunk(
                {"tool_calls": [{"index": index, "id": f"id{index}", "type": "function", "function": head}]}
            )
        )
        steps.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": written[half:]}}]}))
    return [*steps, chunk({}, "tool_calls"), usage(40), DONE]


@dataclass
class ScriptedModel:
    """What is to be answered, what was asked."""

    url: str = ""
    scripts: list[Script] = field(default_factory=list)
    otherwise: Script = field(default_factory=lambda: Refuse(500))
    json: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def will(self, *scripts: Script) -> None:
        """Add what the next requests get."""
        self.scripts += scripts

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Play the next script."""
        self.requests.append(await request.json())
        script = self.scripts.pop(0) if self.scripts else self.otherwise
        script = script(self.requests[-1]) if callable(script) else script
        if isinstance(script, Refuse):
            return web.Response(
                status=script.status,
                text=script.body,
                content_type=script.content_type,
                headers=script.headers,
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step in script:
            if isinstance(step, Cut):
                assert request.transport is not None
                request.transport.abort()
                return response
            if isinstance(step, Stall):
                await self.over.wait()
            elif isinstance(step, Gate):
                await step.event.wait()
            else:
                data = step.data if isinstance(step, Raw) else f"data: {json.dumps(step)}\n\n".encode()
                await response.write(data)
        return response

    async def answer_json(self, request: web.Request) -> web.Response:
        """Answer at once with what the path's function says of the body; a number is a status."""
        path, body = request.path.removeprefix("/v1/"), await request.json()
        self.asked.append((path, body))
        answer = self.json[path](body) if path in self.json else 404
        return web.Response(status=answer) if isinstance(answer, int) else web.json_response(answer)


@asynccontextmanager
async def scripted_model() -> AsyncIterator[ScriptedModel]:
    """Serve a scripted model on loopback."""
    model = ScriptedModel()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    app.router.add_post("/v1/{kind:embeddings|moderations|rerank}", model.answer_json)
    async with TestServer(app) as server:
        model.url = str(server.make_url("/v1"))
        yield model
        model.over.set()
