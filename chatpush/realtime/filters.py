"""Which publications a subscriber wants, by their tags; and which connections the server means, by their labels.

A filter is checked and turned into a function once, when it comes in; what
is left per publication is a few comparisons.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from chatpush.realtime.protocol.codes import BAD_REQUEST, Refused
from chatpush.realtime.protocol.frames import FilterNode

DEEPEST = 8
MOST_NODES = 64
MOST_VALUES = 128
# Compared exactly, so that large identifiers and prices are.
NUMBER = re.compile(r"[+-]?[0-9]{1,64}(\.[0-9]{1,64})?", re.ASCII)
Filter = Callable[[Mapping[str, str]], bool]
Compare = Callable[[str, str], bool]

TEXTS: dict[str, Compare] = {
    "eq": lambda tag, value: tag == value,
    "sw": lambda tag, value: tag.startswith(value),
    "ew": lambda tag, value: tag.endswith(value),
    "ct": lambda tag, value: value in tag,
}
NUMBERS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "gt": lambda tag, value: tag > value,
    "gte": lambda tag, value: tag >= value,
    "lt": lambda tag, value: tag < value,
    "lte": lambda tag, value: tag <= value,
}


def compiled(node: FilterNode) -> Filter:
    """Return a filter as a function of tags.

    Raises:
        Refused: it is too large, or says what no filter can say.
    """
    if _size(node, 0) > MOST_NODES:
        raise Refused(BAD_REQUEST, f"a filter has at most {MOST_NODES} nodes")
    return _compiled(node)


def _size(node: FilterNode, depth: int) -> int:
    if depth > DEEPEST:
        raise Refused(BAD_REQUEST, f"a filter is at most {DEEPEST} levels deep")
    return 1 + sum(_size(inner, depth + 1) for inner in node.nodes)


def _compiled(node: FilterNode) -> Filter:
    if not node.op:
        return _leaf(node)
    inner = [_compiled(one) for one in node.nodes]
    if node.op == "not" and len(inner) == 1:
        return lambda tags: not inner[0](tags)
    if node.op == "and" and inner:
        return lambda tags: all(one(tags) for one in inner)
    if node.op == "or" and inner:
        return lambda tags: any(one(tags) for one in inner)
    raise Refused(BAD_REQUEST, "a filter combines by and, or (with nodes) or not (with one node)")


def _leaf(node: FilterNode) -> Filter:
    key, wanted = node.key, node.val
    if not key or node.nodes or len(node.vals) > MOST_VALUES:
        raise Refused(BAD_REQUEST, f"a comparison has a key and at most {MOST_VALUES} values")
    if node.cmp == "ex":
        return lambda tags: key in tags
    if node.cmp == "nex":
        return lambda tags: key not in tags
    if node.cmp in ("in", "nin"):
        values, inside = frozenset(node.vals), node.cmp == "in"
        return lambda tags: (key in tags and tags[key] in values) is inside
    if node.cmp == "neq":
        return lambda tags: tags.get(key) != wanted
    if node.cmp in TEXTS:
        compare = TEXTS[node.cmp]
        return lambda tags: key in tags and compare(tags[key], wanted)
    if node.cmp in NUMBERS:
        number = _number(wanted)
        if number is None:
            raise Refused(BAD_REQUEST, f"{wanted[:64]!r} is no number; write it as -12.5")
        return _numeric(key, NUMBERS[node.cmp], number)
    raise Refused(BAD_REQUEST, f"a filter can't compare by {node.cmp!r}")


def _numeric(key: str, compare: Callable[[Decimal, Decimal], bool], wanted: Decimal) -> Filter:
    def matches(tags: Mapping[str, str]) -> bool:
        found = _number(tags.get(key, ""))
        return found is not None and compare(found, wanted)

    return matches


def _number(text: str) -> Decimal | None:
    return Decimal(text) if NUMBER.fullmatch(text) else None
