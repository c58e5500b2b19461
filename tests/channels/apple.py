"""Apple's push service on loopback: HTTP/2 over TLS, checks what Apple checks, answers as told."""

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded

OLDEST_TOKEN_SECONDS = 3600


@dataclass(slots=True)
class Pushed:
    """One push as it came in."""

    device: str
    headers: dict[str, str]
    body: Any
    connection: int


@dataclass(slots=True)
class Answer:
    """What Apple is to say next; ``hang_up`` ends the connection, ``go_away`` announces it."""

    status: int = 200
    reason: str = ""
    retry_after: str = ""
    hang_up: bool = False
    go_away: bool = False


@dataclass
class Apple:
    """Remembers pushes; refuses tokens that are not of ``key``."""

    key: ec.EllipticCurvePublicKey
    now: Callable[[], float]
    url: str = ""
    pushes: list[Pushed] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    held: asyncio.Event | None = None
    stale: set[str] = field(default_factory=set)

    def judge(self, headers: dict[str, str]) -> Answer:
        """Return what this request deserves."""
        token = headers.get("authorization", "").removeprefix("bearer ")
        try:
            said = jwt.decode(token, self.key, algorithms=["ES256"], options={"verify_iat": False})
        except jwt.PyJWTError:
            return Answer(403, "InvalidProviderToken")
        if token in self.stale or not 0 <= self.now() - said["iat"] <= OLDEST_TOKEN_SECONDS:
            return Answer(403, "ExpiredProviderToken")
        if said["iss"] != "TEAM123456" or jwt.get_unverified_header(token)["kid"] != "KEY1234567":
            return Answer(403, "InvalidProviderToken")
        background = headers.get("apns-push-type") == "background"
        wrong = {
            "BadTopic": headers.get("apns-topic") != "com.example.shop",
            "BadCollapseId": len(headers.get("apns-collapse-id", "").encode()) > 64,
            "BadPriority": background and headers.get("apns-priority") != "5",
        }
        for reason, found in wrong.items():
            if found:
                return Answer(400, reason)
        return self.answers.pop(0) if self.answers else Answer()


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, apple: Apple) -> None:
        self.apple = apple
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.apple.connections += 1
        self.number = self.apple.connections
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self.on(event)
        self.flush()

    def on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            self.streams[event.stream_id] = (headers, bytearray())
            self.apple.most_at_once = max(self.apple.most_at_once, len(self.streams))
        elif isinstance(event, DataReceived):
            self.streams[event.stream_id][1].extend(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            task = asyncio.create_task(self.answer(event.stream_id))
            self.answering.add(task)
            task.add_done_callback(self.answering.discard)
        elif isinstance(event, ConnectionTerminated):
            self.transport.close()

    async def answer(self, stream: int) -> None:
        if self.apple.held is not None:
            await self.apple.held.wait()
        headers, body = self.streams.pop(stream)
        assert headers[":method"] == "POST"
        assert len(body) <= 4096
        answer = self.apple.judge(headers)
        if answer.hang_up:
            self.transport.abort()
            return
        if answer.status == 200:
            device = headers[":path"].removeprefix("/3/device/")
            self.apple.pushes.append(Pushed(device, headers, json.loads(body), self.number))
        said = b"" if answer.status == 200 else json.dumps({"reason": answer.reason}).encode()
        fields = [(":status", str(answer.status)), ("apns-id", headers["apns-id"])]
        if answer.retry_after:
            fields.append(("retry-after", answer.retry_after))
        self.h2.send_headers(stream, fields, end_stream=not said)
        if said:
            self.h2.send_data(stream, said, end_stream=True)
        if answer.go_away:
            self.h2.close_connection(last_stream_id=stream)
        self.flush()


@asynccontextmanager
async def apple_pushing(
    key: ec.EllipticCurvePrivateKey, directory: Path, now: Callable[[], float], *, tls: bool = True
) -> AsyncIterator[tuple[Apple, ssl.SSLContext]]:
    """Yield Apple and what trusts it; without ``tls`` it speaks HTTP/2 in the clear (prior knowledge)."""
    apple = Apple(key.public_key(), now)
    context = trust = None
    certificate = self_signed(directory)
    trust = ssl.create_default_context(cafile=str(certificate))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["h2"])
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(apple), "127.0.0.1", 0, ssl=context
    )
    apple.url = f"{'https' if tls else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield apple, trust
    finally:
        server.close()


def signing_key(file: Path) -> ec.EllipticCurvePrivateKey:
    """Write a .p8 as Apple gives it and return the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return key


def self_signed(directory: Path) -> Path:
    """Write a certificate for localhost with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "localhost.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
