"""Read requests that are whole and plain from bytes, and write JSON responses as bytes.

What is odd in any way is not understood here on purpose: aiohttp judges it.
"""

import re
import secrets
from dataclasses import dataclass
from itertools import count
from typing import Any

LONGEST_HEAD = 8192

LONGEST_REST = 65_536

# Clients send the same heads again and again: so many are remembered, of at most so many bytes.
HEADS_KNOWN = 1024

LONGEST_KNOWN = 1024

END = b"\r\n\r\n"

# Names and values as RFC 9112 wants them, nothing folded; what is odd is for aiohttp to judge.
HEAD = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+")

NOT_HERE = frozenset({b"transfer-encoding", b"expect", b"content-encoding", b"te", b"trailer"})

# The heads of WebSockets differ by their keys alone (16 bytes in Base64, RFC 6455 §4.1).
KEY = re.compile(rb"\r\nSec-WebSocket-Key: ([A-Za-z0-9+/]{22}==)\r\n")

SAFE = b"\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: strict-origin-when-cross-origin"


@dataclass(slots=True)
class Head:
    """A request's head: what it asks (method and path), its headers by lower-case name, the length of its body."""

    target: bytes
    query: bytes
    headers: dict[bytes, bytes]
    length: int
    # What a handler has found out from these bytes alone, so that it need not again.
    memo: Any = None


@dataclass(slots=True)
class Hot:
    """A request, what the client sent after it, and all of its bytes.

    ``key`` is a plain handshake's; then it is not among the headers.
    """

    head: Head
    key: bytes
    body: bytes
    rest: bytes
    whole: bytes


_heads: dict[bytes, Head] = {}

_ids = count(1)

_node = secrets.token_hex(8)


def next_id() -> bytes:
    """Return what ends the line that ``head`` begins."""
    return b"%x\r\n" % next(_ids)


def head(length: int, headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """Return the begin of a JSON response, up to a request id that ``next_id`` ends.

    ``headers`` are whole lines, each ending with CRLF.
    """
    return (
        b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: " + b"%d" % length + SAFE
        + b"\r\n" + headers + f"X-Request-Id: req_{_node}{next(_ids):x}.".encode()
    )  # fmt: skip


def response(body: bytes, headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """Return a JSON response."""
    return b"".join((head(len(body), headers, status), b"0\r\n\r\n", body))


class NotWhole(Exception):
    """The rest of a short body is still to come."""


def parse(data: bytes) -> Hot | None:
    """Return the request the data begins with; None if it is not plain, or too long for here.

    Raises:
        NotWhole: it may be one when all of it is here.
    """
    end = data.find(END)
    if not 0 < end <= LONGEST_HEAD:
        return None
    body = end + len(END)
    key, raw = _without_key(data[:body])
    found = _heads.get(raw)
    if found is None:
        found = _parse_head(raw)
        if found is None:
            return None
        if len(_heads) >= HEADS_KNOWN:
            _heads.clear()
        if len(raw) <= LONGEST_KNOWN and b"cookie" not in found.headers:
            _heads[raw] = found
    after = body + found.length
    if len(data) < after:
        if after > LONGEST_REST:
            return None
        raise NotWhole
    return Hot(found, key, data[body:after], data[after:], data[:after])


def _without_key(raw: bytes) -> tuple[bytes, bytes]:
    """Return a handshake's key and its head without the key; no key and the head as it is, if none is plain to see."""
    found = KEY.search(raw) if raw.startswith(b"GET ") else None
    if found is None:
        return b"", raw
    start, end = found.span(1)
    return raw[start:end], raw[:start] + raw[end:]


def _parse_head(raw: bytes) -> Head | None:
    """Return a head as it is understood here; None if it is not plain."""
    line = raw.find(b"\r\n")
    lines = raw[line + 2 : -2]
    if not raw[:line].endswith(b" HTTP/1.1") or HEAD.fullmatch(lines) is None:
        return None
    headers: dict[bytes, bytes] = {}
    fields = lines[:-2].split(b"\r\n")
    for field in fields:
        name, _, value = field.partition(b":")
        headers[name.lower()] = value.strip()
    if len(headers) != len(fields) or b"host" not in headers or not NOT_HERE.isdisjoint(headers):
        return None
    target, _, query = raw[: line - len(b" HTTP/1.1")].partition(b"?")
    if b"upgrade" in headers:
        return None if b"content-length" in headers else Head(target, query, headers, 0)
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 7 or b"cookie" in headers:
        return None
    if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return Head(target, query, headers, int(length))
