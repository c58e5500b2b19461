"""The OpenAPI document: valid, whole, and held against every answer by ``tests/documented.py``."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field, ValidationError

from chatpush.web import routes
from chatpush.web.http import openapi
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Body, Call, Operations, Query
from tests.documented import Documented, Watch
from tests.web.harness import serve

OPERATIONS = [operation for noun in routes.ALL for operation in noun.all]
DOCUMENT = openapi.document(OPERATIONS)
things = Operations("things")


class ThingIn(Body):
    """A thing."""

    count: int


class Narrower(Body):
    """Less than a thing."""

    count: int = Field(ge=2)


class ThingQuery(Query):
    """How to answer."""

    how: str = ""


@things.post("/v1/things", door=Door(scope="things"))
async def make_thing(call: Call, body: ThingIn, query: ThingQuery) -> dict[str, int]:
    """Answer in one of many ways."""
    return {query.how: body.count}


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every operation of the document with where it stands."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def everywhere(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from everywhere(one)


def test_it_is_valid_openapi_3_1() -> None:
    assert [str(error)[:300] for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    documented, led = Documented(DOCUMENT), set()
    for node in everywhere(DOCUMENT):
        if "$ref" in node:
            assert documented.resolved(node)
            led.add(node["$ref"])
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert schemas - led == set()


def test_every_operation_says_what_it_is() -> None:
    ids = [operation["operationId"] for _, operation in described()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    known = {tag["name"] for tag in DOCUMENT["tags"]}
    for place, operation in described():
        assert operation["summary"].endswith("."), place
        assert set(operation["tags"]) <= known, place
        assert operation["security"], place
        assert "default" in operation["responses"], place
        assert "401" in operation["responses"], place


def test_every_answer_that_is_no_file_has_fields_with_names() -> None:
    for place, operation in described():
        for status, answer in operation["responses"].items():
            file = "Content-Disposition" in answer.get("headers", ())
            content = answer.get("content", {}).get("application/json")
            assert file or content is None or "$ref" in content["schema"], (place, status)


def test_security_names_schemes_and_scopes_as_the_door_does() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    for operation in OPERATIONS:
        path = operation.path
        security = DOCUMENT["paths"][path][operation.method.lower()]["security"]
        assert {name for way in security for name in way} <= set(schemes)
        assert ({"key": [operation.door.scope]} in security) == bool(operation.door.scope), path
        assert ({} in security) == (operation.door.anyone or operation.door.publishable), path


def test_bodies_and_queries_are_closed_and_names_are_short() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert "__" not in name, "two models of one name; give one of them another"
        assert not name.endswith(("-Input", "-Output")), f"{name} is sent and answered in two shapes"
        assert schema.get("description"), name
    for place, operation in described():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            schema = Documented(DOCUMENT).resolved(content["schema"])
            assert schema["additionalProperties"] is False, place


ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"status": 201, "text": '{"a": 1}'}, "the status is not declared"),
    ({"text": "{}", "content_type": "text/plain"}, "text/plain is not declared"),
    ({"text": '{"a": "one"}', "content_type": "application/json"}, "'one' is not of type 'integer'"),
    (
        {"text": "{}", "content_type": "application/json", "headers": {"Location": "/x"}},
        "Location is not declared",
    ),
    ({"status": 429, "text": "{}", "content_type": "application/problem+json"}, "Retry-After is missing"),
    ({"status": 404, "text": "{}", "content_type": "application/problem+json"}, "is a required property"),
]


@pytest.mark.parametrize(("answer", "wrong"), ANSWERS, ids=[wrong for _, wrong in ANSWERS])
async def test_an_answer_unlike_the_document_is_noticed(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], wrong: str
) -> None:
    async def other(*_: Any, **__: Any) -> web.Response:
        return web.Response(**answer)

    monkeypatch.setattr(type(things.all[0]), "__call__", other)
    async with serve(things, {}) as client:
        await client.post("/v1/things", json={"count": 1})
    assert any(wrong in one for one in watch.taken())


@pytest.mark.parametrize(
    ("body", "query", "wrong"),
    [
        ({"count": "1"}, "", "was taken, against the document: body: count"),
        ({"count": 1, "more": 1}, "", "Additional properties are not allowed"),
        ({"count": 1}, "?who=me", "query parameter who is not declared"),
    ],
)
async def test_what_is_taken_against_the_document_is_noticed(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, body: Any, query: str, wrong: str
) -> None:
    async def taken(_: Any, request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"a": 1})

    monkeypatch.setattr(type(things.all[0]), "__call__", taken)
    async with serve(things, {}) as client:
        await client.post(f"/v1/things{query}", json=body)
    assert any(wrong in one for one in watch.taken())


async def test_a_refusal_that_the_document_does_not_know_of_is_noticed(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_: Any, request: web.Request) -> web.Response:
        await request.read()
        raise one_error(Narrower)

    monkeypatch.setattr(type(things.all[0]), "__call__", refused)
    async with serve(things, {}) as client:
        await client.post("/v1/things", json={"count": 1})
    assert any("the document allows what was refused" in one for one in watch.taken())


def one_error(model: type[Body]) -> Exception:
    """Return what a body says that does not fit."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"count": 1})
    return refused.value
