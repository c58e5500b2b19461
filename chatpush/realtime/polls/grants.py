"""What a long-poll carries instead of a session: a signed grant and a plain cursor.

The grant says who polls which channels, until when, and which tokens allowed
it, so that the next poll need not be authorised again and a revocation holds
all the same. The cursor only says where the client stands and gives no power,
so it is not signed.
"""

import base64
import binascii
import hmac

import msgspec

from chatpush.domain import TenantId, UserId
from chatpush.errors import InvalidInput, TokenExpired, Unauthenticated
from chatpush.log.contract import Cursor
from chatpush.realtime.identity.claims import Proof

LONGEST = 65_536


class GrantExpired(TokenExpired):
    """The grant was good once; poll with the token again."""

    code = "grant_expired"


class Dismissed(Unauthenticated):
    """The server has sent this client away for good; it asks no more by itself."""

    code = "dismissed"


class Grant(msgspec.Struct, array_like=True, frozen=True):
    """A client's permission to poll."""

    tenant: TenantId
    user: UserId
    client: str
    channels: tuple[str, ...]
    # Subscribed by the server: polled even when the request does not name them.
    own: tuple[str, ...]
    expires_at: float
    # What it was given for; whoever revokes one of these takes it back.
    proofs: tuple[Proof, ...] = ()
    # The id of the publishable key it was given by, if there was one.
    key: str = ""

    def covers(self, channels: set[str]) -> bool:
        """Return whether it is for all of these channels."""
        return channels <= {*self.channels, *self.own}


class Grants:
    """Signs and reads grants with one key."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Grant)

    def sign(self, grant: Grant) -> str:
        """Return the grant as an opaque text."""
        body = self._encoder.encode(grant)
        return _text(self._mac(body) + body)

    def read(self, text: str, tenant: TenantId, now: float) -> Grant:
        """Return a grant of ours.

        Raises:
            GrantExpired: its time is over, or another process signed it.
            Unauthenticated: it is no grant, or for another tenant.
        """
        try:
            packed = _bytes(text)
            mac, body = packed[:16], packed[16:]
            if not hmac.compare_digest(mac, self._mac(body)):
                raise GrantExpired("the grant was not signed here; poll with the token again")
            grant = self._decoder.decode(body)
        except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
            raise Unauthenticated("this is no grant; poll with the token", param="grant") from error
        if grant.tenant != tenant:
            raise Unauthenticated("the grant belongs to another tenant; poll with the token", param="grant")
        if grant.expires_at <= now:
            raise GrantExpired("the grant has expired; poll with the token again")
        return grant

    def _mac(self, body: bytes) -> bytes:
        mac = self._keyed.copy()
        mac.update(body)
        return mac.digest()[:16]


_cursors = msgspec.json.Decoder(dict[str, tuple[str, int]])


def encode_cursor(places: dict[str, Cursor]) -> str:
    """Return where a client stands as an opaque text."""
    return _text(msgspec.json.encode({channel: (at.epoch, at.offset) for channel, at in places.items()}))


def decode_cursor(text: str) -> dict[str, Cursor]:
    """Return where a client stands.

    Raises:
        InvalidInput: the text is no cursor of ours.
    """
    if not text:
        return {}
    try:
        places = _cursors.decode(_bytes(text))
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput("this is no cursor; start with an empty one", param="cursor") from error
    return {channel: Cursor(epoch, offset) for channel, (epoch, offset) in places.items()}


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    if len(text) > LONGEST:
        raise ValueError("too long")
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
