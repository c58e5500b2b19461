"""Nonsense sent to every operation is told so, and never breaks the server.

Bodies and queries are generated from the declared models: every field in turn
gets values of the wrong type, far too much, or strange text. Whatever the
answer, it is no 5xx, and a refusal is a problem that names what is wrong.
"""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import BaseModel
from structlog.testing import capture_logs

from chatpush.web.http.operations import Operation
from chatpush.web.http.server import DECLARED
from tests.serving import Served, serving
from tests.waiting import until

STRANGE: list[Any] = [
    None, 0, -1, 10**30, 1.5, True, "", "x" * 5000, "\x00", "\ud800", "../../etc/passwd", "'; DROP TABLE user; --",
    "{{ 7 * 7 }}", [], [None], [[]], {}, {"": None}, {"a": {"b": {"c": []}}}, "2026-02-30T25:61:00", "Mars/Olympus",
]  # fmt: skip
WHOLE: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"unknown": 1}',
    b"{}",
]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


def operations(served: Served) -> list[Operation]:
    """Return the REST operations of the real application."""
    declared = served.chatpush.web_app()[DECLARED]
    return [operation for operation in declared if operation.path.startswith("/v1/")]


def plain(model: type[BaseModel]) -> dict[str, Any]:
    """Return a body with something plausible in every required field."""
    by_type = {"string": "x", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    schema = model.model_json_schema()
    properties = schema.get("properties", {})
    return {
        name: by_type.get(properties[name].get("type", "string"), "x") for name in schema.get("required", [])
    }


def bodies(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """Yield bodies in which one field is strange."""
    for name, info in model.model_fields.items():
        for value in STRANGE:
            yield {**plain(model), info.alias or name: value}


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


async def refused_well(served: Served, operation: Operation, **request: Any) -> str:
    """Send it and return what is wrong with the answer, if anything."""
    user = operation.door.user and not operation.door.scope
    credentials = served.token("emma") if user else served.secret
    headers = {"Authorization": f"Bearer {credentials}", "Content-Type": "application/json"}
    path = re.sub(r"{\w+(:[^}]*)?}", "nonsense", operation.path)
    answer = await served.http.request(operation.method, served.url + path, headers=headers, **request)
    where = f"{operation.method} {operation.path} {str(request)[:200]}"
    if answer.status >= 500:
        return f"{where} → {answer.status}"
    if answer.status >= 400:
        told = await answer.json(content_type=None)
        if answer.content_type != "application/problem+json" or not told["detail"] or not told["request_id"]:
            return f"{where} → {answer.status} {told}"
    return ""


async def test_strange_bodies_break_nothing(served: Served) -> None:
    problems = []
    for operation in operations(served):
        if operation.body is None:
            continue
        requests = [*WHOLE, *(encoded(body) for body in bodies(operation.body))]
        problems += [await refused_well(served, operation, data=data) for data in requests]
    assert [problem for problem in problems if problem] == []


async def test_strange_queries_break_nothing(served: Served) -> None:
    problems = []
    for operation in operations(served):
        if operation.query is None:
            continue
        for name in [*operation.query.model_fields, "unknown"]:
            for value in STRANGE:
                text = str(value).encode("utf-8", "replace").decode()[:1000]
                problems.append(await refused_well(served, operation, params={name: text}))
    assert [problem for problem in problems if problem] == []


UNKEEPABLE = ["\x00", "\ud800", float("nan")]


def whole(schema: Any, shared: Any, depth: int = 0) -> Any:
    """Return something plausible for every field of a schema, however deep."""
    if "$ref" in schema:
        return whole(shared[schema["$ref"].rpartition("/")[2]], shared, depth + 1)
    ways = [one for one in schema.get("anyOf", schema.get("oneOf", [])) if one.get("type") != "null"]
    if ways and depth < 8:
        return whole(ways[0], shared, depth + 1)
    if schema.get("type") == "object" and depth < 8:
        fields = schema.get("properties", {}).items()
        return {name: whole(one, shared, depth + 1) for name, one in fields} or {"a": "b"}
    if schema.get("type") == "array":
        return [whole(schema.get("items", {}), shared, depth + 1)]
    plainly = {"integer": max(1, schema.get("minimum", 1)), "number": 1, "boolean": True}
    text = schema.get("enum", ["x" * max(1, schema.get("minLength", 1))])[0]
    return plainly.get(schema.get("type", ""), text)


def everywhere(value: Any, strange: Any) -> Iterator[Any]:
    """Yield the value with the strange one in the place of each text, one at a time."""
    if isinstance(value, dict):
        for name in value:
            yield from ({**value, name: one} for one in everywhere(value[name], strange))
    elif isinstance(value, list):
        yield from ([one] for one in everywhere(value[0], strange))
    elif isinstance(value, str):
        yield strange


@pytest.mark.parametrize("strange", UNKEEPABLE)
async def test_what_no_database_keeps_is_refused_in_every_text(served: Served, strange: Any) -> None:
    problems = []
    for operation in operations(served):
        if operation.body is None:
            continue
        schema = operation.body.model_json_schema()
        found = everywhere(whole(schema, schema.get("$defs", {})), strange)
        problems += [await refused_well(served, operation, data=encoded(body)) for body in found]
    assert [problem for problem in problems if problem] == []
    body = {"to": [{"user": "emma"}], "content": {"title": "a", "body": "b", "data": {"deep": [strange]}}}
    headers = {"Authorization": f"Bearer {served.secret}", "Content-Type": "application/json"}
    answer = await served.http.post(f"{served.url}/v1/messages", data=encoded(body), headers=headers)
    told = await answer.json(content_type=None)
    assert answer.status == 422
    assert any(word in told["detail"] for word in ("NUL", "half a character", "JSON has no NaN"))


async def test_an_escaped_backslash_is_no_nul(served: Served) -> None:
    await served.told(
        "POST", "/v1/messages", {"to": [{"user": "emma"}], "content": {"title": "a", "body": r"\u0000"}}
    )


async def test_who_leaves_in_the_middle_of_a_body_is_no_failure(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[type[BaseException]] = []
    read = web.Request.read

    async def watched(request: web.Request) -> bytes:
        try:
            return await read(request)
        except BaseException as error:
            ends.append(type(error))
            raise

    monkeypatch.setattr(web.Request, "read", watched)
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection("127.0.0.1", served.chatpush.port)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        await served.told("GET", "/v1/users")
        writer.transport.abort()
        await until(lambda: bool(ends))
        await served.told("GET", "/v1/users")
    assert issubclass(ends[0], ConnectionResetError)
    assert [line for line in lines if line["log_level"] in ("error", "warning")] == []


async def test_a_header_that_is_no_text_is_refused(served: Served) -> None:
    doors = ("GET /v1/users", "POST /v1/messages", "POST /api/publish", "GET /console", "POST /console/sign-in",
             "GET /widget.js", "GET /healthz", "POST /connection/poll")  # fmt: skip
    heads = ("Authorization: Bearer sk_", "X-API-Key: ", "X-Chatpush-Key: ", "Cookie: chatpush_session=",
             "Cookie: chatpush_gate=", "Idempotency-Key: ", "Accept-Language: ", "X-CSRF-Token: ")  # fmt: skip
    problems = []
    for door, header in itertools.product(doors, heads):
        for strange in (b"\xff\xfe", b"\xed\xa0\x80", "é".encode()):
            head = f"{door} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{header}"
            reader, writer = await asyncio.open_connection("127.0.0.1", served.chatpush.port)
            writer.write(head.encode() + strange + b"\r\n\r\n")
            status = int((await reader.readline()).split()[1])
            writer.close()
            if status >= 500:
                problems.append(f"{door} {header}{strange!r} → {status}")
    assert problems == []


@pytest.mark.parametrize("name", ["%00", "%FF", "..%2F..%2Fetc", "a" * 3000, "%F0%9F%92%A5", "'%3B--"])
async def test_strange_ids_are_unknown_ids(served: Served, name: str) -> None:
    problems = []
    for operation in operations(served):
        if "{" not in operation.path or operation.body is not None:
            continue
        path = re.sub(r"{\w+(:[^}]*)?}", name, operation.path)
        user = operation.door.user and not operation.door.scope
        credentials = served.token("emma") if user else served.secret
        answer = await served.http.request(
            operation.method, f"{served.url}{path}", headers={"Authorization": f"Bearer {credentials}"}
        )
        if answer.status >= 500:
            problems.append(f"{operation.method} {path[:100]} → {answer.status}")
    assert problems == []
