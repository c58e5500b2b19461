"""Call one plugin's hooks within a time budget, and keep the score.

``async`` hooks run as tasks, plain ones in the plugin's own threads. A plugin
whose plain hooks only compute for microseconds may say ``inline = True``: they
are then called directly, which costs nothing, until one call takes longer than
``INLINE_SECONDS``; from then on they go to threads like all others. A plugin
that fails several times in a row is cut off for a while; after that one more
failure is enough.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from chatpush import settings as configuration
from chatpush.clock import Clock
from chatpush.plugins.contracts import Drop
from chatpush.plugins.workers import Outcome, Raised, Stuck, Workers

log = structlog.get_logger(__name__)

INLINE_SECONDS = 0.025
Check = Callable[[Any], str]


@dataclass(slots=True)
class PluginState:
    """How a plugin is doing; ``cut_off_seconds`` is how long it stays cut off, 0 if it isn't."""

    name: str
    description: str
    hooks: tuple[str, ...]
    calls: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    drops: int = 0
    last_error: str = ""
    seconds: float = 0.0
    cut_off_seconds: float = 0.0
    inline: bool = False

    @property
    def cut_off(self) -> bool:
        """Whether it is left out for now."""
        return self.cut_off_seconds > 0


class Guard:
    """Stands around one plugin."""

    def __init__(self, state: PluginState, settings: configuration.Plugins, clock: Clock) -> None:
        self.state = state
        self._settings = settings
        self._budget = settings.budget_milliseconds / 1000
        self._clock = clock
        self._cut_off_until = 0.0
        self._workers = Workers(state.name)
        self._left: set[asyncio.Task[Outcome]] = set()

    def snapshot(self) -> PluginState:
        """Return the score as it stands, for others to keep."""
        seen = self.state
        left = max(0.0, self._cut_off_until - self._clock.monotonic())
        copy = {name: getattr(seen, name) for name in PluginState.__dataclass_fields__}
        return PluginState(**{**copy, "cut_off_seconds": left})

    @property
    def cut_off(self) -> bool:
        """Whether the plugin is left out for now."""
        return self._cut_off_until > self._clock.monotonic()

    async def call(
        self, hook_name: str, function: Callable[..., Any], accepted: dict[str, Any], check: Check
    ) -> tuple[bool, Any]:
        """Return (succeeded, answer) of one call; ``check`` says what is wrong with an answer."""
        began = self._clock.monotonic()
        self.state.calls += 1
        try:
            answer = await self._answer(function, accepted)
        except TimeoutError:
            self.failed(f"{hook_name} took over {self._settings.budget_milliseconds:g} ms")
            return False, None
        except (Raised, Stuck) as error:
            self.failed(f"{hook_name}: {error}")
            return False, None
        finally:
            self.state.seconds += self._clock.monotonic() - began
        if problem := check(answer):
            self.failed(f"{hook_name} {problem}")
            return False, None
        self.state.failures_in_a_row = 0
        self.state.drops += isinstance(answer, Drop)
        return True, answer

    def failed(self, problem: str) -> None:
        """Count a failure, and cut the plugin off when there are too many in a row."""
        state = self.state
        state.failures += 1
        state.failures_in_a_row += 1
        state.last_error = problem
        log.warning("plugin failed", plugin=state.name, problem=problem)
        if state.failures_in_a_row >= self._settings.failures_before_cut_off:
            self._cut_off_until = self._clock.monotonic() + self._settings.cut_off_seconds
            # One more failure after the pause is enough; a success clears it.
            state.failures_in_a_row = self._settings.failures_before_cut_off - 1
            log.error("plugin cut off", plugin=state.name, seconds=self._settings.cut_off_seconds)

    def close(self) -> None:
        """Let its threads end."""
        self._workers.close()

    async def _answer(self, function: Callable[..., Any], accepted: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(function):
            return await self._awaited(function(**accepted))
        if self.state.inline:
            return self._inline(function, accepted)
        return await self._workers.run(lambda: function(**accepted), self._budget)

    def _inline(self, function: Callable[..., Any], accepted: dict[str, Any]) -> Any:
        began = self._clock.monotonic()
        try:
            return function(**accepted)
        except (Exception, SystemExit) as error:
            raise Raised(error) from error
        finally:
            taken = self._clock.monotonic() - began
            if taken > INLINE_SECONDS:
                self.state.inline = False
                log.warning("plugin is too slow to run inline", plugin=self.state.name, seconds=taken)

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(_contained(coroutine))
        # A task cancelled before its first step never touches the coroutine.
        task.add_done_callback(lambda _: coroutine.close())
        try:
            done, _ = await asyncio.wait({task}, timeout=self._budget)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            # It may refuse to be cancelled; nobody waits for it.
            self._left.add(task)
            task.add_done_callback(self._left.discard)
            task.cancel()
            raise TimeoutError
        value, error = task.result()
        if error is not None:
            raise Raised(error)
        return value


async def _contained(coroutine: Coroutine[Any, Any, Any]) -> Outcome:
    """Keep what a hook raises, ``sys.exit`` and self-inflicted cancellation included."""
    try:
        return await coroutine, None
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        return None, error
