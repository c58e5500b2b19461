"""Describe the API as an OpenAPI 3.1 document, generated from the declarations."""

import re
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from chatpush import __version__
from chatpush.web.http.doors import Door
from chatpush.web.http.operations import Operation

REF = "#/components/schemas/{model}"
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "param": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def document(operations: list[Operation]) -> dict[str, Any]:
    """Return the whole document."""
    models = {model for op in operations for model in (op.body, op.query, _model(op.answer)) if model}
    ordered = sorted(models, key=lambda model: f"{model.__module__}.{model.__name__}")
    refs, definitions = models_json_schema(
        [(model, "validation") for model in ordered], ref_template=REF
    )  # fmt: skip
    schemas = {**definitions.get("$defs", {}), "Problem": PROBLEM}
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chatpush",
            "version": __version__,
            "description": "Errors are RFC 9457 problems. Lists are newest first, with cursors.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A secret key, sk_…"},
                "user": {"type": "http", "scheme": "bearer", "description": "A user token (JWT)"},
                "console": {"type": "apiKey", "in": "cookie", "name": "chatpush_session"},
            },
        },
    }


def _operation(op: Operation, refs: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": op.handler.__name__,
        "summary": op.summary,
        "tags": [op.tag],
        "security": _security(op.door),
        "parameters": _parameters(op),
        "responses": {str(op.status): _answer(op, refs), "default": _problem()},
    }
    if op.body:
        described["requestBody"] = {
            "required": not getattr(op.body, "optional", False),
            "content": {"application/json": {"schema": refs[op.body, "validation"]}},
        }
    return described


def _parameters(op: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)(?::[^}]*)?}", op.path)
    ]
    if op.query:
        for name, info in op.query.model_fields.items():
            schema = TypeAdapter[Any](info.annotation or str).json_schema()
            found.append(
                {
                    "name": info.alias or name,
                    "in": "query",
                    "required": info.is_required(),
                    "description": info.description or "",
                    "schema": schema,
                }
            )
    if op.idempotent:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The first answer is repeated for 24 hours.",
                "schema": {"type": "string", "maxLength": 255},
            }
        )
    return found


def _security(door: Door) -> list[dict[str, list[str]]]:
    ways: list[dict[str, list[str]]] = []
    if door.scope:
        ways.append({"key": [door.scope]})
    if door.user:
        ways.append({"user": []})
    if door.role:
        ways.append({"console": [door.role]})
    return ways


def _answer(op: Operation, refs: dict[Any, Any]) -> dict[str, Any]:
    model = _model(op.answer)
    if model is None:
        return {"description": op.summary}
    return {"description": op.summary, "content": {"application/json": {"schema": refs[model, "validation"]}}}


def _problem() -> dict[str, Any]:
    schema = {"$ref": REF.format(model="Problem")}
    return {"description": "A problem", "content": {"application/problem+json": {"schema": schema}}}


def _model(answer: Any) -> type[BaseModel] | None:
    return answer if isinstance(answer, type) and issubclass(answer, BaseModel) else None
