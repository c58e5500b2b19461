"""What is compiled to SQL leaves nobody out whom the condition holds for."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.conditions import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Exists,
    InTopic,
    Not,
    OneOf,
    matches,
    parse,
)
from chatpush.notify.audience.narrowing import EVERYBODY, narrowed
from chatpush.notify.audience.users import UserChange
from chatpush.store.database import Database
from tests.notify.building import Room

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PEOPLE: list[tuple[dict[str, Any], set[str]]] = [
    (
        {
            "id": f"{locale}{personalized}{age}", "locale": locale, "timezone": zone,
            "personalized": personalized, "age": age,
        },
        topics,
    )
    for locale, zone in (("en", "UTC"), ("zh-CN", "Asia/Shanghai"), ("é", "UTC"))
    for personalized in (True, False)
    for age, topics in ((17, {"vip"}), (40, set[str]()))
]  # fmt: skip
NAMES = st.sampled_from(["id", "locale", "timezone", "personalized", "age", "missing"])
VALUES = st.sampled_from(["en", "zh-CN", "é", "UTC", "enTrue17", "", 17, 40.0, True, False])
LEAVES = (
    st.builds(Compare, NAMES, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), VALUES)
    | st.builds(OneOf, NAMES, st.lists(VALUES, min_size=1, max_size=3).map(tuple))
    | st.builds(InTopic, st.sampled_from(["vip", "none"]))
    | st.builds(Exists, NAMES)
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE app_user (tenant, id, locale, timezone, personalized)")
    connection.execute("CREATE TABLE topic_member (tenant, topic, user_id)")
    for person, topics in PEOPLE:
        connection.execute(
            "INSERT INTO app_user VALUES ('a', :id, :locale, :timezone, :personalized)", person
        )
        for topic in topics:
            connection.execute("INSERT INTO topic_member VALUES ('a', ?, ?)", (topic, person["id"]))
    return connection


@given(condition=CONDITIONS)
def test_nobody_is_left_out(table: sqlite3.Connection, condition: Condition) -> None:
    sql, params = narrowed(condition)
    rows = table.execute(f"SELECT u.id FROM app_user AS u WHERE {sql}", {"t": "a", **params})
    found = {row[0] for row in rows}
    members = {person["id"] for person, topics in PEOPLE if matches(condition, person, topics, NOW)}
    assert members <= found


@pytest.mark.parametrize(
    ("where", "sql", "params"),
    [
        ("age > 3", EVERYBODY, {}),
        ('age > 3 or topic "vip"', EVERYBODY, {}),
        ('age > 3 and locale = "en"', "(u.locale = :w0)", {"w0": "en"}),
        ('not (age > 3 or locale in ("en", 1))', "(NOT (u.locale IN (:w0)))", {"w0": "en"}),
        ("personalized = true and locale in (1, 2)", "(u.personalized = 1 AND 1 = 0)", {}),
        ('locale = "x\' OR 1 = 1 --"', "u.locale = :w0", {"w0": "x' OR 1 = 1 --"}),
    ],
)
def test_values_are_parameters_and_what_is_sealed_asks_for_everybody(
    where: str, sql: str, params: dict[str, str]
) -> None:
    assert narrowed(parse(where)) == (sql, params)


@pytest.fixture
def database(any_database: Database) -> Database:
    """Both kinds of database understand it."""
    return any_database


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ('topic "vip" and age > 18', ["b"]),
        ('not topic "vip" and age > 18', ["c"]),
        ('locale in ("zh-CN", "fr") or id = "c"', ["b", "c"]),
        ('personalized != true or timezone >= "Z"', ["d"]),
        ('not (locale = "en" or topic "vip")', []),
    ],
)
async def test_a_segment_finds_its_users(room: Room, tenant: TenantId, where: str, found: list[str]) -> None:
    for name, locale, age in (("a", "en", 17), ("b", "zh-CN", 40), ("c", "en", 40), ("d", "en", 1)):
        change = UserChange(locale=locale, attributes={"age": age}, personalized=name != "d")
        await room.users.put(tenant, UserId(name), change)
    await room.topics.add(tenant, "vip", ["a", "b"])
    await room.segments.put(tenant, "s", where)
    scan = await room.segments.scan(tenant, "s", UserId(""))
    assert (scan.users, scan.through) == (found, None)
