"""A model's endpoint as an enemy, through the whole house: HTTP in, the customer's channel out.

Whatever it does, the customer has one whole answer in the same conversation: the
model's where it can be understood, the embedded one where it can't.
"""

import gzip
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.plugins.parts import plugin
from tests.serving import Served, serving
from tests.support.house import OrderTool
from tests.support.scripted_model import (
    DONE,
    Cut,
    Raw,
    Refuse,
    Script,
    ScriptedModel,
    Stall,
    Step,
    call,
    chunk,
    scripted_model,
    text,
    usage,
)
from tests.test_model_journey import ARTICLE, QUESTION, ask

OUR_OWN = "A refund reaches your card within 5 working days"
MODEL = "It reaches your card within 5 working days [1]."
ORDER = "Your order has shipped."
QUICK = {"first_token_seconds": 1.0, "stall_seconds": 0.4, "total_seconds": 6.0}
MEGABYTE = 2**20


def tool_call(*pieces: dict[str, Any], finish: str = "tool_calls") -> list[Step]:
    """Return a stream of these pieces of tool calls."""
    return [*(chunk({"tool_calls": [piece]}) for piece in pieces), chunk({}, finish), DONE]


def piece(name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    """Return a piece of a call."""
    told = {"name": name, "arguments": arguments}
    return {**more, "function": {key: value for key, value in told.items() if value is not None}}


def said(words: str) -> dict[str, Any]:
    """Return a chunk that says something."""
    return chunk({"content": words})


def big(delta: dict[str, Any], megabytes: int) -> list[Step]:
    """Return so many megabytes of one kind of delta, and an end."""
    one = f"data: {json.dumps(chunk(delta))}\n\n".encode()
    return [*[Raw(one * (MEGABYTE // len(one)))] * megabytes, chunk({}, "stop"), DONE]


NO_ANSWER: dict[str, list[Script]] = {
    "html with 200": [Refuse(200, "<html><body>It works!</body></html>", "text/html")],
    "empty choices and no more": [[{**chunk({}), "choices": []}, {**chunk({}), "choices": []}, DONE]],
    "silent": [[Stall()]],
    "stalls in a word": [[said("It takes 5 wor"), Stall()]],
    "cut off in the middle of a chunk": [[said("It takes "), Raw(b'data: {"choices": [{"del'), Cut()]],
    "ends in the middle of a chunk": [[said("It takes "), Raw(b'data: {"choices": [{"del')]],
    "ten megabytes of words": [big({"content": "and so on "}, 10)],
    "forty megabytes of thoughts": [big({"reasoning_content": "hm, " * 200}, 40)],
    "one event without an end": [[Raw(b"data: " + b"x" * MEGABYTE) for _ in range(10)]],
    "arguments nested too deep": [[Raw(b'data: {"a":' + b"[" * 100_000 + b"\n\n"), DONE]],
    "no such tool, for ever": [call(("sell_the_shop", {}))] * 9,
    "a tool for ever": [call(("order_status", {"order_id": "1001"}))] * 9,
    "thirty tools at once": [
        [chunk({"tool_calls": [piece("order_status", "{}", index=n, id=f"i{n}")]}) for n in range(30)]
        + [chunk({}, "tool_calls"), DONE]
    ] * 9,
    "busy for ever": [Refuse(429, headers={"Retry-After": "0"})] * 3,
    "a figure nobody gave, at the end": [[said("It takes "), said("99 days."), chunk({}, "stop"), DONE]],
}  # fmt: skip
ANSWERS: dict[str, list[Script]] = {
    "by the book": [text(MODEL)],
    "no end mark": [text(MODEL, done=False)],
    "usage first, without choices": [[usage(9), said(MODEL), chunk({}, "stop"), usage(20), DONE]],
    "busy, with a time to come back": [Refuse(429, headers={"Retry-After": "0"}), text(MODEL)],
    "busy, with a date": [Refuse(429, headers={"Retry-After": "Tue, 24 Nov 2026 18:00:00 GMT"}), text(MODEL)],
    "busy, with a number that is none": [Refuse(429, headers={"Retry-After": "nan"}), text(MODEL)],
    "half a sign in each chunk": [
        [said("It reaches your card \ud83d"), said("\ude80 within 5 working days [1]."), chunk({}, "stop"), DONE]
    ],
    "half a sign alone": [[said("It reaches \udc00your card within 5 working days [1]."), chunk({}, "stop"), DONE]],
    "signs of control": [[said("It reaches \0\7your card within 5 working days [1]."), chunk({}, "stop"), DONE]],
}  # fmt: skip
TOOLS: dict[str, Script] = {
    "deltas without an index": tool_call(
        piece("order_status", '{"order_id"', id="i1"), piece(None, ': "1001"}')
    ),
    "two calls on one index": tool_call(
        piece("order_status", '{"order_id": "1001"}', index=0, id="i1"),
        piece("order_status", '{"order_id": "9999"}', index=0, id="i2"),
    ),
    "a call that is no JSON, and one that is": tool_call(
        piece("order_status", '{"order_id": ', index=0, id="i1"),
        piece("order_status", '{"order_id": "1001"}', index=1, id="i2"),
    ),
    "a tool that is not there, and one that is": tool_call(
        piece("sell_the_shop", "{}", index=0, id="i1"),
        piece("order_status", '{"order_id": "1001"}', index=1, id="i2"),
    ),
    "half a sign in the arguments": tool_call(
        piece("order_status", '{"order_id": "1001", "note": "\\ud83d"}', index=0, id="i1")
    ),
    "finished by stop": tool_call(
        piece("order_status", '{"order_id": "1001"}', index=0, id="i1"), finish="stop"
    ),
}


@asynccontextmanager
async def house(folder: Path, url: str, **writer: Any) -> AsyncIterator[Served]:
    """Serve with a model at an address, an article and a tool that knows Emma's order."""
    orders = OrderTool({"1001": ("emma", "shipped")})

    def register_tools(settings: Any) -> list[Any]:
        return [orders]

    model = {"base_url": url, "api_key": "k", **QUICK, **writer}
    async with serving(folder, writer=model, plugins={"orders": plugin(register_tools)}) as served:
        await served.told("POST", "/v1/knowledge", {"articles": [ARTICLE]})
        yield served


async def one_answer(served: Served, question: str) -> dict[str, Any]:
    """Ask, and return the answer; nothing else is said, on the channel or in the store."""
    answer, heard = await ask(served, question)
    finished = [one["turn"] for one in heard if one["type"] == "turn" and not one["turn"]["streaming"]]
    assert [one["text"] for one in finished if one["by"] == "assistant" and one["text"]] == [answer["text"]]
    conversations = (await served.told("GET", "/v1/me/conversations", user="emma"))["data"]
    place = f"/v1/me/conversations/{conversations[0]['id']}"
    kept = await served.told("GET", place, user="emma")
    assert [(turn["by"], turn["streaming"]) for turn in kept["turns"]] == [
        ("assistant", False), ("user", False), ("assistant", False)
    ]  # fmt: skip
    assert kept["turns"][-1]["text"] == answer["text"]
    return answer


async def play(model: ScriptedModel, folder: Path, scripts: list[Script], question: str) -> dict[str, Any]:
    """Return the answer to a question while the model follows scripts."""
    async with house(folder, model.url) as served:
        model.will(*scripts)
        answer = await one_answer(served, question)
        model.over.set()
        return answer


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


@pytest.mark.parametrize("name", list(NO_ANSWER))
async def test_what_is_no_answer_leaves_the_embedded_one(
    model: ScriptedModel, tmp_path: Path, name: str
) -> None:
    answer = await play(model, tmp_path, NO_ANSWER[name], QUESTION)
    assert OUR_OWN in answer["text"]
    assert answer["sources"][0]["url"] == "https://shop.example/refunds"


@pytest.mark.parametrize("name", list(ANSWERS))
async def test_what_can_be_understood_is_said(model: ScriptedModel, tmp_path: Path, name: str) -> None:
    answer = await play(model, tmp_path, ANSWERS[name], QUESTION)
    assert answer["text"].startswith("It reaches")
    assert answer["text"].endswith("within 5 working days [1].")
    assert ("🚀" in answer["text"]) is (name == "half a sign in each chunk")
    assert "\0" not in answer["text"]


@pytest.mark.parametrize("name", list(TOOLS))
async def test_tool_calls_are_put_together(model: ScriptedModel, tmp_path: Path, name: str) -> None:
    answer = await play(model, tmp_path, [TOOLS[name], text(ORDER)], "Where is my order 1001?")
    assert ORDER in answer["text"]
    results = [json.loads(m["content"]) for m in model.requests[1]["messages"] if m["role"] == "tool"]
    assert any("Order 1001 is shipped." in one.get("text", "") for one in results)
    assert all("text" in one or "error" in one for one in results)


async def test_a_server_that_packs_its_answer_is_not_unpacked_without_end(tmp_path: Path) -> None:
    """A thousandfold: 200 KB that would be 200 MB."""
    line = f"data: {json.dumps(chunk({'reasoning_content': 'hm ' * 1000}))}\n\n".encode()
    parcel = gzip.compress(line * (200 * MEGABYTE // len(line)))

    async def bomb(request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
        return web.Response(body=parcel, headers=headers)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", bomb)
    async with TestServer(app) as server, house(tmp_path, str(server.make_url("/v1"))) as served:
        assert OUR_OWN in (await one_answer(served, QUESTION))["text"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_question_is_not_passed_on_to_another_address(
    model: ScriptedModel, tmp_path: Path, status: int
) -> None:
    """The question and what the customer said stay with the endpoint that was configured."""

    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{model.url}/{request.match_info['kind']}"})

    app = web.Application()
    app.router.add_post("/v1/{kind:.*}", elsewhere)
    model.json["embeddings"] = model.json["moderations"] = lambda _: 500
    async with TestServer(app) as server:
        more = {"embedding_model": "e", "moderation_model": "m"}
        async with house(tmp_path, str(server.make_url("/v1")), **more) as served:
            assert OUR_OWN in (await one_answer(served, QUESTION))["text"]
    assert (model.requests, model.asked) == ([], [])


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("speaks", ["plain", "unknown certificate"])
async def test_a_line_that_is_not_safe_is_not_used(model: ScriptedModel, tmp_path: Path, speaks: str) -> None:
    """The key and the question are not told to whoever can't prove its name."""
    heard: list[Any] = []

    async def complete(request: web.Request) -> web.Response:
        heard.append(await request.read())
        return web.Response(text="data: [DONE]\n\n", content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    folder = tmp_path / "tls"
    folder.mkdir()
    server = TestServer(app, scheme="https" if speaks != "plain" else "http")
    await server.start_server(ssl=certificate(folder) if speaks != "plain" else None)
    async with house(tmp_path / "data", f"https://127.0.0.1:{server.port}/v1") as served:
        assert OUR_OWN in (await one_answer(served, QUESTION))["text"]
    assert heard == []
    await server.close()
