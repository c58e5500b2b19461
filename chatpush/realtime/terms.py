"""What a token or the server says about one subscription: who it is, until when, and other rules than its channel's."""

from dataclasses import dataclass, field
from typing import Any

from chatpush.domain import Json
from chatpush.settings import ChannelOptions

OVERRIDABLE = ("presence", "join_leave", "force_push_join_leave", "force_positioning", "force_recovery")


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a subscription; ``override`` replaces options of its channel."""

    info: Json = None
    data: Json = None
    # Seconds since 1970; None as long as the connection.
    expires_at: float | None = None
    override: dict[str, bool] = field(default_factory=dict)

    def applied(self, options: ChannelOptions) -> ChannelOptions:
        """Return the options that hold for this subscription."""
        return options.model_copy(update=self.override) if self.override else options


NO_TERMS = Terms()


def override_of(said: Any) -> dict[str, bool]:
    """Return the options that are overridden by ``{"presence": {"value": true}}``, and nothing else."""
    if not isinstance(said, dict):
        return {}
    values = {name: said.get(name) for name in OVERRIDABLE}
    values = {
        name: value.get("value") if isinstance(value, dict) else value for name, value in values.items()
    }
    return {name: value for name, value in values.items() if isinstance(value, bool)}
