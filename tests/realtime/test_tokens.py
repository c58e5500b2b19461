"""Tokens say who somebody is; every way to lie is refused."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from chatpush.domain import TenantId, UserId
from chatpush.errors import TokenExpired, Unauthenticated
from chatpush.realtime.identity.tokens import Tokens
from chatpush.settings import ClientToken
from tests.clocks import StillClock
from tests.realtime.node import SECRET, secret_of

TENANT = TenantId("default")


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(header: dict[str, Any], claims: dict[str, Any], key: bytes = SECRET.encode()) -> str:
    text = f"{part(header)}.{part(claims)}"
    mac = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def tokens(clock: StillClock, **settings: str) -> Tokens:
    return Tokens(ClientToken(**settings), secret_of, clock)


async def test_what_is_issued_verifies(still_clock: StillClock) -> None:
    mine = tokens(still_clock, audience="app", issuer="shop")
    token = await mine.issue_connection(
        TENANT, UserId("emma"), timedelta(hours=1), info={"a": 1}, channels=("news:a",), name="Emma"
    )
    claims = await mine.verify_connection(TENANT, token)
    assert (claims.user, claims.info, claims.channels, claims.name) == ("emma", {"a": 1}, ("news:a",), "Emma")
    assert claims.expires_at == (still_clock.now() + timedelta(hours=1)).timestamp()
    sub = await mine.issue_subscription(TENANT, UserId("emma"), "private:a", None)
    assert (await mine.verify_subscription(TENANT, sub)).channel == "private:a"
    with pytest.raises(Unauthenticated, match="opens its channel and no connection"):
        await mine.verify_connection(TENANT, sub)
    still_clock.forward(timedelta(hours=1))
    with pytest.raises(TokenExpired):
        await mine.verify_connection(TENANT, token)


@pytest.mark.parametrize(
    "token",
    [
        forged({"alg": "none", "typ": "JWT"}, {"sub": "emma"}).rsplit(".", 1)[0] + ".",
        forged({"alg": "None"}, {"sub": "emma"}),
        forged({"alg": "RS256"}, {"sub": "emma"}),
        forged({"alg": "HS512"}, {"sub": "emma"}),
        forged({}, {"sub": "emma"}),
        forged({"alg": "HS256"}, {"sub": "emma"}, b"another secret"),
        forged({"alg": "HS256"}, {"sub": 7}),
        forged({"alg": "HS256"}, {"sub": "emma", "exp": "soon"}),
        forged({"alg": "HS256"}, {"sub": "emma", "exp": -1}),
        forged({"alg": "HS256"}, {"sub": "emma", "exp": 1e300}),
        forged({"alg": "HS256"}, {"sub": "emma", "exp": True}),
        forged({"alg": "HS256"}, {"sub": "emma", "nbf": 99_999_999_999}),
        forged({"alg": "HS256"}, {"sub": "emma", "channels": "news:a"}),
        forged({"alg": "HS256"}, {"sub": "emma", "channels": [1]}),
        forged({"alg": "HS256"}, {"sub": "emma", "subs": []}),
        forged({"alg": "HS256", "crit": ["x"], "x": 1}, {"sub": "emma"}),
        f"{part({'alg': 'HS256'})}.{part([])}.x",
        "..", "", "a", "\x00", "\ud800.a.b", "a.b", ".".join("a" * 9),
    ],
)  # fmt: skip
async def test_forged_tokens_are_refused(still_clock: StillClock, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens(still_clock).verify_connection(TENANT, token)


async def test_audience_and_issuer_are_checked_when_set(still_clock: StillClock) -> None:
    strict = tokens(still_clock, audience="app", issuer="shop")
    good = {"sub": "emma", "aud": "app", "iss": "shop"}
    assert (await strict.verify_connection(TENANT, jwt.encode(good, SECRET))).user == "emma"
    for wrong in ({"aud": "other"}, {"iss": "other"}, {"aud": None}, {"iss": None}):
        claims = {name: value for name, value in (good | wrong).items() if value is not None}
        with pytest.raises(Unauthenticated):
            await strict.verify_connection(TENANT, jwt.encode(claims, SECRET))


async def test_tenants_have_secrets_of_their_own(still_clock: StillClock) -> None:
    mine = tokens(still_clock)
    token = await mine.issue_connection(TENANT, UserId("emma"), None)
    for tenant in ("other", "without-secret"):
        with pytest.raises(Unauthenticated):
            await mine.verify_connection(TenantId(tenant), token)


async def test_a_public_key_is_no_secret(still_clock: StillClock) -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----"

    async def public_key(tenant: TenantId) -> str:
        return pem

    confused = Tokens(ClientToken(), public_key, still_clock)
    with pytest.raises(Unauthenticated):
        await confused.verify_connection(TENANT, forged({"alg": "HS256"}, {"sub": "emma"}, pem.encode()))


async def test_expire_at_overrides_the_lifetime_of_the_connection(still_clock: StillClock) -> None:
    mine = tokens(still_clock)
    soon = int(still_clock.now().timestamp()) + 60
    for expire_at, expected in ((0, None), (soon + 60, soon + 60)):
        token = jwt.encode({"sub": "emma", "exp": soon, "expire_at": expire_at}, SECRET)
        assert (await mine.verify_connection(TENANT, token)).expires_at == expected
