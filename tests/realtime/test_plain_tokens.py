"""The fast way to read plain tokens: nothing holds there that PyJWT would refuse."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.realtime.identity.plain_tokens import payload_of, plain, signature_of

SECRET = "a secret that is long enough for everybody"


def made(claims: Any, secret: str = SECRET, **header: Any) -> str:
    return jwt.encode(claims, secret, algorithm=header.pop("alg", "HS256"), headers=header)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.none(), max_size=4))
def test_plain_tokens_say_the_same(claims: dict[str, Any]) -> None:
    claims.pop("iss", None)  # which PyJWT wants to be a text
    token = made(claims, kid="one")
    payload = payload_of(token.encode(), SECRET)
    assert payload is not None
    assert json.loads(payload) == claims == json.loads(json.dumps(claims))


@given(st.binary(max_size=200), st.text(st.characters(codec="utf-8"), max_size=200))
def test_signatures_are_those_of_the_standard(signed: bytes, secret: str) -> None:
    assert signature_of(signed, secret) == hmac.digest(secret.encode(), signed, "sha256")


@given(st.integers(min_value=0, max_value=200), st.characters(codec="ascii"))
def test_a_changed_token_never_holds(at: int, letter: str) -> None:
    token = made({"sub": "emma", "iat": 1})
    at %= len(token)
    changed = token[:at] + letter + token[at + 1 :]
    assert payload_of(changed.encode(), SECRET) is None or changed == token


@pytest.mark.parametrize(
    "token",
    [
        made({"sub": "emma"}, "another secret that is long enough, too"),
        made({"sub": "emma"}, SECRET * 2, alg="HS512"),
        made({"sub": "emma"}, crit=["b64"], b64=True),
        f"{part({'alg': 'none'})}.{part({'sub': 'emma'})}.",
        f"{part({'alg': 'HS256', 'typ': 'at+jwt'})}.{part({'sub': 'emma'})}.x",
        "", ".", "..", "a.b", "é.é.é", "a" * 9000,
    ],
)  # fmt: skip
def test_all_others_are_left_to_pyjwt(token: str) -> None:
    assert payload_of(token.encode(), SECRET) is None


def test_a_public_key_is_no_secret() -> None:
    token = made({"sub": "emma"}).encode()
    assert plain(token.partition(b".")[0])
    assert payload_of(token, "-----BEGIN PUBLIC KEY-----") is None
