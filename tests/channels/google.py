"""Google on loopback: gives access tokens for assertions it can verify, takes messages for those tokens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "push@shop.iam.gserviceaccount.com"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


@dataclass
class Google:
    """Remembers what was sent, and how often it was asked for a token."""

    key: rsa.RSAPublicKey
    now: Callable[[], float]
    url: str = ""
    sent: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Callable[[], Any]] = field(default_factory=list)
    token_answers: list[Callable[[], Any]] = field(default_factory=list)
    granted: int = 0
    revoked: set[str] = field(default_factory=set)

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.token_answers:
            answer: web.Response = self.token_answers.pop(0)()
            return answer
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        claims = jwt.decode(
            str(form["assertion"]), self.key, algorithms=["RS256"], audience=f"{self.url}/token",
            options={"verify_exp": False, "verify_iat": False},
        )  # fmt: skip
        assert (claims["iss"], claims["scope"]) == (
            EMAIL,
            "https://www.googleapis.com/auth/firebase.messaging",
        )
        assert claims["exp"] - claims["iat"] <= 3600
        assert abs(claims["iat"] - self.now()) < 60
        self.granted += 1
        return web.json_response({"access_token": f"ya29.{self.granted}", "expires_in": 3599})

    async def send(self, request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token in self.revoked or not token.startswith("ya29."):
            return refusal(401, "UNAUTHENTICATED")
        body = await request.read()
        given = json.loads(body)["message"]
        assert all(isinstance(value, str) for value in given["data"].values())
        if self.answers:
            answer = self.answers.pop(0)()
            if isinstance(answer, Exception):
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            made: web.StreamResponse = answer
            return made
        self.sent.append(given)
        return web.json_response({"name": f"projects/shop/messages/{len(self.sent)}"})


def refusal(status: int, code: str, *, fcm: str = "", field: str = "", **headers: str) -> web.Response:
    """Return an error as FCM words it."""
    details: list[dict[str, Any]] = []
    if fcm:
        details.append({"@type": FCM_ERROR, "errorCode": fcm})
    if field:
        details.append({"@type": "BadRequest", "fieldViolations": [{"field": field, "description": "bad"}]})
    error = {"code": status, "message": "no", "status": code, "details": details}
    return web.json_response({"error": error}, status=status, headers=headers)


@asynccontextmanager
async def googling(file: Path, now: Callable[[], float]) -> AsyncIterator[Google]:
    """Yield Google; ``file`` becomes the key of a service account it knows."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    google = Google(key.public_key(), now)
    app = web.Application()
    app.router.add_post("/token", google.token)
    app.router.add_post("/v1/projects/shop/messages:send", google.send)
    async with TestServer(app) as server:
        google.url = str(server.make_url("")).rstrip("/")
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account", "project_id": "shop", "private_key_id": "k1", "client_email": EMAIL,
            "private_key": private.decode(), "token_uri": f"{google.url}/token",
        }  # fmt: skip
        await asyncio.to_thread(file.write_text, json.dumps(account))
        yield google
