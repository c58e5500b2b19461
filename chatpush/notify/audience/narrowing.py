"""Compile what a condition asks of the columns in the clear to SQL, so that few users are opened to be looked at.

Attributes are sealed; topics, id, locale, time zone and the personal switch are
not. The SQL holds for every user whom the condition holds for, and maybe for
others: whoever it finds is still judged by ``conditions.matches``.
"""

import re
from typing import Any

from chatpush.notify.audience.conditions import AllOf, AnyOf, Compare, Condition, InTopic, Not, OneOf

EVERYBODY = "1 = 1"
NOBODY = "1 = 0"
TEXTS = ("id", "locale", "timezone")
PARAM = re.compile(r":(w\d+)")
SIGNS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def narrowed(condition: Condition) -> tuple[str, dict[str, Any]]:
    """Return a condition on ``app_user AS u`` of tenant ``:t``, and its parameters, ``w0`` and so on."""
    narrowing = _Narrowing()
    sql = narrowing.of(condition, wanted=True)
    return sql, {name: narrowing.params[name] for name in PARAM.findall(sql)}


class _Narrowing:
    """One translation, with the parameters it has gathered."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def of(self, condition: Condition, *, wanted: bool) -> str:
        """Return what every user fulfils whom the condition holds for (``wanted``), or does not hold for."""
        match condition:
            case Not(inner):
                return self.of(inner, wanted=not wanted)
            case AllOf(parts) | AnyOf(parts):
                found = [self.of(part, wanted=wanted) for part in parts]
                return _all(found) if isinstance(condition, AllOf) is wanted else _any(found)
            case _:
                test = self._test(condition)
                return test if wanted or test == EVERYBODY else f"NOT ({test})"

    def _test(self, leaf: Condition) -> str:
        """Return what says the same as a leaf; ``EVERYBODY`` if only whoever opens the user can tell."""
        match leaf:
            case InTopic(topic):
                own = f"m.tenant = :t AND m.topic = {self._param(topic)}"
                return f"u.id IN (SELECT m.user_id FROM topic_member AS m WHERE {own})"
            case Compare(name, sign, str(value)) if name in TEXTS:
                return f"u.{name} {SIGNS[sign]} {self._param(value)}"
            case OneOf(name, values) if name in TEXTS:
                texts = ", ".join(self._param(value) for value in values if isinstance(value, str))
                return f"u.{name} IN ({texts})" if texts else NOBODY
            case Compare("personalized", "=" | "!=" as sign, bool(value)):
                return f"u.personalized {SIGNS[sign]} {int(value)}"
            case _:
                return EVERYBODY

    def _param(self, value: str) -> str:
        name = f"w{len(self.params)}"
        self.params[name] = value
        return f":{name}"


def _all(found: list[str]) -> str:
    tests = [test for test in found if test != EVERYBODY]
    return f"({' AND '.join(tests)})" if tests else EVERYBODY


def _any(found: list[str]) -> str:
    return EVERYBODY if EVERYBODY in found else f"({' OR '.join(found)})"
