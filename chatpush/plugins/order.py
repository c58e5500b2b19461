"""Bring plugins into the order they ask for, and otherwise leave them as they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatpush.errors import PluginFailed


@dataclass(frozen=True, slots=True)
class Place:
    """What a plugin says of its place: names of plugins it comes before and after; absent ones don't matter."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def place_of(name: str, plugin: object) -> Place:
    """Return what a plugin declares as ``before`` and ``after``.

    Raises:
        PluginFailed: it is no list of names.
    """
    return Place(_names(name, plugin, "before"), _names(name, plugin, "after"))


def ordered(places: Mapping[str, Place]) -> list[str]:
    """Return the names so that every plugin stands where it asked; ties go to who came first.

    Raises:
        PluginFailed: the plugins ask for a circle.
    """
    earlier: dict[str, set[str]] = {name: set() for name in places}
    for name, place in places.items():
        earlier[name].update(other for other in place.after if other in places)
        for other in place.before:
            if other in places:
                earlier[other].add(name)
    result: list[str] = []
    waiting = list(places)
    while waiting:
        ready = next((name for name in waiting if earlier[name] <= set(result)), None)
        if ready is None:
            circle = _circle(waiting, earlier)
            raise PluginFailed(
                f"plugins {' → '.join(circle)} each ask to be called before the next one; "
                "correct `before` and `after` in one of them"
            )
        result.append(ready)
        waiting.remove(ready)
    return result


def _circle(waiting: Sequence[str], earlier: Mapping[str, set[str]]) -> list[str]:
    """Return one circle among plugins that wait for each other, each called before the next."""
    path = [waiting[0]]
    while path[-1] not in path[:-1]:
        path.append(min(earlier[path[-1]] & set(waiting)))
    return path[path.index(path[-1]) :][::-1]


def _names(name: str, plugin: object, attribute: str) -> tuple[str, ...]:
    declared = getattr(plugin, attribute, ())
    if isinstance(declared, (list, tuple)) and all(isinstance(one, str) and one for one in declared):
        return tuple(declared)
    raise PluginFailed(
        f'plugin {name}: {attribute} is no list of plugins\' names; write {attribute} = ["content_filter"]'
    )
