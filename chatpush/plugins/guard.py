"""Call one hook of one plugin within its time budget, and keep the score.

``async`` hooks run as tasks, plain ones in the plugin's own threads. Plain
hooks that only compute for microseconds may say ``inline = True``: they are
then called directly, which costs nothing, until one call takes longer than
``INLINE_SECONDS``; from then on they go to threads like all others. A hook that
fails several times in a row is cut off for a while; after that one more failure
is enough. Its plugin's other hooks go on.

An error's words may quote what the hook was given, so the log and the console
name its type and its place; the words are logged while ``plugins.reload`` is on,
which is development.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import structlog

from chatpush import settings as configuration
from chatpush.clock import Clock
from chatpush.plugins.acceptance import raised_at
from chatpush.plugins.contracts import Drop
from chatpush.plugins.states import HookState
from chatpush.plugins.workers import MOST_STUCK, Outcome, Raised, Stuck, Workers

log = structlog.get_logger(__name__)

INLINE_SECONDS = 0.025
Check = Callable[[Any], str]


class Guard:
    """Stands around one hook of one plugin."""

    def __init__(
        self, plugin: str, state: HookState, settings: configuration.Plugins, clock: Clock, workers: Workers
    ) -> None:
        self.plugin = plugin
        self.state = state
        self._settings = settings
        self._clock = clock
        self._cut_off_until = 0.0
        self._workers = workers
        self._left: set[asyncio.Task[Outcome]] = set()

    def snapshot(self) -> HookState:
        """Return the score as it stands, for others to keep."""
        left = max(0.0, self._cut_off_until - self._clock.monotonic())
        return replace(self.state, cut_off_seconds=left)

    @property
    def cut_off(self) -> bool:
        """Whether the hook is left out for now."""
        return self._cut_off_until > self._clock.monotonic()

    async def call(
        self, function: Callable[..., Any], accepted: dict[str, Any], check: Check
    ) -> tuple[bool, Any]:
        """Return (succeeded, answer) of one call; ``check`` says what is wrong with an answer."""
        state = self.state
        began = self._clock.monotonic()
        state.calls += 1
        try:
            answer = await self._answer(function, accepted)
        except TimeoutError:
            self._failed(f"took over {state.budget_milliseconds:g} ms")
            return False, None
        except Stuck as error:
            self._failed(str(error))
            return False, None
        except Raised as error:
            raised = error.__cause__ or error
            self._failed(f"raised {type(raised).__name__} at {raised_at(raised, function)}", str(raised))
            return False, None
        finally:
            state.seconds += self._clock.monotonic() - began
        if problem := check(answer):
            self._failed(problem)
            return False, None
        state.failures_in_a_row = 0
        state.drops += isinstance(answer, Drop)
        return True, answer

    def _failed(self, problem: str, words: str = "") -> None:
        """Count a failure, and cut the hook off when there are too many in a row."""
        state = self.state
        state.failures += 1
        state.failures_in_a_row += 1
        state.last_error = f"{state.name} {problem}"
        told = {"words": words} if words and self._settings.reload else {}
        log.warning("plugin failed", plugin=self.plugin, hook=state.name, problem=problem, **told)
        if state.failures_in_a_row >= self._settings.failures_before_cut_off:
            self._cut_off_until = self._clock.monotonic() + self._settings.cut_off_seconds
            # One more failure after the pause is enough; a success clears it.
            state.failures_in_a_row = self._settings.failures_before_cut_off - 1
            state.cuts += 1
            log.error(
                "plugin cut off", plugin=self.plugin, hook=state.name, seconds=self._settings.cut_off_seconds
            )

    async def _answer(self, function: Callable[..., Any], accepted: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(function):
            return await self._awaited(function, accepted)
        if self.state.inline:
            return self._inline(function, accepted)
        seconds = self.state.budget_milliseconds / 1000
        return await self._workers.run(lambda: function(**accepted), seconds)

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
                log.warning(
                    "plugin is too slow to run inline",
                    plugin=self.plugin,
                    hook=self.state.name,
                    seconds=taken,
                )

    async def _awaited(
        self, function: Callable[..., Coroutine[Any, Any, Any]], accepted: dict[str, Any]
    ) -> Any:
        if len(self._left) >= MOST_STUCK:
            raise Stuck(f"{len(self._left)} earlier calls still hang")
        coroutine = function(**accepted)
        task = asyncio.ensure_future(_contained(coroutine))
        # A task cancelled before its first step never touches the coroutine.
        task.add_done_callback(lambda _: coroutine.close())
        try:
            done, _ = await asyncio.wait({task}, timeout=self.state.budget_milliseconds / 1000)
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
