"""Decide what a tool may do on a user's behalf, outside of any model.

A tool's ``risk`` says what it does: ``read`` (the default) looks up, ``write``
changes something that is easily undone, ``confirm`` changes something that is
not: a refund, an address, a cancellation. Reading is free; writing happens once
per answer; what needs a yes is never run from a model's call or a guess: the
call is frozen with its arguments, shown to the user in our own words, and run
when the user says yes. Nothing a text says can change a risk.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chatpush.domain import UserId
from chatpush.plugins.contracts import Tool
from chatpush.support.assistant.phrases import words
from chatpush.support.assistant.promises import fill
from chatpush.support.assistant.tools import is_visitor, needs_account, slot_label
from chatpush.support.retrieval.language import pick

SHOWN_CHARS = 120


class Risk(StrEnum):
    """What a tool does."""

    READ = "read"
    WRITE = "write"
    CONFIRM = "confirm"


def risk_of(tool: Tool) -> Risk:
    """Return a tool's risk; one that names an unknown risk needs a yes."""
    declared = getattr(tool, "risk", Risk.READ)
    try:
        return Risk(declared)
    except ValueError:
        return Risk.CONFIRM


def may_use(tool: Tool, user: UserId) -> bool:
    """Return whether a user may use a tool at all."""
    return not (needs_account(tool) and is_visitor(user))


def declared_only(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments a tool declares; anything else a model adds is dropped."""
    known = tool.parameters.get("properties", {})
    return {name: value for name, value in arguments.items() if name in known} if known else dict(arguments)


def question_before(tool: Tool, arguments: Mapping[str, Any], locale: str) -> str:
    """Return what the user is asked before a tool that needs a yes runs: its own ``confirm``, or ours."""
    own = getattr(tool, "confirm", None)
    shown = {name: " ".join(str(value).split())[:SHOWN_CHARS] for name, value in arguments.items()}
    if isinstance(own, Mapping) and own:
        return fill(pick(own, locale), shown)
    told = ", ".join(f"{slot_label(tool, name, locale)}: {value}" for name, value in shown.items())
    return words(
        "confirm", locale, what=tool.description.rstrip(".。"), arguments=f" ({told})" if told else ""
    )
