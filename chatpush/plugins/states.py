"""How each plugin and each of its hooks is doing, for people and for Prometheus to read."""

from dataclasses import dataclass


@dataclass(slots=True)
class HookState:
    """One hook of one plugin: how it is called, and the score since the start.

    ``cut_off_seconds`` is how long the breaker stays open, 0 when it is closed;
    ``cuts`` is how often it opened.
    """

    name: str
    budget_milliseconds: float
    fail_closed: bool = False
    inline: bool = False
    calls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    drops: int = 0
    cuts: int = 0
    seconds: float = 0.0
    last_error: str = ""
    cut_off_seconds: float = 0.0

    @property
    def cut_off(self) -> bool:
        """Whether the hook is left out for now."""
        return self.cut_off_seconds > 0


@dataclass(frozen=True, slots=True)
class PluginState:
    """One plugin: its place in the order (1 is called first), its hooks, and their sums."""

    name: str
    description: str
    position: int
    hooks: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    called: tuple[HookState, ...]

    @property
    def calls(self) -> int:
        """Calls of all hooks."""
        return sum(one.calls for one in self.called)

    @property
    def failures(self) -> int:
        """Failures of all hooks."""
        return sum(one.failures for one in self.called)

    @property
    def drops(self) -> int:
        """What all hooks dropped."""
        return sum(one.drops for one in self.called)

    @property
    def seconds(self) -> float:
        """The time all calls took."""
        return sum(one.seconds for one in self.called)

    @property
    def cut_off(self) -> bool:
        """Whether any hook is left out for now."""
        return any(one.cut_off for one in self.called)

    @property
    def last_error(self) -> str:
        """The last error of the first hook that had one."""
        return next((one.last_error for one in self.called if one.last_error), "")
