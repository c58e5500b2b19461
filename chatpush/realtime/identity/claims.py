"""What tokens say: their payload as it is written, and what it means for a connection or a subscription."""

import base64
import json
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from chatpush.domain import Json, UserId
from chatpush.errors import Unauthenticated
from chatpush.realtime.terms import NO_TERMS, Terms, override_of

# Seconds since 1970, up to some ten thousand years from now.
Moment = Annotated[float, Meta(ge=0, lt=2**40)]
Label = Annotated[str, Meta(max_length=128)]
Labels = Annotated[dict[Label, Label], Meta(max_length=32)]


class Proof(NamedTuple):
    """What a token can be revoked by: its ``jti``, and its ``iat`` (seconds since 1970, 0 if it has none)."""

    uid: str = ""
    issued_at: float = 0.0


NO_PROOF = Proof()


class ConnectionClaims(Struct, frozen=True):
    """What a connection token says."""

    user: UserId
    # Seconds since 1970; None never.
    expires_at: float | None = None
    info: Json = None
    name: str = ""
    channels: tuple[str, ...] = ()
    subs: dict[str, Terms] = {}
    meta: Json = None
    # What the server API may choose connections by.
    labels: dict[str, str] = {}
    proof: Proof = NO_PROOF


class SubscriptionClaims(Struct, frozen=True):
    """What a subscription token says."""

    user: UserId
    channel: str
    # Seconds since 1970; None never.
    expires_at: float | None = None
    terms: Terms = NO_TERMS
    proof: Proof = NO_PROOF


class Claims(Struct, frozen=True):
    """The payload of a token. What is of no use here is not looked at."""

    sub: str = ""
    exp: Moment | None = None
    nbf: Moment | None = None
    iat: Any = None
    jti: Any = ""
    expire_at: Moment | None = None
    channel: str = ""
    channels: tuple[str, ...] = ()
    subs: dict[str, Any] = {}
    name: str = ""
    meta: Any = None
    labels: Labels = {}
    info: Any = None
    b64info: Any = None
    data: Any = None
    b64data: Any = None
    override: Any = None

    @property
    def proof(self) -> Proof:
        """What this token can be revoked by."""
        issued = self.iat
        return Proof(str(self.jti), float(issued) if isinstance(issued, int | float) else 0.0)

    def of_connection(self) -> ConnectionClaims:
        """Return what it says about a connection.

        Raises:
            Unauthenticated: it is a subscription token, or a claim in Base64 is none.
        """
        if self.channel:
            raise Unauthenticated("this is a subscription token: it opens its channel and no connection")
        return ConnectionClaims(
            UserId(self.sub), self._expiry(), _either(self.info, self.b64info, "info"), self.name, self.channels,
            {channel: _terms(options) for channel, options in self.subs.items()} if self.subs else {},
            self.meta, self.labels, self.proof,
        )  # fmt: skip

    def of_subscription(self) -> SubscriptionClaims:
        """Return what it says about a subscription.

        Raises:
            Unauthenticated: it names no channel, or a claim in Base64 is none.
        """
        if not self.channel:
            raise Unauthenticated("this is not a subscription token: it names no channel")
        until = self._expiry()
        info, data = _either(self.info, self.b64info, "info"), _either(self.data, self.b64data, "data")
        terms = Terms(info, data, until, override_of(self.override))
        return SubscriptionClaims(UserId(self.sub), self.channel, until, terms, self.proof)

    def _expiry(self) -> float | None:
        """``expire_at`` speaks of the connection, ``exp`` of the token; 0 is never."""
        moment = self.exp if self.expire_at is None else self.expire_at
        return moment or None


_decoder = msgspec.json.Decoder(Claims)


def read(payload: bytes) -> Claims:
    """Return the claims of a payload.

    Raises:
        Unauthenticated: it is no JSON, or a claim is of the wrong kind.
    """
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise Unauthenticated(f"the token's claims are not what they should be: {error}") from error


def of_values(claims: dict[str, Any]) -> Claims:
    """Return the claims that were read as values.

    Raises:
        Unauthenticated: one is of the wrong kind.
    """
    try:
        return msgspec.convert(claims, Claims)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unauthenticated(f"the token's claims are not what they should be: {error}") from error


def _terms(said: Any) -> Terms:
    """Return what a connection token says about one of its subscriptions."""
    if not isinstance(said, dict):
        return NO_TERMS
    info = _either(said.get("info"), said.get("b64info"), "info")
    data = _either(said.get("data"), said.get("b64data"), "data")
    return Terms(info, data, None, override_of(said.get("override")))


def _either(plain: Json, packed: Any, name: str) -> Json:
    """Return a claim that may come as JSON in Base64 instead.

    Raises:
        Unauthenticated: it is none.
    """
    if packed is None:
        return plain
    try:
        unpacked: Json = json.loads(base64.b64decode(packed, validate=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise Unauthenticated(f"the token's b64{name} is no JSON in Base64") from error
    return unpacked
