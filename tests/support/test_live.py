"""An answer under way is put together from what its channel told, wherever one comes in."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatpush.support.assistant.live import under_way


def begun(turn: str, *, streaming: bool = True, text: str = "") -> dict[str, Any]:
    """Return a turn as it is published."""
    return {"type": "turn", "turn": {"id": turn, "by": "assistant", "text": text, "streaming": streaming}}


def piece(turn: str, seq: int, text: str) -> dict[str, Any]:
    """Return a piece as it is published."""
    return {"type": "turn.delta", "turn": turn, "seq": seq, "text": text}


@given(st.lists(st.text(max_size=5), max_size=12), st.data())
def test_it_has_every_piece_so_far_once(pieces: list[str], data: st.DataObject) -> None:
    told = [begun("t1"), *(piece("t1", number + 1, text) for number, text in enumerate(pieces))]
    twice = data.draw(st.lists(st.integers(0, len(told) - 1), max_size=3))
    for place in sorted(twice, reverse=True):
        told.insert(place + 1, told[place] if place else {"type": "typing", "by": "assistant"})
    found = under_way(told)
    assert isinstance(found, dict)
    assert (found["text"], found["seq"]) == ("".join(pieces), len(pieces))


def test_what_is_whole_or_taken_back_is_not_under_way() -> None:
    told = [begun("t1"), piece("t1", 1, "It is "), begun("t1", streaming=False, text="It is here.")]
    assert under_way(told) is None
    assert under_way([*told, piece("t1", 2, "late")]) is None
    assert under_way([]) is None


def test_the_newer_answer_counts() -> None:
    found = under_way([begun("t1"), piece("t1", 1, "cut off"), begun("t2"), piece("t2", 1, "Anew")])
    assert isinstance(found, dict)
    assert (found["id"], found["text"]) == ("t2", "Anew")


def test_a_whole_text_stands_for_all_before_it() -> None:
    whole = {"type": "turn", "turn": {**begun("t1", text="It is ")["turn"], "seq": 100}}
    told = [piece("t1", 99, "is"), piece("t1", 100, " "), whole, piece("t1", 101, "here")]
    found = under_way(told)
    assert isinstance(found, dict)
    assert (found["text"], found["seq"]) == ("It is here", 101)
