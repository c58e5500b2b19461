"""One request to a language model: what must not reach it is hidden, and named again in the answer.

Before a text goes to a model, plugins may replace parts of it by placeholders
(``exchange.hide("EMAIL", "emma@example.com")`` returns ``[EMAIL_A]``). The same
part is the same placeholder wherever it stands in the request, so the model can
still tell two people apart. What was hidden lives as long as the request, in
memory, and nowhere else.

Placeholders have letters and no digits, so that nobody takes their number for a
fact. Models copy them loosely: case does not matter.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from chatpush.domain import TenantId, UserId

KIND = re.compile(r"[A-Z]{1,16}")
PLACEHOLDER = re.compile(r"\[([A-Z]{1,16})[_ ]([A-Z]{1,3})\]", re.IGNORECASE)
LONGEST_PLACEHOLDER = 22
MOST_HIDDEN = 2000


@dataclass(slots=True)
class Exchange:
    """One request to a model, about one user: ``purpose`` is ``answer``, ``summary`` or ``copy``."""

    tenant: TenantId
    user: UserId
    purpose: str = "answer"
    _hidden: dict[str, str] = field(default_factory=dict, repr=False)
    _placeholders: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    _counts: dict[str, int] = field(default_factory=dict, repr=False)

    def hide(self, kind: str, value: str) -> str:
        """Return the placeholder that stands for a value; the same one for the same value.

        Raises:
            ValueError: the kind isn't 1-16 capital letters, or too much is hidden already.
        """
        known = self._placeholders.get((kind, value))
        if known:
            return known
        if not KIND.fullmatch(kind):
            raise ValueError(f"{kind!r} can't name what is hidden: use 1 to 16 letters A-Z")
        if len(self._hidden) >= MOST_HIDDEN:
            raise ValueError(f"one request hides at most {MOST_HIDDEN} values; send a shorter text")
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        placeholder = f"[{kind}_{_letters(number)}]"
        self._hidden[placeholder] = value
        self._placeholders[(kind, value)] = placeholder
        return placeholder

    @property
    def hidden(self) -> int:
        """How many values are hidden."""
        return len(self._hidden)

    def restored(self, text: str) -> str:
        """Return a text with what was hidden in place of its placeholders."""
        return PLACEHOLDER.sub(self._value, text) if self._hidden else text

    def restored_json(self, value: Any) -> Any:
        """Return JSON with what was hidden in place; for the arguments of a tool a model calls."""
        if isinstance(value, str):
            return self.restored(value)
        if isinstance(value, list):
            return [self.restored_json(one) for one in value]
        if isinstance(value, dict):
            return {key: self.restored_json(one) for key, one in value.items()}
        return value

    def stream(self) -> "RestoredStream":
        """Return what restores an answer that comes in pieces."""
        return RestoredStream(self)

    def _value(self, found: re.Match[str]) -> str:
        return self._hidden.get(f"[{found[1]}_{found[2]}]".upper(), found[0])


class RestoredStream:
    """Restores an answer piece by piece: a placeholder cut in two is held back until it is whole."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what may be shown now."""
        text = self._held + piece
        opened = text.rfind("[")
        cut = opened >= 0 and "]" not in text[opened:] and len(text) - opened < LONGEST_PLACEHOLDER
        self._held = text[opened:] if cut and self._exchange.hidden else ""
        return self._exchange.restored(text[: len(text) - len(self._held)])

    def end(self) -> str:
        """Return what was still held back."""
        held, self._held = self._held, ""
        return self._exchange.restored(held)


def _letters(number: int) -> str:
    """Return A, B … Z, AA, AB … for 1, 2 …"""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
