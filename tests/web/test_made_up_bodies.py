"""Bodies made up from the OpenAPI document, some of which fit it and some of which nearly do.

Whatever comes, nothing breaks, and the document is neither looser nor stricter
than the server: ``tests/documented.py`` looks at every one of these answers.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.documented import Documented
from tests.serving import Served, serving
from tests.web.test_openapi import DOCUMENT, described

DOCUMENTED = Documented(DOCUMENT)
JSON = "application/json"
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), WORDS)
ANY = st.recursive(
    SIMPLE, lambda one: st.lists(one, max_size=2) | st.dictionaries(WORDS, one, max_size=2), max_leaves=4
)
KNOWN = st.sampled_from(["en", "emma", "offer", "UTC", "ws", "recipient", "A1", "news", "09:00", ""])
TIMES = st.sampled_from(["2026-12-01T09:00:00Z", "2026-12-01T09:00:00.5+01:00", "2020-02-29T23:59:59-11:30"])
NAMED = {"name": "offer"}
BODIES = [
    (place, operation)
    for place, operation in described()
    if JSON in operation.get("requestBody", {}).get("content", {})
]
EACH = 12


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what makes values that fit a schema, as far as that is easily said."""
    schema = DOCUMENTED.resolved(schema)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        return st.one_of([fitting(one) for one in schema.get("anyOf", schema.get("oneOf", []))])
    make = MAKERS.get(schema.get("type", ""))
    return make(schema) if make is not None else ANY


def whole(schema: dict[str, Any]) -> st.SearchStrategy[int]:
    """Return what makes integers of a schema."""
    least = max(schema.get("minimum", -5), schema.get("exclusiveMinimum", -6) + 1)
    return st.integers(least, min(schema.get("maximum", least + 50), least + 50))


def number(schema: dict[str, Any]) -> st.SearchStrategy[float]:
    """Return what makes numbers of a schema."""
    least = schema.get("minimum", schema.get("exclusiveMinimum", -1))
    most = min(schema.get("maximum", least + 10), schema.get("exclusiveMaximum", least + 10))
    return st.integers(1, 99).map(lambda share: least + (most - least) * share / 100)


def several(schema: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    """Return what makes lists of a schema."""
    least = schema.get("minItems", 0)
    most = max(least, min(3, schema.get("maxItems", 3)))
    return st.lists(fitting(schema.get("items", {})), min_size=least, max_size=most)


def text(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return what makes texts of a schema: mostly words that somebody may know."""
    if schema.get("format") == "date-time":
        return TIMES
    if "pattern" in schema:
        return st.from_regex(re.compile(schema["pattern"], re.ASCII), fullmatch=True)
    least, most = schema.get("minLength", 0), schema.get("maxLength", 20)
    free = st.text("ab @.{}%<é长🙂", min_size=least, max_size=max(least, min(most, 20)))
    return st.one_of(KNOWN.filter(lambda one: least <= len(one) <= most), free)


def fields(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return what makes objects of a schema, what may be left out left out at times."""
    known, needed = schema.get("properties", {}), set(schema.get("required", ()))
    if not known:
        names = [text({"pattern": pattern}) for pattern in schema.get("patternProperties", ())]
        value = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        inner = fitting(value) if isinstance(value, dict) else ANY
        return st.dictionaries(
            names[0] if names else KNOWN.filter(bool),
            inner,
            min_size=schema.get("minProperties", 0),
            max_size=2,
        )
    return st.fixed_dictionaries(
        {name: fitting(one) for name, one in known.items() if name in needed},
        optional={name: fitting(one) for name, one in known.items() if name not in needed},
    )


MAKERS: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
    "null": lambda _: st.none(),
    "boolean": lambda _: st.booleans(),
    "integer": whole,
    "number": number,
    "string": text,
    "array": several,
    "object": fields,
}


@st.composite
def nearly(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """Make a body that fits, or one with a single field left out, added or of another kind."""
    body = draw(fitting(schema))
    slip = draw(st.sampled_from(["none", "none", "other", "left out", "added"]))
    names = sorted(body)
    if slip == "added":
        return {**body, draw(st.text("xyz", min_size=1, max_size=3)): draw(ANY)}
    if slip == "none" or not names:
        return body
    name = draw(st.sampled_from(names))
    rest = {key: value for key, value in body.items() if key != name}
    return rest if slip == "left out" else {**rest, name: draw(ANY)}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/users/emma", {})
        await served.told(
            "PUT", "/v1/templates/offer", {"locales": {"en": {"title": "Offer", "body": "{{ a }}"}}}
        )
        await served.told("PUT", "/v1/items", {"items": [{"id": "A1", "title": "Lantern"}]})
        yield served


def made(operation: dict[str, Any]) -> list[Any]:
    """Return bodies for an operation: the same in every run."""
    found: list[Any] = []
    schema = operation["requestBody"]["content"][JSON]["schema"]

    @settings(
        max_examples=EACH, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(nearly(schema))
    def collect(body: Any) -> None:
        found.append(body)

    collect()
    return found


async def test_made_up_bodies_break_nothing(served: Served) -> None:
    broken, taken = [], 0
    for place, operation in BODIES:
        method, _, path = place.partition(" ")
        address = served.url + re.sub(r"{(\w+)}", lambda found: NAMED.get(found[1], "emma"), path)
        mine = {"user": []} in operation["security"] and not any(
            "key" in way for way in operation["security"]
        )
        headers = {"Authorization": f"Bearer {served.token('emma') if mine else served.secret}"}
        for body in made(operation):
            answer = await served.http.request(method, address, data=json.dumps(body), headers=headers)
            taken += answer.status < 300
            if answer.status >= 500 and answer.status not in (502, 503):
                broken.append(f"{place} {str(body)[:300]} → {answer.status}")
    assert broken == []
    assert taken > len(BODIES)
