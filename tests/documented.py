"""Hold whatever the API answers in any test to the OpenAPI document it serves.

Whoever asked (a test, a page in a browser, a command, an example), the answer
is looked at where it leaves the server: is its status declared, its media
type, its body, its headers? An answer's schema is closed here, so that a field
which the document does not know is told. The document must not be looser nor
stricter than the server: a body or parameter that was taken fits its schema,
one that was refused for its shape does not.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from chatpush.domain import IdentityKind
from chatpush.web.http.operations import IDENTITY, TENANT_KEY
from chatpush.web.http.server import OPENAPI

JSON = re.compile(r"application/(problem\+)?json")
LIMITED = (IdentityKind.KEY, IdentityKind.USER)
OF_MEANING = {"value_error", "assertion_error", "json_invalid", "decimal_max_digits", "decimal_max_places"}
"""Refusals by a rule that no schema can say."""
ELSEWHERE: dict[str, set[str]] = {
    "channels/test_fcm.py::test_a_phone_registers_is_reached_and_forgotten_when_it_is_gone": {
        "add_endpoint",
        "remove_endpoint",
    },
    "channels/test_webhooks.py::test_a_forged_body_is_noticed": {
        "test_webhook",
    },
    "channels/test_webhooks.py::test_it_ends_after_three_days_and_can_be_told_again": {
        "replay_webhook_call",
    },
    "support/test_imports.py::test_files_and_imports_over_http": {
        "get_import",
        "import_site",
    },
    "web/test_candidates_api.py::test_list_approve_and_reject": {
        "approve_candidate",
        "reject_candidate",
    },
    "web/test_consents_api.py::test_one_click_in_a_letter_ends_the_letters_and_the_page_offers_to_end_everything": {
        "ask_unsubscribe",
        "choose_unsubscribe",
        "unsubscribe",
    },
    "web/test_dead_letters_api.py::test_a_letter_says_what_the_provider_answered_to_each_attempt": {
        "get_dead_letter",
    },
    "web/test_dead_letters_api.py::test_dead_letters_are_sent_again": {
        "redrive_dead_letter",
    },
    "web/test_dead_letters_api.py::test_what_is_given_up_is_gone_and_the_trace_says_so": {
        "drop_dead_letter",
    },
    "web/test_my_conversations_api.py::test_a_promise_is_cancelled": {
        "cancel_promise",
    },
    "web/test_standing_api.py::test_a_closed_office_takes_a_message_and_answers_by_mail": {
        "leave_message",
    },
}
"""Tests with a peer of their own, and the operations that succeed there; the others: test_every_operation.py."""


class Documented:
    """One document, and each of its schemas compiled when it is first needed."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._compiled: dict[tuple[int, bool], Draft202012Validator] = {}
        self._kept: list[Any] = []

    def operation(self, path: str, method: str) -> dict[str, Any] | None:
        """Return what is said of an operation, by its path with the parameters' names."""
        found: dict[str, Any] | None = self._document["paths"].get(path, {}).get(method.lower())
        return found

    def resolved(self, one: dict[str, Any]) -> dict[str, Any]:
        """Return what a reference means."""
        while "$ref" in one:
            found: Any = self._document
            for step in one["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            one = found
        return one

    def wrong(self, schema: dict[str, Any], value: Any, *, closed: bool = False) -> list[str]:
        """Return how a value does not fit a schema; ``closed`` ones refuse what they do not name."""
        place = (id(schema), closed)
        validator = self._compiled.get(place)
        if validator is None:
            self._kept.append(schema)  # an id is worth something while its object lives
            whole = self._whole(schema, closed, ())
            validator = self._compiled[place] = Draft202012Validator(whole, format_checker=FormatChecker())
        if validator.is_valid(value):
            return []
        return [_told(best_match([error])) for error in validator.iter_errors(value)][:5]

    def _whole(self, schema: Any, closed: bool, above: tuple[str, ...]) -> Any:
        """Return a schema with its references in place, which are then not looked up for each value."""
        if isinstance(schema, list):
            return [self._whole(one, closed, above) for one in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"]
            assert name not in above, f"{name} holds itself"
            rest = {
                key: value for key, value in schema.items() if key not in ("$ref", "description", "default")
            }
            assert not rest, f"beside a $ref: {rest}"
            return self._whole(self.resolved(schema), closed, (*above, name))
        found = {
            key: value
            if key in ("default", "examples", "enum", "const")
            else self._whole(value, closed, above)
            for key, value in schema.items()
        }
        named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
        if closed and named and "patternProperties" not in schema:
            found.setdefault("additionalProperties", False)
        return found


@dataclass(slots=True)
class Watch:
    """What was wrong in this test, and which operations succeeded."""

    wrong: list[str] = field(default_factory=list)
    succeeded: set[str] = field(default_factory=set)
    answers: int = 0

    def over(self, app: web.Application) -> web.Application:
        """Look at every answer of an application from now on."""
        documented = _documented(json.dumps(app[OPENAPI]))

        async def look(request: web.Request, response: web.StreamResponse) -> None:
            resource = request.match_info.route.resource
            operation = resource and documented.operation(resource.canonical, request.method)
            if operation:
                self.answers += 1
                problems = [
                    *_answer(documented, operation, request, response),
                    *await _asked(documented, operation, request, response),
                ]
                place = f"{request.method} {request.path_qs[:200]} → {response.status}"
                self.wrong += [f"{place}: {problem}" for problem in problems]
                if response.status < 300:
                    self.succeeded.add(operation["operationId"])

        app.on_response_prepare.append(look)
        return app

    def taken(self) -> list[str]:
        """Return what was wrong, once."""
        found, self.wrong = self.wrong, []
        return list(dict.fromkeys(found))

    def owed(self, test: str) -> list[str]:
        """Return the operations that a test was to bring to success, and did not."""
        return sorted(ELSEWHERE.get(test, set()) - self.succeeded)


@cache
def _documented(document: str) -> Documented:
    """Return a document that many servers have, its schemas compiled once for all of them."""
    return Documented(json.loads(document))


def _answer(
    documented: Documented, operation: dict[str, Any], request: web.Request, response: web.StreamResponse
) -> Iterator[str]:
    """Yield how an answer is not as the document says."""
    declared = operation["responses"].get(str(response.status))
    if declared is None:
        if response.status < 400:
            yield "the status is not declared"
            return
        declared = operation["responses"]["default"]
    answer = documented.resolved(declared)
    yield from _headers(documented, answer.get("headers", {}), request, response)
    contents, body = answer.get("content", {}), getattr(response, "body", None)
    if not contents:
        if body:
            yield f"no body is declared, but here is one: {body[:200]!r}"
        return
    content = contents.get(response.content_type, contents.get("*/*"))
    if content is None:
        yield f"{response.content_type} is not declared, but {', '.join(contents)}"
    elif JSON.fullmatch(response.content_type) and "*/*" not in contents:
        told = json.loads(body or b"")
        yield from documented.wrong(content["schema"], told, closed=True)
        if response.status >= 400 and "Idempotent-Replayed" not in response.headers:
            own = response.status, response.headers["X-Request-Id"]
            if (told.get("status"), told.get("request_id")) != own:
                yield "the problem's status or request_id is another than the answer's"


def _headers(
    documented: Documented, declared: dict[str, Any], request: web.Request, response: web.StreamResponse
) -> Iterator[str]:
    """Yield which headers are missing, malformed or undeclared."""
    for name, one in declared.items():
        header = documented.resolved(one)
        text = response.headers.get(name)
        if text is None:
            if header.get("required"):
                yield f"header {name} is missing"
        else:
            yield from (f"header {name}: {how}" for how in _unlike(documented, header["schema"], text))
    if (
        response.headers.get("RateLimit") is None
        and IDENTITY in request
        and request[IDENTITY].kind in LIMITED
    ):
        yield "nothing tells the caller how many requests are left"
    for name in ("Location", "Retry-After", "Idempotent-Replayed", "WWW-Authenticate", "Content-Disposition"):
        if name in response.headers and name not in declared:
            yield f"header {name} is not declared"


async def _asked(
    documented: Documented, operation: dict[str, Any], request: web.Request, response: web.StreamResponse
) -> list[str]:
    """Return where the document is stricter than the server, or looser."""
    accepted = response.status < 300
    misfits = _misfits(documented, operation, request)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None and (accepted or response.status == 422):
        misfits += _body(documented, operation["requestBody"], content, await request.read())
    if accepted:
        return [f"was taken, against the document: {how}" for how in misfits]
    told = json.loads(getattr(response, "body", None) or b"{}") if response.status == 422 else {}
    shapes = [one for one in told.get("errors", ()) if one["code"] not in OF_MEANING]
    return [f"the document allows what was refused: {shapes[0]}"] if shapes and not misfits else []


def _misfits(documented: Documented, operation: dict[str, Any], request: web.Request) -> list[str]:
    """Return which parameters do not fit."""
    declared = {(one["in"], one["name"]): one for one in operation["parameters"]}
    found = []
    given = [("query", name, text) for name, text in request.query.items() if name != TENANT_KEY]
    given += [("path", name, text) for name, text in request.match_info.items()]
    given += [
        ("header", name, request.headers[name])
        for place, name in declared
        if place == "header" and name in request.headers
    ]
    for place, name, text in given:
        one = declared.get((place, name))
        if one is None:
            found.append(f"{place} parameter {name} is not declared")
        else:
            found += [f"{place} parameter {name}: {how}" for how in _unlike(documented, one["schema"], text)]
    missing = {
        name for place, name in declared if place == "query" and declared[place, name]["required"]
    } - set(request.query)
    return found + [f"query parameter {name} is missing" for name in sorted(missing)]


def _body(
    documented: Documented, declared: dict[str, Any], content: dict[str, Any], body: bytes
) -> list[str]:
    if not body:
        return ["the body is missing"] if declared["required"] else []
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return [f"the body is not JSON: {error}"]
    return [f"body: {how}" for how in documented.wrong(content["schema"], value)]


def _unlike(documented: Documented, schema: dict[str, Any], text: str) -> list[str]:
    """Return how the text of a parameter or a header does not fit."""
    return documented.wrong(schema, _plain(schema, text))


def _plain(schema: dict[str, Any], text: str) -> Any:
    """Return a parameter's text as what its schema speaks of."""
    types = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
    if types & {"integer", "number"} and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text) if "." in text else int(text)
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _told(error: Any) -> str:
    place = ".".join(str(step) for step in error.absolute_path)
    return f"{place or 'it'}: {error.message[:300]}"
