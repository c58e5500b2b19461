"""Methods that clients may call over their connection."""

from collections.abc import Awaitable, Callable

from chatpush.domain import Identity, Json
from chatpush.errors import InvalidSettings

Method = Callable[[Identity, Json], Awaitable[Json]]


class Rpc:
    """Methods by name. The identity is the connection's, never the caller's word."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def register(self, name: str, method: Method) -> None:
        """Offer a method.

        Raises:
            InvalidSettings: the name is taken.
        """
        if name in self._methods:
            raise InvalidSettings(f"the rpc method {name} is registered twice")
        self._methods[name] = method

    def find(self, name: str) -> Method | None:
        """Return a method, or None."""
        return self._methods.get(name)
