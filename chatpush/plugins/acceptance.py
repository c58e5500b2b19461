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
from chatpush.plugins.marking import wishes_of

MARK = f"{hooks.PROJECT}_impl"
LONGEST_BUDGET_MILLISECONDS = 60_000
SPECIFIED = tuple(name for name in vars(hooks) if hasattr(getattr(hooks, name), f"{hooks.PROJECT}_spec"))
REGISTERED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "register_tools": (("name", "description", "questions", "parameters", "slots"), "call"),
    "register_rankers": (("name", "weight"), "rank"),
    "register_channels": (("name",), "send"),
    "register_rpc": (("name",), "call"),
    "register_formats": (("name",), "shape"),
    "register_audiences": (("name",), "page"),
    "register_exporters": (("name",), "export"),
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
        if problem := _unmet(hook_name, function):
            raise PluginFailed(f"{place}: plugin {name}: {hook_name} {problem}")
    return tuple(hook_name for hook_name in SPECIFIED if hook_name in marked)


def _unmet(hook_name: str, function: Callable[..., Any]) -> str:
    """Return which of an implementation's wishes can't be met."""
    wishes = wishes_of(function)
    if wishes.fail_closed and not hook_name.startswith("filter_"):
        return "can't fail closed: only filters can; remove fail_closed from its @hook"
    budget = wishes.budget_milliseconds
    if budget is None:
        return ""
    if hook_name.startswith("register_"):
        return "runs at start and has no budget; remove budget_milliseconds from its @hook"
    if not isinstance(budget, (int, float)) or not 0 < budget <= LONGEST_BUDGET_MILLISECONDS:
        return f"can't have {budget!r} ms: give it more than 0 and at most {LONGEST_BUDGET_MILLISECONDS}"
    return ""


def budgeted(budgets: Mapping[str, float]) -> None:
    """Check the operator's budgets, by hook or by ``plugin.hook``.

    Raises:
        PluginFailed: no hook has this name, or the budget is none.
    """
    for name, milliseconds in budgets.items():
        hook_name = name.rpartition(".")[2]
        if hook_name not in SPECIFIED or hook_name in REGISTERED:
            called = [one for one in SPECIFIED if one not in REGISTERED]
            close = difflib.get_close_matches(hook_name, called, n=1, cutoff=0.0)[0]
            raise PluginFailed(
                f"[plugins.budgets] {name}: no hook of this name is called; did you mean {close}?"
            )
        if not 0 < milliseconds <= LONGEST_BUDGET_MILLISECONDS:
            raise PluginFailed(
                f"[plugins.budgets] {name}: {milliseconds:g} ms can't be a budget; "
                f"give it more than 0 and at most {LONGEST_BUDGET_MILLISECONDS}"
            )


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


def raised_at(error: BaseException, within: Callable[..., Any] | None = None) -> str:
    """Return the file and line where an error was raised, the last one in a function's own file if there is one."""
    own = getattr(inspect.unwrap(within), "__code__", None) if within else None
    found, step = "?", error.__traceback__
    outside = True
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if own is not None and file == own.co_filename:
            found, outside = f"{file}:{step.tb_lineno}", False
        elif outside:
            found = f"{file}:{step.tb_lineno}"
        step = step.tb_next
    return found


def lacks(one: Any, hook_name: str) -> str:
    """Return what a registered object lacks to do its work."""
    attributes, method = REGISTERED[hook_name]
    for attribute in attributes:
        if not hasattr(one, attribute):
            return f"has no {attribute}"
    if not inspect.iscoroutinefunction(getattr(one, method, None)):
        return f"has no async method {method}"
    return "" if isinstance(one.name, str) and one.name else "has a name that is no text"
