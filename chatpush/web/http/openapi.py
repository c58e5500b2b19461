"""Describe the API as an OpenAPI 3.1 document, generated from the declarations.

What the document says holds: the tests compare every answer that any of them
receives with it, and every body that was accepted or refused.
"""

import inspect
from operator import itemgetter
from typing import Any

from aiohttp import web
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from chatpush import __version__
from chatpush.web.http.doors import Door
from chatpush.web.http.openapi_answers import HEADERS, PROBLEM, REFUSALS, answered, refused
from chatpush.web.http.operations import JSON, PARAMETER, Operation

REF = "#/components/schemas/{model}"
ABOUT = """Requests carry a secret key, a user's token or a console session.

Errors are RFC 9457 problems: `code` is for programs, `detail` for people.
Lists are newest first unless they say otherwise; `starting_after` takes the
last id of the page before. What is sent is taken as it is typed: a number in
quotes is no number, and an unknown field is refused. Answers may gain fields.
"""
SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "A secret key, sk_…, with the named scope"},
    "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A user token"},
    "console": {
        "type": "apiKey",
        "in": "cookie",
        "name": "chatpush_session",
        "description": "A console session of the named role or above; a change needs its X-CSRF-Token, too.",
    },
    "publishable": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Chatpush-Key",
        "description": "A publishable key, pk_…: names the tenant. `?key=` does the same; without: the default.",
    },
}
DIGITS = r"^[+-]?[0-9]+(\.[0-9]+)?$"
ANY = {"description": "Any JSON."}
Definitions = dict[str, Any]


class Described(GenerateJsonSchema):
    """JSON Schema of what is really sent: an answer has all its fields; no title repeats a name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's shape
        """Leave out titles that only repeat the field's name."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Promise every field of an answer, those with a default too."""
        if field["type"] == "typed-dict-field":
            return super().field_is_required(field, total)
        return self.mode == "serialization" or super().field_is_required(field, total)

    def dict_schema(self, schema: Any) -> Any:
        """Let names that a pattern is given for be all there are, as pydantic does."""
        found = super().dict_schema(schema)
        return {**found, "additionalProperties": False} if "patternProperties" in found else found

    def decimal_schema(self, schema: Any) -> Any:
        """Take an amount as a number or as its digits in a text, which loses nothing."""
        if self.mode == "serialization":
            return {"type": "string", "pattern": DIGITS}
        bounds = {"minimum": schema["ge"]} if "ge" in schema else {}
        return {"anyOf": [{"type": "number", **bounds}, {"type": "string", "pattern": DIGITS}]}


class Schemas:
    """The schemas of all bodies, queries and answers."""

    def __init__(self, operations: list[Operation]) -> None:
        wanted: dict[tuple[str, JsonSchemaMode], Any] = {}
        for op in operations:
            if op.body:
                wanted[_key(op.body), "validation"] = op.body
            if op.query:
                wanted[_key(op.query), "validation"] = op.query
            if _typed(op.answer):
                wanted[_key(op.answer), "serialization"] = op.answer
        ordered = [
            (key, mode, TypeAdapter(kind)) for (key, mode), kind in sorted(wanted.items(), key=itemgetter(0))
        ]
        self._found, made = TypeAdapter.json_schemas(ordered, ref_template=REF, schema_generator=Described)
        self.definitions: Definitions = {
            name: schema or ANY for name, schema in made.get("$defs", {}).items()
        }

    def of(self, kind: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        """Return the schema of a model or another type."""
        return self._found[_key(kind), mode]

    def name(self, query: type[BaseModel]) -> str:
        """Return under which name a query is defined."""
        return str(self.of(query, "validation")["$ref"].rpartition("/")[2])

    def taken(self, query: type[BaseModel]) -> list[dict[str, Any]]:
        """Return a query's parameters; they are listed where they are asked, and nowhere else."""
        model = self.definitions[self.name(query)]
        return [
            {
                "name": field,
                "in": "query",
                "required": field in model.get("required", ()),
                "description": schema.get("description", ""),
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }
            for field, schema in model.get("properties", {}).items()
        ]


def document(operations: list[Operation]) -> dict[str, Any]:
    """Return the whole document."""
    schemas = Schemas(operations)
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault(PARAMETER.sub(r"{\1}", op.path), {})[op.method.lower()] = _operation(op, schemas)
    queries = {schemas.name(op.query) for op in operations if op.query}
    kept = {name: schema for name, schema in schemas.definitions.items() if name not in queries}
    whole: dict[str, Any] = _in_markdown(
        {
            "openapi": "3.1.0",
            "info": {"title": "chatpush", "version": __version__, "description": ABOUT},
            "servers": [{"url": "/"}],
            "tags": [{"name": tag} for tag in dict.fromkeys(op.tag for op in operations)],
            "paths": paths,
            "components": {
                "schemas": dict(sorted({**kept, "Problem": PROBLEM}.items())),
                "responses": REFUSALS,
                "headers": HEADERS,
                "securitySchemes": SECURITY,
            },
        }
    )
    return whole


def _operation(op: Operation, schemas: Schemas) -> dict[str, Any]:
    whole = inspect.getdoc(op.handler) or op.handler.__name__
    more = whole.partition("\n")[2].strip()
    described: dict[str, Any] = {
        "operationId": op.handler.__name__,
        "summary": op.summary,
        **({"description": more} if more else {}),
        "tags": [op.tag],
        "security": _security(op.door),
        "parameters": _parameters(op, schemas),
        "responses": {
            str(op.status): answered(op, _content(op, schemas)),
            **refused(op),
        },
    }
    if op.takes:
        described["requestBody"] = {"required": True, "content": {op.takes: {}}}
    elif op.body:
        described["requestBody"] = {
            "required": not getattr(op.body, "optional", False),
            "content": {JSON: {"schema": schemas.of(op.body, "validation")}},
        }
    return described


def _content(op: Operation, schemas: Schemas) -> dict[str, Any]:
    """Return what the body of a success is, by media type."""
    if op.media != JSON:
        return {op.media: {"schema": {"type": "string"}} if op.media.startswith("text/") else {}}
    if op.answer is type(None):
        return {}
    schema = schemas.of(op.answer, "serialization") if _typed(op.answer) else {"type": "object"}
    return {JSON: {"schema": schema}}


def _parameters(op: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in PARAMETER.findall(op.path)
    ]
    if op.query:
        found += schemas.taken(op.query)
    if op.idempotent:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The first answer is repeated for 24 hours.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    return found


def _security(door: Door) -> list[dict[str, list[str]]]:
    """Return what opens a door: any one of these; nothing if it stands open."""
    ways: list[dict[str, list[str]]] = []
    if door.scope:
        ways.append({"key": [door.scope]})
    if door.user:
        ways.append({"user": []})
    if door.role:
        ways.append({"console": [door.role]})
    if door.publishable or door.anyone:
        ways += [{"publishable": []}, {}]
    return ways


def _typed(answer: Any) -> bool:
    """Return whether a handler's answer has a schema: it is no ready-made response, and not nothing."""
    ready = isinstance(answer, type) and issubclass(answer, web.StreamResponse)
    return answer is not None and answer is not type(None) and not ready


def _key(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def _in_markdown(node: Any) -> Any:
    """Return a document whose words mark code as Markdown does, as OpenAPI wants it."""
    if isinstance(node, dict):
        return {
            name: value.replace("``", "`")
            if name in ("summary", "description") and isinstance(value, str)
            else _in_markdown(value)
            for name, value in node.items()
        }
    return [_in_markdown(one) for one in node] if isinstance(node, list) else node
