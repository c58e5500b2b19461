"""The numbers of the Centrifuge protocol, and which of our errors becomes which.

Clients decide by number whether to reconnect (3000-3499 yes, 3500-3999 no),
to resubscribe (unsubscribe codes from 2500) or to retry (``temporary``), so
these never change.
"""

from dataclasses import dataclass

from chatpush import errors


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """An error reply to one command."""

    code: int
    message: str
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Why a connection is closed."""

    code: int
    reason: str

    @property
    def terminal(self) -> bool:
        """Whether the client is not to come back by itself."""
        return 3500 <= self.code < 4000 or self.code >= 4500


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Why the server ended a subscription."""

    code: int
    reason: str


INTERNAL = ErrorCode(100, "internal server error", temporary=True)
UNAUTHORIZED = ErrorCode(101, "unauthorized")
UNKNOWN_CHANNEL = ErrorCode(102, "unknown channel")
PERMISSION_DENIED = ErrorCode(103, "permission denied")
METHOD_NOT_FOUND = ErrorCode(104, "method not found")
ALREADY_SUBSCRIBED = ErrorCode(105, "already subscribed")
LIMIT_EXCEEDED = ErrorCode(106, "limit exceeded")
BAD_REQUEST = ErrorCode(107, "bad request")
NOT_AVAILABLE = ErrorCode(108, "not available")
TOKEN_EXPIRED = ErrorCode(109, "token expired")
EXPIRED = ErrorCode(110, "expired")
TOO_MANY_REQUESTS = ErrorCode(111, "too many requests", temporary=True)
UNRECOVERABLE_POSITION = ErrorCode(112, "unrecoverable position")

CONNECTION_CLOSED = Disconnect(3000, "connection closed")
SHUTDOWN = Disconnect(3001, "shutdown")
SERVER_ERROR = Disconnect(3004, "internal server error")
CONNECTION_EXPIRED = Disconnect(3005, "connection expired")
SUBSCRIPTION_EXPIRED = Disconnect(3006, "subscription expired")
SLOW = Disconnect(3008, "slow")
WRITE_ERROR = Disconnect(3009, "write error")
INSUFFICIENT_STATE = Disconnect(3010, "insufficient state")
FORCE_RECONNECT = Disconnect(3011, "force reconnect")
NO_PONG = Disconnect(3012, "no pong")
TOO_MANY = Disconnect(3013, "too many requests")
STATE_INVALIDATED = Disconnect(3014, "state invalidated")
INVALID_TOKEN = Disconnect(3500, "invalid token")
BAD_FRAME = Disconnect(3501, "bad request")
STALE = Disconnect(3502, "stale")
FORCE_DISCONNECT = Disconnect(3503, "force disconnect")
CONNECTION_LIMIT = Disconnect(3504, "connection limit")
CHANNEL_LIMIT = Disconnect(3505, "channel limit")
INAPPROPRIATE_PROTOCOL = Disconnect(3506, "inappropriate protocol")
NO_PERMISSION = Disconnect(3507, "permission denied")
NOT_HERE = Disconnect(3508, "not available")
TOO_MANY_ERRORS = Disconnect(3509, "too many errors")

SERVER_UNSUBSCRIBED = Unsubscribe(2000, "server unsubscribe")
STATE_LOST = Unsubscribe(2500, "insufficient state")
SUBSCRIPTION_ENDED = Unsubscribe(2501, "subscription expired")
SUBSCRIPTION_INVALIDATED = Unsubscribe(2502, "state invalidated")

_BY_ERROR: dict[type[errors.ChatpushError], ErrorCode] = {
    errors.InvalidInput: BAD_REQUEST,
    errors.TokenExpired: TOKEN_EXPIRED,
    errors.Unauthenticated: UNAUTHORIZED,
    errors.Forbidden: PERMISSION_DENIED,
    errors.NotFound: UNKNOWN_CHANNEL,
    errors.Conflict: BAD_REQUEST,
    errors.TooLarge: LIMIT_EXCEEDED,
    errors.TooMany: TOO_MANY_REQUESTS,
    errors.Unavailable: INTERNAL,
    errors.CursorLost: UNRECOVERABLE_POSITION,
    errors.PluginFailed: INTERNAL,
    errors.VaultError: INTERNAL,
    errors.ChatpushError: INTERNAL,
}


class Refused(Exception):
    """A command is answered with an error."""

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        super().__init__(message or code.message)
        self.code = ErrorCode(code.code, message, code.temporary) if message else code


class Disconnected(Exception):
    """The connection must be closed."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect.reason)
        self.disconnect = disconnect


def code_of(error: errors.ChatpushError) -> ErrorCode:
    """Return the protocol's code of one of our errors, by its nearest ancestor."""
    found = next(_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR)
    if found.code == INTERNAL.code and not isinstance(error, errors.StorageFull):
        return found
    return ErrorCode(found.code, error.message, found.temporary)
