"""Answer what is no request as every other refusal is answered: with a problem.

What aiohttp's parser gives up on (a request line or a header that is too long,
bytes that are not HTTP) never becomes a request, so that no middleware sees
it. It is the caller's mistake, and whoever sends nonsense must not fill the log:
only at its debug level is there a line of it. What was sent is neither logged
nor repeated: an address can hold a key.
"""

import re
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from chatpush.domain import new_id
from chatpush.web.http import problems

log = structlog.get_logger(__name__)
QUOTED = re.compile(r" when reading|:? *\n")
"""Where the parser's words end and what was sent begins."""


class Runner(web.AppRunner):
    """Runs an application, and answers for the parser in its place."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Handler(self, loop=self._loop, **self._kwargs)


class _Handler(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what could not be read; what failed here is aiohttp's to tell."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        request_id, what = new_id("req"), QUOTED.split(message or "it is not HTTP")[0]
        if isinstance(exc, LineTooLong):
            what += " in one line; shorten the address or the header"
        log.debug("unreadable request", request_id=request_id, address=request.remote, reason=what)
        return problems.of_unreadable(f"the request can't be read: {what}", request_id, status)

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Log what failed here; a body that can't be read has had its answer."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **more)
