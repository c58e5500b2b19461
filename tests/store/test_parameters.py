"""Named parameters, rewritten for each driver."""

import pytest

from chatpush.store.parameters import formatted, placed


@pytest.mark.parametrize(
    ("sql", "for_psycopg", "for_sqlite"),
    [
        ("SELECT :a, :a_1", "SELECT %(a)s, %(a_1)s", "SELECT ?, ?"),
        ("SELECT a::text, :b::bigint", "SELECT a::text, %(b)s::bigint", "SELECT a::text, ?::bigint"),
        (
            "SELECT ':a', 'it''s :a', \":a\" -- :a\n, :b",
            "SELECT ':a', 'it''s :a', \":a\" -- :a\n, %(b)s",
            "SELECT ':a', 'it''s :a', \":a\" -- :a\n, ?",
        ),
        ("SELECT /* :a\n */ :b", "SELECT /* :a\n */ %(b)s", "SELECT /* :a\n */ ?"),
        (
            "WHERE a LIKE '%x' AND a % 2 = :b",
            "WHERE a LIKE '%%x' AND a %% 2 = %(b)s",
            "WHERE a LIKE '%x' AND a % 2 = ?",
        ),
        ("SELECT x[1:2], '12:30:00'", "SELECT x[1:2], '12:30:00'", "SELECT x[1:2], '12:30:00'"),
    ],
)
def test_parameters_are_rewritten_and_literals_left_alone(
    sql: str, for_psycopg: str, for_sqlite: str
) -> None:
    assert formatted(sql) == for_psycopg.encode()
    assert formatted(sql, frozenset({"b"})) == for_psycopg.replace("%(b)s", "NULL").encode()
    assert placed(sql)[0] == for_sqlite


def test_a_name_used_twice_has_two_places() -> None:
    assert placed("UPDATE t SET a = :now, b = :x WHERE a < :now") == (
        "UPDATE t SET a = ?, b = ? WHERE a < ?", ("now", "x", "now"),
    )  # fmt: skip
