"""Take a model's stream apart: server-sent events in bytes that come in any pieces.

Whoever reads seldom gets several chunks at once. Lines end as the standard lets
them (WHATWG HTML, 9.2); what is no event is passed over, what is no JSON object
ends the answer. Bounded.
"""

import json
from typing import Any

from chatpush.errors import WriterUnavailable

LONGEST_EVENT = 2**20
LONGEST_STREAM = 2**24
"""Sixteen megabytes: with its wrapping a token takes 300 bytes, and models think at length before they answer."""
DONE = b"[DONE]"
Chunk = dict[str, Any]


class Events:
    """Puts events together; ``done`` once the model said that it is."""

    def __init__(self) -> None:
        self.done = False
        self._held = b""
        self._data: list[bytes] = []
        self._left = LONGEST_STREAM

    def feed(self, data: bytes) -> list[Chunk]:
        """Take in bytes; return the chunks that are whole now.

        Raises:
            WriterUnavailable: it is none, or has no end.
        """
        self._left -= len(data)
        if self._left < 0:
            raise WriterUnavailable("the model's stream does not end")
        text = self._held + data
        if b"\r" in text:
            half = text.endswith(b"\r")  # perhaps of a \r\n
            text = text[: len(text) - half].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\r" * half
        *lines, self._held = text.split(b"\n")
        if len(self._held) + sum(map(len, self._data)) > LONGEST_EVENT:
            raise WriterUnavailable("the model's stream has an event without an end")
        return [chunk for line in lines if (chunk := self._line(line)) is not None]

    def finish(self) -> list[Chunk]:
        """Return the last chunk of a server that leaves the blank line after it out."""
        return self.feed(b"\n\n")

    def _line(self, line: bytes) -> Chunk | None:
        """Take in a line; a blank one ends an event."""
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return None
        if not self._data or self.done:
            return None
        data, self._data = b"\n".join(self._data), []
        if data.startswith(DONE):
            self.done = True
            return None
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise WriterUnavailable("the model's stream holds what is no JSON") from error
        if not isinstance(chunk, dict):
            raise WriterUnavailable("the model's stream holds what is no chunk")
        return chunk
