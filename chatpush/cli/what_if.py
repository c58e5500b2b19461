"""Ask a server page by page what would have been, show how far it is, and add the pages up."""

import json
import re
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.progress import Progress

from chatpush.cli.remote import Remote
from chatpush.errors import InvalidInput

WHAT_IF_USERS = 2000
SPAN = re.compile(r"(\d+(?:\.\d+)?)([hd])")


def hours_of(text: str) -> float:
    """Return the hours of ``24h`` or ``7d``.

    Raises:
        InvalidInput: it is something else.
    """
    if not (found := SPAN.fullmatch(text)):
        raise InvalidInput(f"{text[:20]!r} is not a span such as 24h or 7d", param="--since")
    return float(found[1]) * (24 if found[2] == "d" else 1)


def assigned(text: str) -> tuple[str, Any]:
    """Return name and value of ``name=value``; what is no JSON is text.

    Raises:
        InvalidInput: it has no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f"{text[:40]!r}: write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def replayed(url: str, key: str, path: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return all pages added up."""
    total: dict[str, Any] = {}
    with Remote(url, key) as remote, Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replaying", total=None)
        after: str | None = ""
        while after is not None:
            page = remote.post(path, {**question, "after": after})
            question = {**question, "since": page["since"], "until": page["until"]}
            total = _sum(total, page) if total else page
            after = page["next"]
            progress.update(task, total=total["audience"], completed=total["users"])
    return total


def _sum(total: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    merged = dict(total)
    for name, value in page.items():
        if name == "users":
            merged[name] = total[name] + value
        elif name in ("replayed", "filters", "really"):
            merged[name] = _added(total[name], value)
        elif name == "cost":
            merged[name] = {**value, "amount": str(Decimal(total[name]["amount"]) + Decimal(value["amount"]))}
    return merged


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _added(one.get(name, {}), other.get(name, {}))
        if isinstance(one.get(name, other.get(name)), dict)
        else one.get(name, 0) + other.get(name, 0)
        for name in {**one, **other}
    }


def told(answer: dict[str, Any]) -> str:
    """Return an answer in words."""
    replay, filters, really = answer["replayed"], answer["filters"], answer["really"]
    lines = [
        f"{answer['since']} to {answer['until']}: {answer['firings']} firings, {answer['users']} users",
        f"would have sent {replay['sent']} of {replay['messages']} messages, {replay['waiting']} would still wait",
        f"cost {answer['cost']['amount']} {answer['cost']['currency']}",
    ]
    if replay["replaced"]:
        lines.append(f"  of them replace one on the screen: {replay['replaced']}")
    lines += [f"  not sent, {reason}: {count}" for reason, count in sorted(replay["suppressed"].items())]
    lines += [f"  deferred, {reason}: {count}" for reason, count in sorted(replay["deferred"].items())]
    lines += [f"  variant {name}: {count}" for name, count in sorted(replay["variants"].items())]
    lines += [f"  by {name}: {count}" for name, count in sorted(replay["channels"].items())]
    lines.append(f"of {filters['rendered']} rendered:")
    lines += [f"  dropped, {reason}: {count}" for reason, count in sorted(filters["dropped"].items())]
    lines += [f"  broken, {reason}: {count}" for reason, count in sorted(filters["broken"].items())]
    if really["states"]:
        states = ", ".join(f"{name} {count}" for name, count in sorted(really["states"].items()))
        lines.append(f"really: {states}")
    lines += [f"  {one['user']} at {one['at']}: {one['title']}" for one in answer["samples"][:3]]
    return "\n".join(lines)
