"""Tool calls as servers really send them."""

from typing import Any

from chatpush.support.model.toolcalls import ToolCalls


def collect(*pieces: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Return (id, name, arguments) of the calls in these pieces."""
    calls = ToolCalls()
    for piece in pieces:
        calls.add(piece)
    return [(call.id, call.name, call.arguments) for call in calls.finished()]


def piece(arguments: Any = None, **rest: Any) -> dict[str, Any]:
    """Return one piece."""
    name = rest.pop("name", None)
    return {**rest, "function": {"name": name, "arguments": arguments}}


def test_by_the_book() -> None:
    assert collect(
        piece('{"a"', index=0, id="x", name="one"),
        piece(": 1}", index=0),
        piece("{}", index=1, id="y", name="two"),
    ) == [("x", "one", {"a": 1}), ("y", "two", {})]


def test_without_an_index() -> None:
    assert collect(piece('{"a"', id="x", name="one"), piece(": 1}"), piece("{}", id="y", name="two")) == [
        ("x", "one", {"a": 1}),
        ("y", "two", {}),
    ]


def test_two_calls_on_one_index() -> None:
    assert collect(
        piece('{"a": 1}', index=0, id="x", name="one"), piece('{"b": 2}', index=0, id="y", name="two")
    ) == [("x", "one", {"a": 1}), ("y", "two", {"b": 2})]


def test_two_calls_without_any_id() -> None:
    assert collect(piece('{"a": 1}', index=0, name="one"), piece('{"b": 2}', index=0, name="two")) == [
        ("call_0", "one", {"a": 1}),
        ("call_1", "two", {"b": 2}),
    ]


def test_id_and_name_in_every_piece() -> None:
    assert collect(
        piece('{"a"', index=0, id="x", name="one"), piece(": 1}", index=0, id="x", name="one")
    ) == [("x", "one", {"a": 1})]


def test_arguments_as_an_object() -> None:
    assert collect(piece({"a": 1}, index=0, id="x", name="one")) == [("x", "one", {"a": 1})]


def test_no_arguments_are_an_empty_object_and_nonsense_is_none() -> None:
    assert collect(piece(None, index=0, id="x", name="one")) == [("x", "one", {})]
    assert collect(piece("{oops", index=0, id="x", name="one")) == [("x", "one", None)]
    assert collect(piece("[1]", index=0, id="x", name="one")) == [("x", "one", None)]


def test_pieces_of_nothing_are_ignored() -> None:
    assert collect({}, {"function": None}, {"index": 3}) == []


def test_a_flood_of_calls_is_bounded() -> None:
    assert len(collect(*(piece("{}", index=i, id=str(i), name="n") for i in range(100)))) == 16
