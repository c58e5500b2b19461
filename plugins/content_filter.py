"""Mask or drop what must not be said: word lists and patterns, in messages, channels and recommendations.

Words match whole, in any case; Chinese words match anywhere. What is found is
covered with ``•``, or drops the whole thing; a language model's answers are
looked at like messages. In a client's publication every text of the JSON is
looked at, keys are left alone, and what looks like a bank card's number (it
passes the Luhn check) is covered too.

    [plugins.settings.content_filter]
    mask = ["damn", "笨蛋"]
    drop = ["free money"]
    drop_patterns = ['https?://bit\\.ly/\\S+']

``fail_closed``: if this filter can't run, nothing passes unseen.
"""

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chatpush.domain import Item, OutgoingMessage
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook

fail_closed = True
inline = True

CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
DEEPEST = 20


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.content_filter]``."""

    model_config = ConfigDict(extra="forbid")

    mask: list[str] = Field([], description="Words to cover.")
    mask_patterns: list[str] = Field([], description="Regular expressions of what to cover.")
    mask_cards: bool = Field(True, description="Cover bank cards' numbers in what clients publish.")
    drop: list[str] = Field([], description="Words that drop the whole thing.")
    drop_patterns: list[str] = Field([], description="Regular expressions that drop the whole thing.")

    @field_validator("mask_patterns", "drop_patterns")
    @classmethod
    def _compiles(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns


@dataclass(frozen=True)
class Lists:
    """The word lists, compiled."""

    mask: re.Pattern[str] | None
    drop: re.Pattern[str] | None

    def forbidden(self, text: str) -> str:
        """Return what is forbidden in a text, or nothing."""
        found = self.drop.search(text) if self.drop else None
        return found[0] if found else ""

    def masked(self, text: str) -> str:
        """Return the text with what must not be seen covered."""
        return self.mask.sub(lambda found: "•" * len(found[0]), text) if self.mask else text


@hook
def filter_message(message: OutgoingMessage, settings: dict[str, Any]) -> OutgoingMessage | Drop | None:
    """Look at what a user would read."""
    lists = _lists(settings)
    content = message.content
    labels = [action.get("label", "") for action in content.actions]
    for text in (content.title, content.body, *labels):
        if word := lists.forbidden(text):
            return Drop(f"contains {word!r}")
    title, body = lists.masked(content.title), lists.masked(content.body)
    if (title, body) == (content.title, content.body):
        return None
    return replace(message, content=replace(content, title=title, body=body))


@hook
def filter_answer(text: str, settings: dict[str, Any]) -> str | Drop:
    """Look at what a language model wants to say."""
    lists = _lists(settings)
    if word := lists.forbidden(text):
        return Drop(f"contains {word!r}")
    return lists.masked(text)


@hook
def filter_picks(items: tuple[Item, ...], settings: dict[str, Any]) -> list[Item] | None:
    """Recommend nothing whose words would drop the message it came in."""
    lists = _lists(settings)
    left = [item for item in items if not lists.forbidden(f"{item.title}\n{item.text}")]
    return left if len(left) < len(items) else None


@hook
def filter_publication(data: bytes, settings: dict[str, Any]) -> bytes | Drop | None:
    """Look at what a client wants to say in a channel."""
    lists = _lists(settings)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return Drop("is not JSON")
    found: list[str] = []

    def look(text: str) -> str:
        found.extend(filter(None, [lists.forbidden(text)]))
        return CARD.sub(_cover_card, lists.masked(text)) if settings["mask_cards"] else lists.masked(text)

    seen = _walk(value, look)
    if found:
        return Drop(f"contains {found[0]!r}")
    return None if seen == value else json.dumps(seen, ensure_ascii=False).encode()


def _walk(value: Any, look: Callable[[str], str], depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise ValueError("nested too deeply to be looked at")
    if isinstance(value, str):
        return look(value)
    if isinstance(value, list):
        return [_walk(one, look, depth + 1) for one in value]
    if isinstance(value, dict):
        return {key: _walk(one, look, depth + 1) for key, one in value.items()}
    return value


def _cover_card(found: re.Match[str]) -> str:
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    is_card = (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return "•" * len(found[0]) if is_card else found[0]


def _lists(settings: dict[str, Any]) -> Lists:
    names = ("mask", "mask_patterns", "drop", "drop_patterns")
    return _compiled(*(tuple(settings[name]) for name in names))


@functools.lru_cache(maxsize=8)
def _compiled(
    mask: tuple[str, ...],
    mask_patterns: tuple[str, ...],
    drop: tuple[str, ...],
    drop_patterns: tuple[str, ...],
) -> Lists:
    return Lists(_pattern(mask, mask_patterns), _pattern(drop, drop_patterns))


def _pattern(words: tuple[str, ...], patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    whole = [
        rf"(?<!\w){re.escape(word)}(?!\w)" if word.isascii() else re.escape(word) for word in words if word
    ]
    parts = [*whole, *(f"(?:{pattern})" for pattern in patterns)]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None
