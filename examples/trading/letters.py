"""The traders' post: a real SMTP server (RFC 5321) on this machine that keeps letters and passes none on.

It is what a mail server is to chatpush: it speaks the protocol, takes a letter
or refuses it. Only the newest letters are kept, in memory, for the desk's page.
"""

import asyncio
import contextlib
from collections import deque
from email import message_from_bytes
from email.policy import default

KEPT = 6
LARGEST_BYTES = 256_000
PATIENCE_SECONDS = 30


class Letters:
    """The server and what it has kept, by address."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[str]] = {}
        self._server: asyncio.Server | None = None

    def of(self, address: str) -> list[str]:
        """Return an address's letters, newest first: the subject and the text."""
        return list(self._kept.get(address, ()))

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._talk, host, port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer commands until the client leaves."""
        writer.write(b"220 lantern-markets.example ESMTP\r\n")
        recipients: list[str] = []
        while line := await reader.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            match verb.upper():
                case "HELO" | "EHLO":
                    said = "250 lantern-markets.example"
                case "MAIL" | "RSET":
                    recipients, said = [], "250 go on"
                case "RCPT":
                    recipients.append(rest.partition("<")[2].partition(">")[0])
                    said = "250 known here"
                case "DATA" if recipients:
                    writer.write(b"354 end with a dot\r\n")
                    said = self._keep(recipients, await _text(reader))
                case "QUIT":
                    writer.write(b"221 goodbye\r\n")
                    await writer.drain()
                    return
                case "NOOP":
                    said = "250 still here"
                case _:
                    said = "503 not now"
            writer.write(f"{said}\r\n".encode())
            await writer.drain()

    def _keep(self, recipients: list[str], text: bytes | None) -> str:
        """Keep a letter; return the answer to whoever brought it."""
        if text is None:
            return "552 too large"
        letter = message_from_bytes(text, policy=default)
        body = letter.get_body(("plain",))
        words = "\n".join(body.get_content().split("\r\n")).strip() if body is not None else ""
        for address in recipients:
            self._kept.setdefault(address, deque(maxlen=KEPT)).appendleft(f"{letter['Subject']}\n{words}")
        return "250 kept"


async def _text(reader: asyncio.StreamReader) -> bytes | None:
    """Return a letter's bytes up to the dot, None if they are too many."""
    lines, size = [], 0
    while (line := await reader.readline()) not in (b".\r\n", b".\n", b""):
        size += len(line)
        if size <= LARGEST_BYTES:
            lines.append(line.removeprefix(b"."))
    return b"".join(lines) if size <= LARGEST_BYTES else None
