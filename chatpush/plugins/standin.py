"""Let a registered object be replaced while others hold it.

Rooms ask once, at the start, for tools, rankers, channels and the like. While
plugins may be reloaded they are given stand-ins, and a stand-in does what the
newest object of its name does.
"""

from typing import Any


class StandIn:
    """Does whatever the object it stands for does."""

    __slots__ = ("_one",)

    def __init__(self, one: Any) -> None:
        self._one = one

    def __getattr__(self, name: str) -> Any:
        return getattr(self._one, name)

    def stand_for(self, other: Any) -> None:
        """Stand for another object from now on."""
        self._one = other
