"""Stands where chatpush would: keeps what it is sent, answers plainly, refuses when told to."""

from typing import Any

from aiohttp import web


class FakeChatpush:
    """A recorder behind every path."""

    def __init__(self) -> None:
        self.refusals = 0
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.keys: set[str] = set()
        self.answers: dict[str, dict[str, Any]] = {}

    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application(client_max_size=8_000_000)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    def sent(self, path: str) -> list[dict[str, Any]]:
        """Return the bodies that came to a path."""
        return [body for _, called, body in self.calls if called == path]

    async def _answer(self, request: web.Request) -> web.Response:
        if self.refusals:
            self.refusals -= 1
            return web.json_response({"title": "Overloaded", "detail": "come back later"}, status=503)
        self.keys.add(request.headers.get("Authorization", ""))
        body = await request.json() if request.can_read_body else {}
        self.calls.append((request.method, request.path, body))
        return web.json_response(self.answers.get(request.path, {}), status=200)
