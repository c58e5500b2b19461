"""Hand a request on to the node it is for, once: bounded in time, without redirects."""

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from chatpush.errors import Unavailable

MARK = "X-Chatpush-Forwarded"
SECONDS = 5.0


class Forwarding:
    """Keeps connections to other nodes open; ``close`` in the end."""

    def __init__(self) -> None:
        self._http: ClientSession | None = None

    async def post(self, address: str, request: web.Request, body: bytes) -> web.Response:
        """Post a request's body to its path on another node and return that node's answer.

        Raises:
            Unavailable: the node does not answer in time.
        """
        if self._http is None:
            self._http = ClientSession(timeout=ClientTimeout(SECONDS))
        headers = {MARK: "1", "Content-Type": request.headers.get("Content-Type", "application/json")}
        try:
            async with self._http.post(
                address + request.path, data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.read()
                return web.Response(
                    status=answer.status, body=content or None, content_type=answer.content_type
                )
        except (ClientError, TimeoutError, ValueError) as error:
            raise Unavailable("the node that holds this does not answer; connect again") from error

    async def close(self, _app: web.Application) -> None:
        """Let go of all connections."""
        if self._http is not None:
            await self._http.close()
