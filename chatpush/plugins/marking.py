"""The mark that makes a function of a plugin a hook, with what it wishes for itself.

``@hook`` alone is enough. ``@hook(fail_closed=True, budget_milliseconds=50,
inline=True, tryfirst=True)`` says more, for this one hook; ``fail_closed`` and
``inline`` beside the hooks say it for all of a plugin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import pluggy

WISHES = "chatpush_wishes"
Function = Callable[..., Any]
Marked = TypeVar("Marked", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an implementation asks for; None leaves it to the plugin and the configuration."""

    fail_closed: bool | None = None
    budget_milliseconds: float | None = None
    inline: bool | None = None


class HookMarker:
    """``@hook``, bare or with wishes; ``tryfirst`` and ``trylast`` step out of the plugins' order."""

    def __init__(self, project: str) -> None:
        self._mark = pluggy.HookimplMarker(project)

    @overload
    def __call__(self, function: Marked) -> Marked: ...

    @overload
    def __call__(
        self,
        *,
        tryfirst: bool = ...,
        trylast: bool = ...,
        fail_closed: bool | None = ...,
        budget_milliseconds: float | None = ...,
        inline: bool | None = ...,
    ) -> Callable[[Marked], Marked]: ...

    def __call__(
        self,
        function: Function | None = None,
        *,
        tryfirst: bool = False,
        trylast: bool = False,
        fail_closed: bool | None = None,
        budget_milliseconds: float | None = None,
        inline: bool | None = None,
    ) -> Any:
        """Mark a function, or return what marks it."""

        def mark(marked: Function) -> Function:
            setattr(marked, WISHES, Wishes(fail_closed, budget_milliseconds, inline))
            return self._mark(marked, tryfirst=tryfirst, trylast=trylast)

        return mark if function is None else mark(function)


def wishes_of(function: Function) -> Wishes:
    """Return what a marked function asks for."""
    found = getattr(function, WISHES, None)
    return found if isinstance(found, Wishes) else Wishes()
