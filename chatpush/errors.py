"""Every error chatpush raises on purpose.

    ChatpushError
    ├── InvalidInput            what was sent can't be used (422)
    │   ├── InvalidSettings     the configuration stops the start
    │   ├── InvalidTemplate     a template can't be parsed or rendered
    │   ├── InvalidKnowledge    a knowledge file can't be read
    │   └── KeyTooLong          an idempotency key of over 255 characters (400)
    ├── Unauthenticated         nobody we know (401)
    │   └── TokenExpired        was known; fetch a fresh token
    ├── Forbidden               known, but not allowed here (403)
    ├── NotFound                no such thing for this tenant (404)
    ├── Conflict                the thing is in another state (409)
    │   ├── InProgress          the same request is still running
    │   └── KeyReused           an idempotency key with another body (422)
    ├── TooLarge                over a documented limit (413)
    ├── TooMany                 a rate or quota is used up (429)
    │   └── QuotaExceeded       the plan's quota, not a rate
    ├── Unavailable             try again later (503)
    │   ├── StorageFull         the disk has no room
    │   └── WriterUnavailable   the language model did not answer
    ├── CursorLost              retention has passed this cursor
    ├── PluginFailed            a plugin broke its contract
    └── VaultError              sealed data can't be opened

Services raise these; ``web/http/problems.py`` holds the one table that turns a
class into an HTTP status, and ``realtime/protocol/codes.py`` the one for the protocol.
Messages name the remedy. ``code`` is stable and part of the API.
"""

from typing import ClassVar


class ChatpushError(Exception):
    """Root of all errors raised on purpose."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class InvalidInput(ChatpushError):
    """What was sent can't be used; ``param`` names the field."""

    code = "invalid_input"


class InvalidSettings(InvalidInput):
    """The configuration has an unknown key or a wrong value."""

    code = "invalid_settings"


class InvalidTemplate(InvalidInput):
    """A template can't be parsed or rendered."""

    code = "invalid_template"


class InvalidKnowledge(InvalidInput):
    """A knowledge file can't be read."""

    code = "invalid_knowledge"


class KeyTooLong(InvalidInput):
    """An idempotency key has at most 255 characters."""

    code = "idempotency_key_too_long"


class Unauthenticated(ChatpushError):
    """No credentials, or none that we know."""

    code = "unauthenticated"


class TokenExpired(Unauthenticated):
    """The token was valid once; ask the app's backend for a fresh one."""

    code = "token_expired"


class Forbidden(ChatpushError):
    """The identity is known, but this door is closed to it."""

    code = "forbidden"


class NotFound(ChatpushError):
    """No such thing in this tenant."""

    code = "not_found"


class Conflict(ChatpushError):
    """The thing is in a state that does not allow this."""

    code = "conflict"


class InProgress(Conflict):
    """A request with the same idempotency key is still running."""

    code = "in_progress"


class KeyReused(Conflict):
    """An idempotency key came back with a different body."""

    code = "idempotency_key_reused"


class TooLarge(ChatpushError):
    """Over a documented size limit."""

    code = "too_large"


class TooMany(ChatpushError):
    """Over a rate limit; ``retry_after_seconds`` says when to come back."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after_seconds: int = 1, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(TooMany):
    """The plan's quota for this period is used up."""

    code = "quota_exceeded"


class Unavailable(ChatpushError):
    """Something needed is down or full for now; try again later.

    ``retry_after_seconds`` is what whoever is down asked for, None if it did not say.
    """

    code = "unavailable"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, param=param)
        self.retry_after_seconds = retry_after_seconds


class StorageFull(Unavailable):
    """The disk has no room; free space, then send it again. What was acknowledged is stored."""

    code = "storage_full"


class WriterUnavailable(Unavailable):
    """The language model is down, slow, over budget or talks nonsense."""

    code = "writer_unavailable"


class CursorLost(ChatpushError):
    """Retention has dropped what came after this cursor; fetch the state anew."""

    code = "cursor_lost"


class PluginFailed(ChatpushError):
    """A plugin raised, hung or returned what its hook does not allow."""

    code = "plugin_failed"


class VaultError(ChatpushError):
    """Sealed data can't be opened: wrong key, moved row, or erased owner."""

    code = "vault"
