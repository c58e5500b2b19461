"""Post a question to an OpenAI-compatible endpoint and hold the stream of its answer.

The one place where answers are read with aiohttp and not by the ``openai``
package: whatever has come since the last reading is had in one go. That
package's stream hands out every token by itself, as a checked object, and 500
answers at once took it more than three cores.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import structlog

from chatpush.support.model.chunks import Chunk, Events

log = structlog.get_logger(__name__)

CONNECTIONS = 1000
LONGEST_REFUSAL = 65_536
DRAIN_SECONDS = 0.1


class Refused(Exception):
    """The endpoint answered with a status that is no success; ``after`` is its Retry-After, if any."""

    def __init__(self, status: int, message: str, after: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.after = after


class Unreachable(Exception):
    """There is no connection, or it went."""


class Chunks:
    """The chunks of an answer, reading by reading."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._events = Events()
        self._over = False

    async def next(self) -> Sequence[Chunk]:
        """Wait for further chunks and return all that came; none at the end.

        Raises:
            Unreachable: the connection went while the model was writing.
            WriterUnavailable: what comes is no stream of chunks.
        """
        while not (self._over or self._events.done):
            try:
                data = await self._response.content.readany()
            except (aiohttp.ClientError, OSError) as error:
                raise Unreachable(f"the connection went: {error}") from error
            self._over = not data
            chunks = self._events.feed(data) if data else self._events.finish()
            if chunks:
                return chunks
        return ()

    async def close(self) -> None:
        """Let go; the connection is used again where the server ends soon after its last word."""
        if self._events.done and not self._over:
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._response.content.readany()
            except (aiohttp.ClientError, OSError) as error:
                log.debug("the model's connection is not used again", error=str(error))
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Endpoint:
    """Where chat is asked."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {**headers, "Accept": "text/event-stream", "Accept-Encoding": "identity"}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, body: Mapping[str, Any]) -> Chunks:
        """Post a question and return its answer's chunks; callers bound the time.

        Raises:
            Refused: the status is no success.
            Unreachable: nobody is there.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS), timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(), trust_env=True,
            )  # fmt: skip
        try:
            # A question goes to the address that was configured and to no other.
            response = await self._session.post(
                self._url, json=body, headers=self._headers, allow_redirects=False
            )
            if response.status >= 300:
                async with response:
                    said = await response.content.read(LONGEST_REFUSAL)
                    after = response.headers.get("Retry-After", "")
                    raise Refused(response.status, _message(said), after)
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(str(error)) from error
        return Chunks(response)


def _message(said: bytes) -> str:
    """Return what a refusal says, wherever its server puts it."""
    try:
        told = json.loads(said)
    except ValueError:
        return said.decode(errors="replace")[:500]
    error = told.get("error", told) if isinstance(told, dict) else told
    return str(error.get("message", error) if isinstance(error, dict) else error)[:500]
