"""Talk to a running chatpush over its own HTTP API, as any backend would.

One kept-open connection, no redirects (a secret key goes where it was told to
go and nowhere else), and every refusal in the server's own words.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import click

from chatpush.errors import ChatpushError, Unavailable

DEFAULT_URL = "http://127.0.0.1:8000"
SECONDS = 60.0
TRIES = 2
Command = TypeVar("Command", bound=Callable[..., Any])


class Refused(ChatpushError):
    """The server said no; the message is its own."""

    code = "refused"

    def __init__(self, status: int, message: str, param: str) -> None:
        super().__init__(message, param=param or None)
        self.status = status


class Remote:
    """A connection with its key."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.BadParameter(
                f"{url!r} is not a web address such as {DEFAULT_URL}", param_hint="--url"
            )
        self._url = url
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=SECONDS, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)

    def get(self, path: str, **query: Any) -> Any:
        """Ask for something."""
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Any = None) -> Any:
        """Post JSON."""
        return self.send("POST", path, body)

    def put(self, path: str, body: Any) -> Any:
        """Put JSON."""
        return self.send("PUT", path, body)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the answer's JSON.

        Raises:
            Refused: the server refused it. Unavailable: nobody answers there.
        """
        payload = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        status, text = self._exchange(method, self._base + path, payload)
        try:
            answer = json.loads(text) if text else None
        except ValueError as error:
            raise Unavailable(f"{self._url} answers {status} without JSON; is that a chatpush?") from error
        if status >= 300:
            detail = answer if isinstance(answer, dict) else {}
            message = str(detail.get("detail") or f"the server answered {status}")
            raise Refused(status, message, str(detail.get("param") or ""))
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self._connection.close()

    def _exchange(self, method: str, path: str, payload: bytes | None) -> tuple[int, bytes]:
        for attempt in range(TRIES):
            try:
                self._connection.request(method, path, payload, self._headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except http.client.RemoteDisconnected as error:
                # The server closed the idle connection; the next try opens a new one.
                self._connection.close()
                if attempt == TRIES - 1:
                    raise Unavailable(f"{self._url} hangs up") from error
            except (OSError, socket.gaierror, http.client.HTTPException) as error:
                raise Unavailable(
                    f"can't reach {self._url}: {error}; is `chatpush serve` running?"
                ) from error
        raise Unavailable(f"can't reach {self._url}")


def remote_options(command: Command) -> Command:
    """Add ``--url`` and ``--key`` to a command."""
    command = click.option(
        "--key",
        envvar="CHATPUSH_KEY",
        required=True,
        help="A secret key, sk_…, with the scopes needed; or $CHATPUSH_KEY.",
    )(command)
    return click.option(
        "--url",
        envvar="CHATPUSH_URL",
        default=DEFAULT_URL,
        show_default=True,
        help="The server; or $CHATPUSH_URL.",
    )(command)
