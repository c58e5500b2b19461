"""Check a plugin before it is let in, and say what is wrong where.

Its hooks must exist and take arguments that are offered, its settings must fit
what it declares, and what it registers must be able to do its work.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from chatpush.errors import PluginFailed
from chatpush.plugins import hooks

MARK = f"{hooks.PROJECT}_impl"
SPECIFIED = tuple(name for name in vars(hooks) if hasattr(getattr(hooks, name), f"{hooks.PROJECT}_spec"))
REGISTERED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "register_tools": (("name", "description", "questions", "parameters", "slots"), "call"),
    "register_rankers": (("name", "weight"), "rank"),
    "register_channels": (("name",), "send"),
    "register_rpc": (("name",), "call"),
}


def hooks_of(name: str, plugin: object) -> tuple[str, ...]:
    """Return a plugin's hooks, each known and with arguments its specification has.

    Raises:
        PluginFailed: with the place of the mistake and what would be right.
    """
    marked = {
        attribute: value
        for attribute, value in inspect.getmembers(plugin, callable)
        if getattr(value, MARK, None) is not None
    }
    if not marked:
        raise PluginFailed(
            f"plugin {name}: it has no hooks; mark functions with @hook from chatpush.plugins.hooks"
        )
    for hook_name, function in marked.items():
        place = _source(function)
        if hook_name not in SPECIFIED:
            close = difflib.get_close_matches(hook_name, SPECIFIED, n=1, cutoff=0.0)[0]
            raise PluginFailed(f"{place}: plugin {name}: there is no hook {hook_name}; did you mean {close}?")
        offered = list(inspect.signature(getattr(hooks, hook_name)).parameters)
        for argument in inspect.signature(function).parameters:
            if argument not in offered:
                raise PluginFailed(
                    f"{place}: plugin {name}: {hook_name} has no argument {argument}; "
                    f"it may take {', '.join(offered)}"
                )
        if hook_name.startswith("register_") and inspect.iscoroutinefunction(function):
            raise PluginFailed(f"{place}: plugin {name}: {hook_name} runs at start and can't be async")
    return tuple(hook_name for hook_name in SPECIFIED if hook_name in marked)


def validated(name: str, plugin: object, section: dict[str, Any]) -> dict[str, Any]:
    """Return a plugin's settings, checked and with their defaults if it declares them.

    Raises:
        PluginFailed: with each wrong setting, what is wrong, and the nearest name.
    """
    declared = getattr(plugin, "Settings", None)
    if not (inspect.isclass(declared) and issubclass(declared, BaseModel)):
        return section
    try:
        return declared.model_validate(section).model_dump()
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            dotted = ".".join(str(part) for part in problem["loc"])
            close = difflib.get_close_matches(dotted, declared.model_fields, n=1)
            hint = f"; did you mean {close[0]}?" if problem["type"] == "extra_forbidden" and close else ""
            words = "no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]
            problems.append(f"[plugins.settings.{name}] {dotted}: {words}{hint}")
        raise PluginFailed("\n".join(problems)) from error


def _source(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else "?"


def place_of(error: BaseException) -> str:
    """Return where an error was raised."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}" if step else "?"


def lacks(one: Any, hook_name: str) -> str:
    attributes, method = REGISTERED[hook_name]
    for attribute in attributes:
        if not hasattr(one, attribute):
            return f"has no {attribute}"
    if not inspect.iscoroutinefunction(getattr(one, method, None)):
        return f"has no async method {method}"
    return "" if isinstance(one.name, str) and one.name else "has a name that is no text"
