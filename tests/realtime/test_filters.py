"""Tag filters: every comparison, what is no filter, and bounds."""

import pytest

from chatpush.realtime.filters import DEEPEST, MOST_NODES, compiled
from chatpush.realtime.protocol.codes import Refused
from chatpush.realtime.protocol.frames import FilterNode

TAGS = {"ticker": "AAPL", "price": "100.5", "empty": "", "id": "9007199254740993", "spaced": " 5 "}


def leaf(key: str, cmp: str, val: str = "", *vals: str) -> FilterNode:
    return FilterNode(key=key, cmp=cmp, val=val, vals=list(vals))


@pytest.mark.parametrize(
    ("node", "matches"),
    [
        (leaf("id", "gt", "9007199254740992"), True), (leaf("id", "lte", "9007199254740992"), False),
        (leaf("spaced", "gt", "1"), False), (leaf("price", "gte", "+100.50"), True),
        (leaf("ticker", "eq", "AAPL"), True), (leaf("ticker", "eq", "GOOG"), False), (leaf("none", "eq"), False),
        (leaf("empty", "eq"), True), (leaf("ticker", "neq", "GOOG"), True), (leaf("none", "neq", "x"), True),
        (leaf("ticker", "in", "", "AAPL", "X"), True), (leaf("none", "in", "", "X"), False),
        (leaf("ticker", "nin", "", "X"), True), (leaf("none", "nin", "", "X"), True),
        (leaf("ticker", "ex"), True), (leaf("none", "ex"), False), (leaf("none", "nex"), True),
        (leaf("ticker", "sw", "AA"), True), (leaf("ticker", "ew", "PL"), True), (leaf("ticker", "ct", "AP"), True),
        (leaf("ticker", "ct", "x"), False), (leaf("price", "gt", "100"), True), (leaf("price", "lt", "100"), False),
        (leaf("price", "gte", "100.5"), True), (leaf("price", "lte", "9"), False), (leaf("ticker", "gt", "1"), False),
        (FilterNode("and", nodes=[leaf("ticker", "ex"), leaf("price", "gt", "1")]), True),
        (FilterNode("and", nodes=[leaf("ticker", "ex"), leaf("none", "ex")]), False),
        (FilterNode("or", nodes=[leaf("none", "ex"), leaf("ticker", "ex")]), True),
        (FilterNode("not", nodes=[leaf("ticker", "ex")]), False),
    ],
)  # fmt: skip
def test_a_filter_decides(node: FilterNode, matches: bool) -> None:
    assert compiled(node)(TAGS) is matches


def deep(levels: int) -> FilterNode:
    return leaf("a", "ex") if not levels else FilterNode("not", nodes=[deep(levels - 1)])


@pytest.mark.parametrize(
    "node",
    [
        FilterNode(), leaf("", "ex"), leaf("a", "like"), leaf("a", "gt", "x"),
        leaf("a", "gt", "nan"), leaf("a", "lt", "1e400"), leaf("a", "lt", "1_0"),
        leaf("a", "lt", "9" * 100),
        FilterNode("xor", nodes=[leaf("a", "ex")]),
        FilterNode("and"), FilterNode("not", nodes=[leaf("a", "ex")] * 2), deep(DEEPEST + 1),
        FilterNode("or", nodes=[leaf("a", "ex")] * MOST_NODES), leaf("a", "in", "", *map(str, range(200))),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(node: FilterNode) -> None:
    with pytest.raises(Refused):
        compiled(node)
