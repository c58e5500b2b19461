"""Turn errors into RFC 9457 problems; the one table from class to status.

A problem carries ``type``, ``title``, ``status``, ``detail``, ``instance``, a
stable ``code``, the ``doc_url`` that explains it, the ``param`` at fault and the
``request_id`` that the log also has.
An error that nobody raised on purpose becomes a 500 that tells nothing of the
inside.
"""

import json
from typing import Any

import structlog
from aiohttp import web
from pydantic import ValidationError

from chatpush import errors

log = structlog.get_logger(__name__)
REQUEST_ID = web.RequestKey("request_id", str)
DOCS = "https://chatpush.dev/problems/"

STATUS: dict[type[errors.ChatpushError], int] = {
    errors.KeyTooLong: 400,
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.KeyReused: 422,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.Unavailable: 503,
    errors.CursorLost: 410,
    errors.PluginFailed: 502,
    errors.VaultError: 500,
    errors.ChatpushError: 500,
}


def status_of(error: errors.ChatpushError) -> int:
    """Return the HTTP status of an error, by its nearest ancestor in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> web.Response:
    """Return a problem response."""
    body = {
        "type": DOCS + code,
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "doc_url": DOCS + code,
        "instance": f"urn:chatpush:{request_id}",
        "request_id": request_id,
    } | {name: value for name, value in more.items() if value is not None}
    return web.Response(
        status=status,
        text=json.dumps(body, ensure_ascii=False),
        content_type="application/problem+json",
        headers=headers,
    )


def of_error(error: errors.ChatpushError, request_id: str) -> web.Response:
    """Return the problem of an error raised on purpose."""
    headers = {}
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after_seconds or 1)))
    elif isinstance(error, errors.InProgress):
        headers["Retry-After"] = "1"
    elif isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        status_of(error), error.code, error.message, request_id=request_id, headers=headers, param=error.param
    )


def of_validation(error: ValidationError, request_id: str) -> web.Response:
    """Return the problem of a body or query that does not fit its model."""
    found = [
        {"param": ".".join(str(part) for part in item["loc"]), "detail": item["msg"], "code": item["type"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = found[0]
    detail = f"{first['param']}: {first['detail']}" if first["param"] else first["detail"]
    return problem(422, "invalid_input", detail, request_id=request_id, param=first["param"], errors=found)


def of_http(error: web.HTTPException, request_id: str) -> web.Response:
    """Return the problem of an error aiohttp itself raised (404, 405, 413 …)."""
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = codes.get(error.status, error.reason.lower().replace(" ", "_"))
    details = {
        404: "no such address",
        405: "this address does not take that method",
        413: "the body is too large",
    }
    detail = details.get(error.status, error.text or error.reason)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return problem(error.status, code, detail, request_id=request_id, headers=headers)


def of_unreadable(detail: str, request_id: str, status: int = 400) -> web.Response:
    """Return the problem of bytes that are no request, or no body; nothing after them can be read."""
    answer = problem(status, "bad_request", detail, request_id=request_id)
    mark(answer, request_id)
    answer.force_close()
    return answer


def mark(response: web.StreamResponse, request_id: str) -> None:
    """Set the headers that every answer has."""
    response.headers["X-Request-Id"] = request_id
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")


def of_surprise(error: Exception, request_id: str) -> web.Response:
    """Log what nobody expected and tell the caller only that it happened."""
    log.exception("request failed", request_id=request_id, exc_info=error)
    return problem(500, "internal", "something went wrong here; it is logged", request_id=request_id)
