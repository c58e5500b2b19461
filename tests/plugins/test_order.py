"""Plugins stand where they ask to stand; nobody's wish is a riddle."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import Event
from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.host import Plugins
from chatpush.plugins.order import Place, ordered
from tests.plugins.parts import plugin

NAMES = tuple("abcdef")


def listener(name: str, heard: list[str], **wishes: Any) -> object:
    def on_event(event: Event) -> None:
        heard.append(name)

    return plugin(on_event, **wishes)


async def test_plugins_are_called_where_they_ask_to_be() -> None:
    heard: list[str] = []
    plugins = Plugins(
        {
            "sends": listener("sends", heard, after=["tidies", "not here"]),
            "counts": listener("counts", heard),
            "tidies": listener("tidies", heard, before=("counts",)),
        }
    )
    await plugins.on_event(samples.event())
    assert heard == ["tidies", "sends", "counts"]
    assert [(state.position, state.name) for state in plugins.states()] == list(enumerate(heard, 1))
    assert plugins.states()[1].after == ("tidies", "not here")


def test_a_circle_is_refused_and_changes_nothing() -> None:
    plugins = Plugins({"a": listener("a", []), "b": listener("b", [], before=["a"], after=["c"])})
    with pytest.raises(PluginFailed, match="plugins b → c → b each ask to be called before the next one"):
        plugins.add("c", listener("c", [], after=["b"]))
    assert [state.name for state in plugins.states()] == ["b", "a"]


@pytest.mark.parametrize("wish", ["a", [1], [""], {"a": 1}, None])
def test_a_wish_that_is_no_list_of_names_is_refused(wish: Any) -> None:
    with pytest.raises(PluginFailed, match='write after = \\["content_filter"\\]'):
        Plugins({"a": listener("a", [], after=wish)})


@given(
    st.lists(st.sampled_from(NAMES), unique=True),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))),
)
def test_every_wish_is_met_or_there_is_a_circle(names: list[str], pairs: list[tuple[str, str]]) -> None:
    wishes = {name: [later for first, later in pairs if first == name] for name in names}
    places = {name: Place(before=tuple(later)) for name, later in wishes.items()}
    met = [(first, later) for first, later in pairs if first in names and later in names]
    try:
        order = ordered(places)
    except PluginFailed as error:
        circle = error.message.split("plugins ")[1].split(" each")[0].split(" → ")
        assert circle[0] == circle[-1]
        assert all(step in met for step in itertools.pairwise(circle))
        return
    assert sorted(order) == sorted(names)
    assert all(order.index(first) < order.index(later) for first, later in met)
    if not met:
        assert order == names
