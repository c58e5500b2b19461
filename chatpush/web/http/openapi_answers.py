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
HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "Names this request; the log has it, too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^req_"},
    },
    "RateLimitPolicy": {
        "description": "How many requests in how many seconds; for keys and users.",
        "schema": {"type": "string", "pattern": '^"(key|user)";q=[0-9]+;w=[0-9]+$'},
    },
    "RateLimit": {
        "description": "How many are left, and in how many seconds there are all again; for keys and users.",
        "schema": {"type": "string", "pattern": '^"(key|user)";r=[0-9]+;t=[0-9]+$'},
    },
    "RetryAfter": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "RetryAfterMaybe": {
        "description": "Seconds to wait, if waiting helps.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WwwAuthenticate": {
        "description": "How to say who is asking.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "IdempotentReplayed": {
        "description": "This is the answer to the first request with this Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    },
    "Location": {
        "description": "Where what was made can be read.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "ContentDisposition": {
        "description": "The file's name.",
        "required": True,
        "schema": {"type": "string", "pattern": "^attachment; filename"},
    },
}
ALWAYS = {"X-Request-Id": "RequestId", "RateLimit-Policy": "RateLimitPolicy", "RateLimit": "RateLimit"}


def _headers(**more: str) -> dict[str, Any]:
    named = {**ALWAYS, **{name.replace("_", "-"): header for name, header in more.items()}}
    return {name: {"$ref": f"#/components/headers/{header}"} for name, header in named.items()}


def _problem(words: str, **more: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": words,
        "headers": _headers(**more),
        "content": {"application/problem+json": {"schema": schema}},
    }


REFUSALS: dict[str, Any] = {
    "Unauthenticated": _problem(
        "Nobody we know: a key or token is missing, wrong or over.", WWW_Authenticate="WwwAuthenticate"
    ),
    "Forbidden": _problem("Somebody we know, at the wrong door."),
    "NotFound": _problem("There is no such thing."),
    "Conflict": _problem("Not in this state, or not a second time.", Retry_After="RetryAfterMaybe"),
    "TooLarge": _problem("More than is taken at once."),
    "Invalid": _problem("It can't be taken as it is; `param` or `errors` say what is wrong."),
    "TooMany": _problem("Too many requests, or a plan's quota is used up.", Retry_After="RetryAfter"),
    "Unavailable": _problem("Not now; come back.", Retry_After="RetryAfter"),
    "Problem": _problem(
        "Any other problem.", Retry_After="RetryAfterMaybe", Idempotent_Replayed="IdempotentReplayed"
    ),
}


def answered(op: Operation, content: dict[str, Any]) -> dict[str, Any]:
    """Return what a success of an operation looks like."""
    more = {
        "Idempotent_Replayed": "IdempotentReplayed" if op.idempotent else "",
        "Location": "Location" if op.location else "",
        "Content_Disposition": "ContentDisposition" if op.download else "",
    }
    described = {
        "description": op.summary.replace("``", "`"),
        "headers": _headers(**{name: header for name, header in more.items() if header}),
    }
    return described | ({"content": content} if content else {})


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
