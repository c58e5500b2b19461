"""Methods that clients may call over their connection."""

from collections.abc import Awaitable, Callable

from chatpush.domain import Identity, Json
from chatpush.errors import InvalidSettings
from chatpush.plugins.host import Plugins

Method = Callable[[Identity, Json], Awaitable[Json]]


class Rpc:
    """Methods by name, those of plugins from the start. The identity is the connection's, never the caller's word."""

    def __init__(self, plugins: Plugins | None = None) -> None:
        self._methods: dict[str, Method] = {}
        for offered in plugins.rpc_methods() if plugins is not None else ():
            self.register(offered.name, offered.call)

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
