"""What is no HTTP request, or has a body that can't be unpacked, is refused with a problem, byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.serving import Served, serving

pytestmark = pytest.mark.usefixtures("no_errors")
POST = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\r\n"
UNREADABLE = {
    "a request line of 9 KB": (
        b"GET /v1/users?secret=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "shorten the address or the header",
    ),
    "a header of 9 KB": (
        b"GET /v1/users HTTP/1.1\r\nX-A: secret" + b"a" * 9000 + b"\r\n\r\n",
        "shorten the address or the header",
    ),
    "too many headers": (b"GET / HTTP/1.1\r\n" + b"X-A: secret\r\n" * 200 + b"\r\n", "Too many headers"),
    "the beginning of TLS": (b"\x16\x03\x01\x02\x00\x01\x00secret\r\n\r\n", "HTTPS traffic"),
    "another protocol": (b"secret\r\n\r\n", "the request can't be read: "),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "Content-Length"),
    "a chunk without its size": (POST + b"Transfer-Encoding: chunked\r\n\r\nsecret\r\n\r\n", "chunk size"),
    "a body that is not packed as it says": (
        POST + b"Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\nsecret",
        "the body can't be read: ",
    ),
}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


@pytest.mark.parametrize("what", UNREADABLE)
async def test_it_is_told_in_a_problem_that_repeats_nothing(served: Served, what: str) -> None:
    sent, told = UNREADABLE[what]
    with capture_logs() as lines:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.chatpush.port)
        writer.write(sent.replace(b"SECRET", served.secret.encode()))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")  # until it is closed
        writer.close()
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    problem = json.loads(body)
    assert head.split()[1] == b"400"
    assert fields["Content-Type"].startswith("application/problem+json")
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert (problem["status"], problem["code"]) == (400, "bad_request")
    assert problem["request_id"] == fields["X-Request-Id"]
    assert told in problem["detail"]
    assert "secret" not in problem["detail"]
    assert "secret" not in json.dumps(lines)
    await served.told("GET", "/v1/users")
