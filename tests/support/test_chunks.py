"""Server-sent events come together however their bytes are cut."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.errors import WriterUnavailable
from chatpush.support.model.chunks import LONGEST_EVENT, LONGEST_STREAM, Chunk, Events

TEXTS = st.lists(st.text(max_size=12), min_size=1, max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
CUTS = st.lists(st.integers(0, 400), max_size=12)


def fed(*pieces: bytes) -> list[Chunk]:
    """Return the chunks of these pieces."""
    events = Events()
    return [chunk for piece in pieces for chunk in events.feed(piece)] + events.finish()


@given(TEXTS, ENDS, CUTS)
def test_any_cut_gives_the_same_chunks(texts: list[str], end: str, cuts: list[int]) -> None:
    chunks = [{"n": number, "text": text} for number, text in enumerate(texts)]
    lines = "".join(f"data: {json.dumps(one, ensure_ascii=False)}{end}{end}" for one in chunks)
    stream = (f": ping{end}{end}" + lines + f"data: [DONE]{end}{end}").encode()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    assert fed(*(stream[a:b] for a, b in itertools.pairwise(places))) == chunks


def test_several_lines_of_data_are_one_event() -> None:
    assert fed(b'event: x\ndata: {"a":\ndata: 1}\nid: 7\n\n') == [{"a": 1}]


def test_nothing_counts_after_the_end_mark() -> None:
    events = Events()
    assert events.feed(b'data: {"a": 1}\n\ndata: [DONE]\n\ndata: {"b": 1}\n\n') == [{"a": 1}]
    assert events.done


def test_a_last_event_needs_no_blank_line() -> None:
    assert fed(b'data: {"a": 1}') == [{"a": 1}]


@pytest.mark.parametrize(
    "line", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: " + b"x" * LONGEST_EVENT + b"x"]
)
def test_what_is_no_chunk_or_has_no_end_ends_the_answer(line: bytes) -> None:
    with pytest.raises(WriterUnavailable):
        fed(line)


def test_a_stream_without_an_end_is_left() -> None:
    events = Events()
    comments = b": thinking\n" * 1000
    for _ in range(LONGEST_STREAM // len(comments)):
        assert events.feed(comments) == []
    with pytest.raises(WriterUnavailable, match="does not end"):
        events.feed(comments)
