"""Declare API operations: method, path, door, body, answer.

A handler is an async function of a ``Call`` and, if it declares them by
annotation, a ``body`` and a ``query`` (pydantic models). What it returns
becomes JSON. The declaration is also the source of the OpenAPI document and of
the test that tries every door.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from chatpush.domain import Identity
from chatpush.errors import InvalidInput
from chatpush.web.http import characters
from chatpush.web.http.doors import Door

T = TypeVar("T")
IDENTITY = web.RequestKey("identity", Identity)
SERVICES: web.AppKey[Mapping[type, object]] = web.AppKey("services", Mapping)
MAX_PAGE = 100


class Body(BaseModel):
    """A request body: unknown fields are refused, so that typing errors are noticed."""

    model_config = ConfigDict(extra="forbid")
    optional: ClassVar[bool] = False
    """Whether the request may come without one."""


class Query(BaseModel):
    """Query parameters: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """Cursor of a list, newest first: at most one of the two bounds."""

    limit: int = Field(10, ge=1, le=MAX_PAGE, description="Rows to return.")
    starting_after: str = Field("", max_length=64, description="Id after which the page starts.")
    ending_before: str = Field("", max_length=64, description="Id before which the page ends.")


class Page(BaseModel):
    """A page of a list."""

    data: list[Any]
    has_more: bool


@dataclass(slots=True)
class Call:
    """One request as a handler sees it."""

    request: web.Request
    identity: Identity
    path: Mapping[str, str]

    def need(self, kind: type[T]) -> T:
        """Return the app's service of a class."""
        return cast(T, self.request.app[SERVICES][kind])


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One declared door into the program."""

    method: str
    path: str
    handler: Handler
    door: Door
    status: int
    tag: str
    idempotent: bool
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: Any
    summary: str

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Check the door, read body and query, call the handler, encode its answer."""
        identity = request[IDENTITY]
        self.door.check(identity)
        arguments: dict[str, Any] = {}
        if self.query is not None:
            arguments["query"] = self.query.model_validate(dict(request.query))
        if self.body is not None:
            absent = getattr(self.body, "optional", False) and not await request.read()
            arguments["body"] = self.body.model_validate({} if absent else await read_json(request))
        answer = await self.handler(Call(request, identity, request.match_info), **arguments)
        return encode(answer, self.status)


@dataclass(slots=True)
class Operations:
    """The operations of one noun."""

    tag: str
    all: list[Operation] = field(default_factory=list)

    def get(self, path: str, *, door: Door, status: int = 200) -> Callable[[Handler], Handler]:
        """Declare a GET."""
        return self._declare("GET", path, door, status, idempotent=False)

    def post(
        self, path: str, *, door: Door, status: int = 200, idempotent: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a POST; ``idempotent`` ones honour the Idempotency-Key header."""
        return self._declare("POST", path, door, status, idempotent=idempotent)

    def put(self, path: str, *, door: Door, status: int = 200) -> Callable[[Handler], Handler]:
        """Declare a PUT."""
        return self._declare("PUT", path, door, status, idempotent=False)

    def delete(self, path: str, *, door: Door, status: int = 204) -> Callable[[Handler], Handler]:
        """Declare a DELETE."""
        return self._declare("DELETE", path, door, status, idempotent=False)

    def _declare(
        self, method: str, path: str, door: Door, status: int, *, idempotent: bool
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            hints = get_type_hints(handler)
            known = inspect.signature(handler).parameters
            self.all.append(
                Operation(
                    method=method,
                    path=path,
                    handler=handler,
                    door=door,
                    status=status,
                    tag=self.tag,
                    idempotent=idempotent,
                    body=hints.get("body") if "body" in known else None,
                    query=hints.get("query") if "query" in known else None,
                    answer=hints.get("return"),
                    summary=(inspect.getdoc(handler) or handler.__name__).partition("\n")[0],
                )
            )
            return handler

        return declare


async def read_json(request: web.Request) -> Any:
    """Return the body as JSON.

    Raises:
        InvalidInput: it isn't JSON, or holds what can't be kept.
    """
    text = await request.read()
    if not text:
        raise InvalidInput("the body is empty; send JSON")
    return characters.read(text)


def encode(answer: Any, status: int) -> web.StreamResponse:
    """Return a handler's answer as a response."""
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=204 if status == 200 else status)
    if isinstance(answer, BaseModel):
        return web.Response(text=answer.model_dump_json(), status=status, content_type="application/json")
    return web.json_response(answer, status=status, dumps=_dumps)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
