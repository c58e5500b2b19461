"""What the OpenAPI document says of answers: their headers, and the ways of being refused."""

from typing import Any

from chatpush.web.http.operations import Operation

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "code", "doc_url", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Where the code is explained."},
        "title": {"type": "string", "description": "The code in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {
            "type": "string",
            "minLength": 1,
            "description": "What is wrong and what helps, for people.",
        },
        "instance": {
            "type": "string",
            "pattern": "^urn:chatpush:req_",
            "description": "This one occurrence: the request_id as a URI.",
        },
        "code": {
            "type": "string",
            "pattern": "^[a-z][a-z0-9_]*$",
            "description": "What is wrong, for programs.",
        },
        "doc_url": {"type": "string", "format": "uri", "description": "The page about it; the same as type."},
        "request_id": {"type": "string", "description": "The same as in X-Request-Id, and in the log."},
        "param": {"type": "string", "description": "The field at fault."},
        "errors": {
            "type": "array",
            "minItems": 1,
            "description": "Every field at fault.",
            "items": {
                "type": "object",
                "required": ["param", "detail", "code"],
                "properties": {
                    "param": {"type": "string"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}


def _header(description: str, *, always: bool = False, **schema: Any) -> dict[str, Any]:
    return {"description": description, **({"required": True} if always else {}), "schema": schema}


MAYBE = ".maybe"
"""Ends the name of a header that only some of the answers have."""
HEADERS: dict[str, Any] = {
    "X-Request-Id": _header(
        "Names this request; the log has it, too.", always=True, type="string", pattern="^req_"
    ),
    "RateLimit-Policy": _header(
        "How many requests in how many seconds; for keys and users.",
        type="string",
        pattern='^"(key|user)";q=[0-9]+;w=[0-9]+$',
    ),
    "RateLimit": _header(
        "How many are left, and in how many seconds there are all again; for keys and users.",
        type="string",
        pattern='^"(key|user)";r=[0-9]+;t=[0-9]+$',
    ),
    "Retry-After": _header("Seconds to wait.", always=True, type="integer", minimum=1),
    "Retry-After" + MAYBE: _header("Seconds to wait, if waiting helps.", type="integer", minimum=1),
    "WWW-Authenticate": _header("How to say who is asking.", always=True, type="string", const="Bearer"),
    "Idempotent-Replayed": _header(
        "This is the answer to the first request with this Idempotency-Key.", type="string", const="true"
    ),
    "Location": _header(
        "Where what was made can be read.", always=True, type="string", format="uri-reference"
    ),
    "Content-Disposition": _header(
        "The file's name.", always=True, type="string", pattern="^attachment; filename"
    ),
}


def _headers(*more: str) -> dict[str, Any]:
    named = ("X-Request-Id", "RateLimit-Policy", "RateLimit", *more)
    return {name.removesuffix(MAYBE): {"$ref": f"#/components/headers/{name}"} for name in named}


def _problem(words: str, *more: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": words,
        "headers": _headers(*more),
        "content": {"application/problem+json": {"schema": schema}},
    }


REFUSALS: dict[str, Any] = {
    "Unauthenticated": _problem(
        "Nobody we know: a key or token is missing, wrong or over.", "WWW-Authenticate"
    ),
    "Forbidden": _problem("Somebody we know, at the wrong door."),
    "NotFound": _problem("There is no such thing."),
    "Conflict": _problem("Not in this state, or not a second time.", "Retry-After" + MAYBE),
    "TooLarge": _problem("More than is taken at once."),
    "Invalid": _problem("It can't be taken as it is; `param` or `errors` say what is wrong."),
    "TooMany": _problem("Too many requests, or a plan's quota is used up.", "Retry-After"),
    "Unavailable": _problem("Not now; come back.", "Retry-After"),
    "Problem": _problem("Any other problem.", "Retry-After" + MAYBE, "Idempotent-Replayed"),
}


def answered(op: Operation, content: dict[str, Any]) -> dict[str, Any]:
    """Return what a success of an operation looks like."""
    more = {
        "Idempotent-Replayed": op.idempotent,
        "Location": bool(op.location),
        "Content-Disposition": op.download,
    }
    headers = _headers(*(name for name, promised in more.items() if promised))
    return {"description": op.summary, "headers": headers} | ({"content": content} if content else {})


def refused(op: Operation) -> dict[str, Any]:
    """Return the ways in which an operation is refused, by status."""
    named = {"401": "Unauthenticated"}
    if not op.door.anyone:
        named["403"] = "Forbidden"
    if "{" in op.path:
        named["404"] = "NotFound"
    if op.method != "GET":
        named["409"] = "Conflict"
    if op.body or op.takes:
        named["413"] = "TooLarge"
    named |= {"422": "Invalid", "429": "TooMany", "503": "Unavailable", "default": "Problem"}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in named.items()}
