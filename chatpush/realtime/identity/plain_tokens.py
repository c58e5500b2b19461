"""Read the plainest JWTs fast: HS256, and nothing in the header but ``alg``, ``typ`` and ``kid``.

Whatever is less plain, or wrong, is for PyJWT to judge; nothing holds here
that would not hold there.
"""

import binascii
import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

PLAIN_NAMES = frozenset({"alg", "typ", "kid"})
# Keys that belong to other algorithms; PyJWT refuses them as secrets.
ASYMMETRIC = ("-----BEGIN", "ssh-", "ecdsa-")
# Base64's letters and those that are safe in addresses (RFC 4648 §5).
TO_SAFE = bytes.maketrans(b"+/", b"-_")
FROM_SAFE = bytes.maketrans(b"-_", b"+/")
BLOCK_BYTES = 64
_header = msgspec.json.Decoder(dict[str, Any])


@lru_cache(256)
def plain(head: bytes) -> bool:
    """Return whether a token's first part says HS256 and nothing that would have to be understood."""
    try:
        header = _header.decode(_decoded(head))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return False
    return header.get("alg") == "HS256" and header.get("typ", "JWT") == "JWT" and header.keys() <= PLAIN_NAMES


def payload_of(token: bytes, secret: str) -> bytes | None:
    """Return the payload of a plain token that this secret has signed; None for all others."""
    signed, _, signature = token.rpartition(b".")
    head, _, payload = signed.partition(b".")
    if not plain(head) or secret.lstrip().startswith(ASYMMETRIC):
        return None
    expected = (
        binascii.b2a_base64(signature_of(signed, secret), newline=False).translate(TO_SAFE).rstrip(b"=")
    )
    if not hmac.compare_digest(expected, signature):
        return None
    try:
        return _decoded(payload)
    except ValueError:
        return None


def signature_of(signed: bytes, secret: str) -> bytes:
    """Return the HMAC-SHA256 of what a secret signs (RFC 2104).

    Written out, because the two hashes that begin with the key are copied much
    faster than the library's object that holds them.
    """
    begin, end = _keyed(secret)
    inner, outer = begin.copy(), end.copy()
    inner.update(signed)
    outer.update(inner.digest())
    signature: bytes = outer.digest()
    return signature


@lru_cache(256)
def _keyed(secret: str) -> tuple[Any, Any]:
    """Return the begins of the inner and the outer hash of every signature by a secret."""
    key = secret.encode()
    key = (key if len(key) <= BLOCK_BYTES else sha256(key).digest()).ljust(BLOCK_BYTES, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in key)), sha256(bytes(byte ^ 0x5C for byte in key))


def _decoded(part: bytes) -> bytes:
    """Return a part's bytes.

    Raises:
        ValueError: it is no Base64 without padding.
    """
    return binascii.a2b_base64(part.translate(FROM_SAFE) + b"=" * (-len(part) % 4), strict_mode=True)
