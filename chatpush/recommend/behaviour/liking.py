"""Tell a good rating from a bad one: who gives one star of five wants no more of that."""

from collections.abc import Iterable
from typing import Any

from chatpush.domain import Event, ItemId

USUAL_BEST = 5.0
GOOD_FROM = 0.5
"""As a share of the best possible: three stars of five are good, two are not."""


def dislikes(event: Event) -> bool:
    """Return whether an event is a rating that says no: property ``value``, of ``best`` (5 if it is not said).

    A rating without a number that can be meant is interest, as a word about an item is.
    """
    if event.type != "rating":
        return False
    value, best = _number(event.properties.get("value")), _number(event.properties.get("best", USUAL_BEST))
    if value is None or best is None or best <= 0:
        return False
    return value < GOOD_FROM * best


def disliked(events: Iterable[Event]) -> frozenset[ItemId]:
    """Return what a user rated badly."""
    return frozenset(event.item for event in events if event.item and dislikes(event))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
