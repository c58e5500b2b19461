"""Make plugins out of functions, and hosts around them."""

from collections.abc import Callable
from typing import Any

from chatpush import settings as configuration
from chatpush.clock import Clock
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins


class Made:
    """A plugin made of functions."""


def plugin(*functions: Callable[..., Any], **attributes: Any) -> object:
    """Return a plugin of functions named after their hooks."""
    made = Made()
    for name, value in attributes.items():
        setattr(made, name, value)
    for function in functions:
        setattr(made, function.__name__, hook(function))
    return made


def host(
    *plugins: object, clock: Clock | None = None, own: dict[str, Any] | None = None, **options: Any
) -> Plugins:
    """Return a host of plugins named first, second, … with ``own`` settings by name."""
    names = ("first", "second", "third")
    settings = configuration.Plugins(settings=own or {}, **options)
    return Plugins(dict(zip(names, plugins, strict=False)), settings, clock)
