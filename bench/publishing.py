"""Publish over HTTP on keep-alive connections, without the weight of a client library."""

import asyncio
import json
import time

PADDING = "x" * 100


class Publisher:
    """One keep-alive HTTP connection that posts and waits for each answer."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._port = port
        self._path = path
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def post(self, body: object) -> tuple[int, bytes]:
        """Post JSON and return status and body.

        Raises:
            ConnectionError: the server closed or answered without a length.
        """
        payload = json.dumps(body).encode()
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"{self._headers}Content-Length: {len(payload)}\r\n\r\n"
        )
        self._writer.write(head.encode() + payload)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        lengths = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not lengths:
            raise ConnectionError(f"no Content-Length in {answer!r}")
        return status, await self._reader.readexactly(int(lengths[0].split(b":")[1]))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def stamped(channel: str) -> dict[str, object]:
    """Return a publish request of about 128 bytes that carries its time of birth."""
    return {"channel": channel, "data": {"t": time.perf_counter_ns(), "p": PADDING}}
