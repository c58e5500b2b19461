"""Tokens signed with a private key: each kind, a JWKS that rotates or fails, and confusion of keys (RFC 8725)."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from chatpush.domain import TenantId
from chatpush.errors import InvalidSettings, Unauthenticated, Unavailable
from chatpush.realtime.identity.public_keys import PublicKeys
from chatpush.realtime.identity.tokens import Tokens
from chatpush.settings import ClientToken
from chatpush.web.http import jwks
from tests.clocks import StillClock
from tests.realtime.node import secret_of
from tests.realtime.test_tokens import forged

TENANT = TenantId("default")
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)
P256, P384, K256 = [ec.generate_private_key(c) for c in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP256K1())]
ED = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found.decode()


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    kind = {rsa.RSAPrivateKey: "RS256", ed25519.Ed25519PrivateKey: "EdDSA"}
    name = next((name for cls, name in kind.items() if isinstance(key, cls)), "ES256")
    made = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, **more}


class Endpoint:
    """A JWKS that changes and fails on demand."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.down = False

    async def fetch(self, url: str) -> bytes:
        assert url == "https://id.example/jwks"
        self.asked += 1
        if self.down:
            raise Unavailable("down")
        return json.dumps({"keys": self.keys}).encode()


def tokens(clock: StillClock, endpoint: Endpoint | None = None, **settings: Any) -> Tokens:
    if endpoint is not None:
        settings["jwks_public_endpoint"] = "https://id.example/jwks"
    configured = ClientToken(**settings)
    keys = PublicKeys(configured, (endpoint or Endpoint()).fetch, clock)
    return Tokens(configured, secret_of, clock, keys=keys)


def signed(key: Any, algorithm: str, kid: str = "", **claims: Any) -> str:
    return jwt.encode({"sub": "emma", **claims}, key, algorithm, headers={"kid": kid} if kid else None)


@pytest.mark.parametrize(
    ("setting", "key", "algorithm"),
    [
        ("rsa_public_key", RSA_KEY, "RS256"), ("rsa_public_key", RSA_KEY, "RS512"),
        ("rsa_public_key", RSA_KEY, "PS256"),
        ("ecdsa_public_key", P256, "ES256"), ("ecdsa_public_key", P384, "ES384"), ("eddsa_public_key", ED, "EdDSA"),
    ],
)  # fmt: skip
async def test_configured_keys(still_clock: StillClock, setting: str, key: Any, algorithm: str) -> None:
    configured: dict[str, Any] = {setting: pem(key)}
    mine = tokens(still_clock, **configured)
    assert (await mine.verify_connection(TENANT, signed(key, algorithm))).user == "emma"
    with pytest.raises(Unauthenticated):
        await mine.verify_connection(TenantId("other"), signed(key, algorithm))
    other = {"RS": OTHER_RSA, "PS": OTHER_RSA, "ES": ec.generate_private_key(ec.SECP256R1())}.get(
        algorithm[:2]
    )
    other = other or ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(Unauthenticated):
        await mine.verify_connection(TENANT, signed(other, "ES256" if algorithm[:2] == "ES" else algorithm))


@pytest.mark.parametrize("key", [RSA_KEY, P256, ED])
async def test_a_public_key_is_never_a_secret(still_clock: StillClock, key: Any) -> None:
    mine = tokens(
        still_clock, rsa_public_key=pem(RSA_KEY), ecdsa_public_key=pem(P256), eddsa_public_key=pem(ED)
    )
    for secret in (pem(key).encode(), pem(key).strip().encode(), json.dumps(jwk(key, "k")).encode()):
        with pytest.raises(Unauthenticated):
            await mine.verify_connection(
                TENANT, forged({"alg": "HS256", "typ": "JWT"}, {"sub": "emma"}, secret)
            )
    for algorithm in ("none", "None", "nOnE", "", "RS256", "ES256", "EdDSA"):
        with pytest.raises(Unauthenticated):
            await mine.verify_connection(TENANT, forged({"alg": algorithm}, {"sub": "emma"}))


async def test_the_token_brings_no_key_of_its_own(still_clock: StillClock) -> None:
    mine = tokens(still_clock, rsa_public_key=pem(RSA_KEY))
    headers = {"jwk": jwk(OTHER_RSA, "k"), "jku": "https://evil.example/jwks", "x5u": "https://evil.example"}
    token = jwt.encode({"sub": "emma"}, OTHER_RSA, "RS256", headers=headers)
    with pytest.raises(Unauthenticated):
        await mine.verify_connection(TENANT, token)


async def test_audience_and_issuer(still_clock: StillClock) -> None:
    mine = tokens(still_clock, rsa_public_key=pem(RSA_KEY), audience="shop", issuer="https://id.example")
    good: dict[str, Any] = {"aud": ["shop", "x"], "iss": "https://id.example"}
    assert await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", **good))
    wrong: dict[str, Any]
    for wrong in ({}, {"aud": "shop"}, {**good, "aud": "other"}, {**good, "iss": "https://evil.example"}):
        with pytest.raises(Unauthenticated):
            await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", **wrong))


@pytest.mark.parametrize(
    "value", ["nonsense", pem(P256), pem(SMALL_RSA),
              RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()],
)  # fmt: skip
def test_a_wrong_key_stops_the_start(still_clock: StillClock, value: str) -> None:
    with pytest.raises(InvalidSettings, match="rsa_public_key"):
        tokens(still_clock, rsa_public_key=value)


def test_an_unknown_curve_stops_the_start(still_clock: StillClock) -> None:
    with pytest.raises(InvalidSettings):
        tokens(still_clock, ecdsa_public_key=pem(K256))


async def test_keys_of_an_endpoint_are_kept(still_clock: StillClock) -> None:
    endpoint = Endpoint(jwk(RSA_KEY, "r1"), jwk(P256, "e1"), jwk(ED, "d1"))
    mine = tokens(still_clock, endpoint)
    for key, algorithm, kid in ((RSA_KEY, "RS256", "r1"), (P256, "ES256", "e1"), (ED, "EdDSA", "d1")):
        assert (await mine.verify_connection(TENANT, signed(key, algorithm, kid))).user == "emma"
    assert (await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256"))).user == "emma"
    assert endpoint.asked == 1
    still_clock.forward(timedelta(hours=2))
    await mine.verify_connection(TENANT, signed(P256, "ES256", "e1"))
    assert endpoint.asked == 2


async def test_a_rotated_key_works_soon_and_the_old_one_ends(still_clock: StillClock) -> None:
    endpoint = Endpoint(jwk(RSA_KEY, "r1"))
    mine = tokens(still_clock, endpoint)
    await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", "r1"))
    endpoint.keys = [jwk(OTHER_RSA, "r2")]
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await mine.verify_connection(TENANT, signed(OTHER_RSA, "RS256", "r2"))
    assert endpoint.asked == 1  # made-up key ids must not make us ask all the time
    still_clock.forward(timedelta(seconds=11))
    assert await mine.verify_connection(TENANT, signed(OTHER_RSA, "RS256", "r2"))
    with pytest.raises(Unauthenticated):
        await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", "r1"))


async def test_an_endpoint_that_is_down(still_clock: StillClock) -> None:
    endpoint = Endpoint(jwk(RSA_KEY, "r1"))
    endpoint.down = True
    mine = tokens(still_clock, endpoint)
    with pytest.raises(Unavailable):
        await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", "r1"))
    endpoint.down = False
    still_clock.forward(timedelta(seconds=11))
    await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", "r1"))
    endpoint.down = True
    still_clock.forward(timedelta(hours=2))
    assert await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", "r1"))


async def test_what_is_no_key_for_signatures_is_left_out(still_clock: StillClock) -> None:
    secret = base64.urlsafe_b64encode(b"known to all").rstrip(b"=").decode()
    endpoint = Endpoint(
        {"kty": "oct", "k": secret, "kid": "s", "alg": "HS256"}, jwk(OTHER_RSA, "enc", use="enc"),
        jwk(SMALL_RSA, "small"), {"kty": "RSA"}, jwk(P256, "p", alg="ES384"), jwk(RSA_KEY, "r1", alg="RS256"),
    )  # fmt: skip
    mine = tokens(still_clock, endpoint)
    assert await mine.verify_connection(TENANT, signed(RSA_KEY, "RS256", "r1"))
    bad = [
        forged({"alg": "HS256", "kid": "s"}, {"sub": "emma"}, b"known to all"),
        signed(OTHER_RSA, "RS256", "enc"), signed(RSA_KEY, "PS256", "r1"), signed(P256, "ES256", "p"),
    ]  # fmt: skip
    for token in bad:
        with pytest.raises(Unauthenticated):
            await mine.verify_connection(TENANT, token)


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A real endpoint with its troubles."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/keys":
            return web.json_response({"keys": []})
        if request.path == "/large":
            return web.Response(body=b"x" * (jwks.LARGEST_BYTES + 1))
        return web.Response(status=302, headers={"Location": "/keys"})

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_fetching(site: str) -> None:
    assert json.loads(await jwks.fetch(f"{site}/keys")) == {"keys": []}
    for url in (f"{site}/large", f"{site}/moved", "http://127.0.0.1:1/", "nonsense"):
        with pytest.raises(Unavailable):
            await jwks.fetch(url)
