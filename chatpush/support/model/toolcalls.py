"""Put a model's tool calls together from the pieces of a stream.

Servers that call themselves compatible differ: some leave the index out, some
give two calls the same index, some repeat the id or the name in every piece,
some send the arguments as an object. A new id always begins a new call; a piece
without one belongs to the last call of its index, or to the last call at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_CALLS = 16
MAX_ARGUMENT_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A finished call. ``arguments`` is None if the model wrote no JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    written: str


@dataclass(slots=True)
class _Open:
    """A call whose pieces are still coming."""

    id: str
    index: int | None
    name: str = ""
    written: str = ""


class ToolCalls:
    """Collects the pieces of one answer."""

    def __init__(self) -> None:
        self._calls: list[_Open] = []

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take in one ``delta.tool_calls`` entry."""
        function = piece.get("function")
        function = function if isinstance(function, Mapping) else {}
        name = function.get("name") or ""
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else "" if arguments is None else json.dumps(arguments)
        call = self._place(piece.get("id") or "", piece.get("index"), str(name))
        if call is None:
            return
        call.name = call.name or str(name)
        if len(call.written) + len(text) <= MAX_ARGUMENT_CHARS:
            call.written += text

    def finished(self) -> list[ToolCall]:
        """Return the calls, in the order they began."""
        return [
            ToolCall(call.id or f"call_{position}", call.name, _object(call.written), call.written)
            for position, call in enumerate(self._calls)
            if call.name
        ]

    def _place(self, id: str, index: Any, name: str) -> _Open | None:
        index = index if isinstance(index, int) else None
        known = self._known(id, index)
        begins = known is None or (
            not id and bool(name) and bool(known.name) and _object(known.written) is not None
        )
        if not begins:
            return known
        if len(self._calls) >= MAX_CALLS:
            return None
        self._calls.append(_Open(id, index))
        return self._calls[-1]

    def _known(self, id: str, index: int | None) -> _Open | None:
        if id:
            return next((call for call in self._calls if call.id == id), None)
        of_index = [call for call in self._calls if index is None or call.index == index]
        return of_index[-1] if of_index else None


def _object(written: str) -> dict[str, Any] | None:
    try:
        value = json.loads(written or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) and written else ({} if not written else None)
