"""Numbers, links and sources of an answer, in pieces of every size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.support.assistant.grounding import Grounding, Unfounded, cite


def feed(text: str, size: int, known: str = "", urls: tuple[str, ...] = (), sources: int = 0) -> str:
    """Return what is let through of a text that comes in pieces of a size."""
    grounding = Grounding([known], urls, sources)
    shown = "".join(grounding.feed(text[i : i + size]) for i in range(0, len(text), size))
    return shown + grounding.finish()


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("It costs £3.95, or 12.5 %.", "3.95 12.50"),
        ("That is 1,234.50 pounds", "1234.5"),
        ("Steps:\n1. Open the page\n2. Click\n", ""),
        ("运费是3.95英镑，5个工作日内退款。", "3.95 ５"),
        ("Arrives 2026-11-24.", "on 24 2026 11"),
        ("No numbers at all.", ""),
    ],
)
def test_known_numbers_pass_unchanged(text: str, known: str, size: int) -> None:
    assert feed(text, size, known) == text


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "text", ["It takes 7 days.", "£13.95", "退款需要7天。", "Order 1002 is here", "12", "１２天"]
)
def test_an_unknown_number_ends_the_answer(text: str, size: int) -> None:
    with pytest.raises(Unfounded):
        feed(text, size, "3.95 1001")


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_unknown_links_lose_their_address(size: int) -> None:
    text = (
        "See [our page](https://evil.example/x) or https://evil.example/y. Or [this](https://good.example/a)!"
    )
    shown = feed(text, size, urls=("https://good.example/a",))
    assert shown == "See our page or . Or [this](https://good.example/a)!"


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_markers_that_point_nowhere_are_dropped(size: int) -> None:
    assert feed("Yes [1], and [4].", size, sources=2) == "Yes [1], and ."


def test_script_links_go_too() -> None:
    assert feed("[click](javascript:alert(1))", 3) == "click)"


def test_markers_are_numbered_by_use() -> None:
    assert cite("b [3] a [1] b [3]") == ("b [1] a [2] b [1]", [3, 1])


@given(st.text(alphabet="ab 1,.[](]\n退天https:/", max_size=60), st.integers(1, 9))
def test_the_size_of_the_pieces_does_not_matter_for_numbers(text: str, size: int) -> None:
    def outcome(pieces: int) -> bool:
        try:
            feed(text, pieces)
        except Unfounded:
            return False
        return True

    assert outcome(size) or not outcome(1000) or "http" in text or "[" in text
