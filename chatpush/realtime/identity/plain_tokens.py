"""Read the plainest JWTs fast: HS256, and nothing in the header but ``alg``, ``typ`` and ``kid``.

Whatever is less plain, or wrong, is for PyJWT to judge; nothing holds here
that would not hold there.
"""

import base64
import binascii
import hmac
from functools import lru_cache
from typing import Any

import msgspec

PLAIN_NAMES = frozenset({"alg", "typ", "kid"})
# Keys that belong to other algorithms; PyJWT refuses them as secrets.
ASYMMETRIC = ("-----BEGIN", "ssh-", "ecdsa-")
_claims = msgspec.json.Decoder(dict[str, Any])


@lru_cache(256)
def plain(head: str) -> bool:
    """Return whether a token's first part says HS256 and nothing that would have to be understood."""
    try:
        header = _claims.decode(_decoded(head))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return False
    return header.get("alg") == "HS256" and header.get("typ", "JWT") == "JWT" and header.keys() <= PLAIN_NAMES


def claims_of(token: str, secret: str) -> dict[str, Any] | None:
    """Return the claims of a plain token that this secret has signed; None for all others."""
    signed, _, signature = token.rpartition(".")
    head, _, payload = signed.partition(".")
    if not plain(head) or secret.lstrip().startswith(ASYMMETRIC):
        return None
    try:
        mac = _keyed(secret).copy()
        mac.update(signed.encode())
        expected = base64.urlsafe_b64encode(mac.digest()).rstrip(b"=")
        if not hmac.compare_digest(expected, signature.encode()):
            return None
        return _claims.decode(_decoded(payload))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None


@lru_cache(256)
def _keyed(secret: str) -> hmac.HMAC:
    """Return the begin of every signature by a secret; making it costs more than the rest."""
    return hmac.new(secret.encode(), digestmod="sha256")


def _decoded(part: str) -> bytes:
    """Return a part's bytes.

    Raises:
        ValueError: it is no Base64 without padding.
    """
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no Base64") from error
