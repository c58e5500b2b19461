"""A small safe language that says which users belong to a segment.

    country = "GB" and age >= 30 and topic "vip"
    locale in ("zh", "zh-CN") or not (city exists)
    tags contains "gold" and last_purchase < 30 days

It knows ``and``, ``or``, ``not``, brackets, ``=  !=  <  <=  >  >=  in``,
``contains``, ``exists`` and ``topic "name"``. A name is one of the user's
attributes (``address.city`` goes inside), or ``id``, ``locale``,
``timezone``, ``personalized``. A comparison with a missing attribute, or
between different kinds, is false; ``!=`` is its opposite, so true.

A length of time (``2 hours``, ``30 days``) is compared with how long ago
something was: an attribute that holds a date, or ``last_`` and the type of an
event, which is the user's latest of it (``last_order.paid``) unless there is an
attribute of that name. What never was is no time ago: such a comparison is false,
``exists`` asks for it.

Parsing gives a tree of frozen nodes; ``matches`` walks it. Nothing is ever
evaluated as Python.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chatpush.errors import InvalidInput

LONGEST = 4000
DEEPEST = 40
WORDS = {"and", "or", "not", "in", "contains", "exists", "topic", "true", "false"}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    | (?P<name>[^\W\d][\w-]*(?:\.[^\W\d][\w-]*)*)
    | (?P<sign><=|>=|!=|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE,
)

UNITS = {
    "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1),
}  # fmt: skip
ORDERS = ("<", "<=", ">", ">=")
LAST = "last_"
LONGEST_AGO = timedelta(days=36_500)

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of an attribute with a value."""

    name: str
    sign: str
    value: Value


@dataclass(frozen=True, slots=True)
class Since:
    """A comparison of how long ago something was with a length of time."""

    name: str
    sign: str
    length: timedelta


@dataclass(frozen=True, slots=True)
class OneOf:
    """An attribute that is one of several values."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """A list that has a value, or a text that has a part."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Exists:
    """An attribute that is there."""

    name: str


@dataclass(frozen=True, slots=True)
class InTopic:
    """Membership of a topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]


Condition = Compare | Since | OneOf | Contains | Exists | InTopic | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> Condition:
    """Return the tree of a condition.

    Raises:
        InvalidInput: it can't be read; the message names the position.
    """
    if len(text) > LONGEST:
        raise InvalidInput(f"a segment's condition has at most {LONGEST} characters", param="where")
    return _Parser(text).whole()


def topics_in(condition: Condition) -> set[str]:
    """Return the topics a condition asks about."""
    match condition:
        case InTopic(topic):
            return {topic}
        case Not(inner):
            return topics_in(inner)
        case AllOf(parts) | AnyOf(parts):
            return set[str]().union(*(topics_in(part) for part in parts))
        case _:
            return set()


def events_in(condition: Condition) -> set[str]:
    """Return the types of events a condition asks about."""
    match condition:
        case Since(name) | Exists(name) if name.startswith(LAST):
            return {name.removeprefix(LAST)}
        case Not(inner):
            return events_in(inner)
        case AllOf(parts) | AnyOf(parts):
            return set[str]().union(*(events_in(part) for part in parts))
        case _:
            return set()


def asks_when(condition: Condition) -> bool:
    """Return whether a condition asks how long ago something was."""
    match condition:
        case Not(inner):
            return asks_when(inner)
        case AllOf(parts) | AnyOf(parts):
            return any(asks_when(part) for part in parts)
        case _:
            return isinstance(condition, Since)


def matches(condition: Condition, profile: Mapping[str, Any], topics: Iterable[str], now: datetime) -> bool:
    """Return whether a user's attributes and topics fulfil a condition at an instant.

    The profile has the user's events too: ``last_`` and the type → when.
    """
    match condition:
        case AllOf(parts):
            return all(matches(part, profile, topics, now) for part in parts)
        case AnyOf(parts):
            return any(matches(part, profile, topics, now) for part in parts)
        case Not(inner):
            return not matches(inner, profile, topics, now)
        case InTopic(topic):
            return topic in topics
        case Since(name, sign, length):
            ago = _ago(_find(profile, name), now)
            return ago is not None and bool(COMPARE[sign](ago, length))
        case _:
            return _holds(condition, profile)


def _ago(found: Any, now: datetime) -> timedelta | None:
    """Return how long ago a moment was; a date without an offset is UTC's."""
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            return None
    if not isinstance(found, datetime):
        return None
    return now - (found if found.tzinfo is not None else found.replace(tzinfo=UTC))


def _holds(leaf: Compare | OneOf | Contains | Exists, profile: Mapping[str, Any]) -> bool:
    found = _find(profile, leaf.name)
    match leaf:
        case Exists():
            return found is not None
        case Contains(_, value):
            return _contains(found, value)
        case OneOf(_, values):
            return any(_alike(found, value) and found == value for value in values)
        case Compare(_, sign, value):
            return bool(COMPARE[sign](found, value)) if _alike(found, value) else sign == "!="


def _find(profile: Mapping[str, Any], name: str) -> Any:
    if name in profile:
        return profile[name]
    found: Any = profile
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _contains(found: Any, value: Value) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    return isinstance(found, list) and any(_alike(one, value) and one == value for one in found)


def _alike(found: Any, value: Value) -> bool:
    """Return whether two values are of the same kind; true is no number here."""
    if isinstance(found, bool) or isinstance(value, bool):
        return isinstance(found, bool) and isinstance(value, bool)
    if isinstance(value, str):
        return isinstance(found, str)
    return isinstance(found, int | float)


class _Parser:
    """Recursive descent over the tokens, with the position for every complaint."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0

    def whole(self) -> Condition:
        condition = self._any()
        if (token := self._peek()).kind != "end":
            raise self._complaint(token, "expected 'and' or 'or'")
        return condition

    def _split(self) -> Iterable[_Token]:
        position, end = 0, len(self._text.rstrip())
        while position < end:
            found = TOKEN.match(self._text, position)
            if found is None or found.lastgroup is None:
                start = position + len(self._text[position:]) - len(self._text[position:].lstrip())
                raise self._complaint(_Token("?", self._text[start], start), "this can't be read")
            yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
            position = found.end()
        yield _Token("end", "", end)

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._accept("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._accept("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._complaint(self._peek(), f"brackets and 'not' go at most {DEEPEST} deep")
        try:
            if self._accept("not"):
                return Not(self._one())
            if self._accept("("):
                inner = self._any()
                self._expect(")")
                return inner
            if self._accept("topic"):
                return InTopic(self._string("a topic's name in quotes"))
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        token = self._take()
        if token.kind != "name" or token.text.lower() in WORDS:
            raise self._complaint(token, "expected an attribute, 'not', 'topic' or '('")
        if self._accept("exists"):
            return Exists(token.text)
        if self._accept("contains"):
            return Contains(token.text, self._value())
        if self._accept("in"):
            return OneOf(token.text, self._values())
        sign = self._take()
        if sign.text not in COMPARE or sign.kind != "sign":
            raise self._complaint(
                sign, f"expected a comparison after {token.text!r} (= != < <= > >= in contains exists)"
            )
        value = self._take_length() if sign.text in ORDERS else None
        if value is not None:
            return Since(token.text, sign.text, value)
        return Compare(token.text, sign.text, self._value())

    def _take_length(self) -> timedelta | None:
        """Take a number and a unit of time, if that comes next."""
        token = self._peek()
        if token.kind != "number":
            return None
        unit = self._tokens[self._next + 1]
        one = UNITS.get(unit.text.lower().removesuffix("s")) if unit.kind == "name" else None
        if one is None:
            return None
        if abs(float(token.text)) > LONGEST_AGO / one:
            raise self._complaint(token, f"expected at most {LONGEST_AGO.days} days")
        self._next += 2
        return float(token.text) * one

    def _values(self) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Value:
        token = self._take()
        if token.kind == "string":
            return _unquoted(token.text)
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "name" and token.text.lower() in {"true", "false"}:
            return token.text.lower() == "true"
        raise self._complaint(token, 'expected a value: "text", a number, true or false')

    def _string(self, what: str) -> str:
        token = self._take()
        if token.kind != "string":
            raise self._complaint(token, f"expected {what}")
        return _unquoted(token.text)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token.kind not in {"name", "sign"} or token.text.lower() != text:
            return False
        self._next += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._complaint(self._peek(), f"expected {text!r}")

    def _complaint(self, token: _Token, words: str) -> InvalidInput:
        found = f"found {token.text!r}" if token.text else "found the end"
        return InvalidInput(f"position {token.position + 1}: {words}, {found}", param="where")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
