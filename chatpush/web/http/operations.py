"""Declare API operations: method, path, door, body, answer.

A handler is an async function of a ``Call`` and, if it declares them by
annotation, a ``body`` and a ``query`` (pydantic models). What it returns
becomes JSON. The declaration is also the source of the OpenAPI document and of
the test that tries every door. Bodies are taken as they are typed: where the
document says integer, ``"5"`` is refused.
"""

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast, get_args, get_type_hints
from urllib.parse import quote

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
JSON = "application/json"
PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")
INTEGER = re.compile(r"-?[0-9]{1,18}")
TENANT_KEY = "key"
"""The query parameter that names the tenant by its publishable key; no operation's own."""


class Body(BaseModel):
    """A request body: unknown fields are refused, so that typing errors are noticed.

    Where an answer shows what was sent, it is described as that: with what was left out left out.
    """

    model_config = ConfigDict(extra="forbid", json_schema_mode_override="validation")
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
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    answer: Any
    summary: str
    idempotent: bool = False
    takes: str = ""
    media: str = JSON
    download: bool = False
    location: str = ""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Check the door, read body and query, call the handler, encode its answer."""
        identity = request[IDENTITY]
        self.door.check(identity)
        arguments: dict[str, Any] = {}
        if self.query is not None:
            asked = {name: value for name, value in request.query.items() if name != TENANT_KEY}
            arguments["query"] = self.query.model_validate_json(
                json.dumps(_typed(self.query, asked)), strict=True
            )
        if self.body is not None:
            absent = getattr(self.body, "optional", False) and not await request.read()
            text = "{}" if absent else await read_json(request)
            arguments["body"] = self.body.model_validate_json(text, strict=True)
        answer = await self.handler(Call(request, identity, request.match_info), **arguments)
        response = encode(answer, self.status)
        if self.location and isinstance(answer, BaseModel):
            response.headers["Location"] = self.place(answer.model_dump(include=set(self.named)))
        return response

    @property
    def named(self) -> list[str]:
        """Return the fields of the answer that its place is made of."""
        return PARAMETER.findall(self.location)

    def place(self, answer: Mapping[str, Any]) -> str:
        """Return where what an answer speaks of can be read."""
        return self.location.format_map({name: quote(str(answer[name]), safe="") for name in self.named})


@dataclass(slots=True)
class Operations:
    """The operations of one noun."""

    tag: str
    all: list[Operation] = field(default_factory=list)

    def get(
        self, path: str, *, door: Door, status: int = 200, media: str = JSON, download: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a GET; ``media`` says what it answers with, ``download`` that it has a file's name."""
        return self._declare("GET", path, door, status, media=media, download=download)

    def post(
        self,
        path: str,
        *,
        door: Door,
        status: int = 200,
        idempotent: bool = False,
        takes: str = "",
        media: str = JSON,
        location: str = "",
    ) -> Callable[[Handler], Handler]:
        """Declare a POST.

        ``idempotent`` ones honour the Idempotency-Key header; ``takes`` is the media type of a body that
        is no JSON, ``media`` that of the answer; ``location`` is where what was made can be read, with
        the answer's fields in it.
        """
        return self._declare(
            "POST", path, door, status, idempotent=idempotent, takes=takes, media=media, location=location
        )

    def put(self, path: str, *, door: Door, status: int = 200) -> Callable[[Handler], Handler]:
        """Declare a PUT."""
        return self._declare("PUT", path, door, status)

    def delete(self, path: str, *, door: Door, status: int = 204) -> Callable[[Handler], Handler]:
        """Declare a DELETE."""
        return self._declare("DELETE", path, door, status)

    def _declare(
        self, method: str, path: str, door: Door, status: int, **more: Any
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
                    body=hints.get("body") if "body" in known else None,
                    query=hints.get("query") if "query" in known else None,
                    answer=hints.get("return"),
                    summary=(inspect.getdoc(handler) or handler.__name__).partition("\n")[0],
                    **more,
                )
            )
            return handler

        return declare


def _typed(model: type[BaseModel], asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a query's texts as what they stand for; what stands for nothing stays a text, and is refused."""
    fields = {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    return {
        name: _read(text, {fields.get(name), *get_args(fields.get(name))}) for name, text in asked.items()
    }


def _read(text: str, kinds: set[Any]) -> Any:
    if bool in kinds and text.lower() in ("true", "false"):  # Python's clients write True
        return text.lower() == "true"
    if int in kinds and INTEGER.fullmatch(text):
        return int(text)
    return text


async def read_json(request: web.Request) -> str:
    """Return the body, which is JSON.

    Raises:
        InvalidInput: it isn't JSON, or holds what can't be kept.
    """
    text = await request.read()
    if not text:
        raise InvalidInput("the body is empty; send JSON")
    return characters.checked(text)


def encode(answer: Any, status: int) -> web.StreamResponse:
    """Return a handler's answer as a response."""
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=status)
    if isinstance(answer, BaseModel):
        return web.Response(text=answer.model_dump_json(), status=status, content_type=JSON)
    return web.json_response(answer, status=status, dumps=_dumps)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
