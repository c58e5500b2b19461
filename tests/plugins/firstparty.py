"""Load a first-party plugin by the door it has in production."""

from types import ModuleType
from typing import Any

from chatpush import settings as configuration
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import first_party, load_file


def load(name: str, **own: Any) -> tuple[Plugins, ModuleType]:
    """Return a host with one first-party plugin and its settings, and the plugin's module."""
    module = load_file(first_party(name))
    return Plugins({name: module}, configuration.Plugins(settings={name: own})), module
