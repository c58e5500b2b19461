"""The rules of the blend, each by itself."""

from datetime import UTC, date, datetime, timedelta

from chatpush.domain import DEFAULT_TENANT, Event, EventId, Item, ItemId, UserId
from chatpush.plugins.contracts import Candidate
from chatpush.recommend.rankers import blend

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def item(name: str, **values: object) -> Item:
    return Item(DEFAULT_TENANT, ItemId(name), name, **values)  # type: ignore[arg-type]


def did(kind: str, what: str | None, days_ago: float, **properties: object) -> Event:
    at = NOW - timedelta(days=days_ago)
    return Event(
        DEFAULT_TENANT, EventId(f"{kind}{what}{days_ago}"), UserId("u"), kind, at,
        ItemId(what) if what else None, dict(properties),
    )  # fmt: skip


def test_bought_lately_dismissed_and_muted_are_forbidden() -> None:
    bars = blend.forbidden(
        [did("purchase", "a", 10), did("purchase", "b", 100), did("dismiss", "c", 170), did("dismiss", "d", 190),
         did("mute", "e", 900), did("view", "f", 1)],
        NOW,
    )  # fmt: skip
    assert bars.items == {"a", "c", "e"}


def test_muted_tags_and_brands_hold_until_unmuted() -> None:
    events = [
        did("mute", None, 5, tag="Candles"),
        did("mute", None, 5, brand="Acme"),
        did("unmute", None, 1, tag="candles"),
    ]
    bars = blend.forbidden(events, NOW)
    assert bars.allows(item("a", tags=("candles",)))
    assert not bars.allows(item("b", attributes={"brand": "ACME"}))


def test_out_of_stock_is_forbidden_and_unknown_stock_is_not() -> None:
    bars = blend.Forbidden()
    assert not bars.allows(item("a", stock=0))
    assert not bars.allows(item("a", stock=-3))
    assert bars.allows(item("a", stock=1))
    assert bars.allows(item("a"))


def test_scores_add_up_and_the_heaviest_reason_wins() -> None:
    a, b = ItemId("a"), ItemId("b")
    merged = blend.merged(
        [
            (1.0, [Candidate(a, 0.5, "walked"), Candidate(b, 0.9, "walked")]),
            (0.8, [Candidate(a, 1.0, "charts")]),
        ]
    )
    assert [(one.item, round(one.score, 3), one.reason_code) for one in merged] == [
        ("a", 1.3, "charts"),
        ("b", 0.9, "walked"),
    ]


def test_a_rankers_scores_stay_within_its_weight() -> None:
    merged = blend.merged([(0.5, [Candidate(ItemId("a"), 99.0, "x")])])
    assert [one.score for one in merged] == [0.5]


def test_many_of_one_kind_are_spread() -> None:
    items = {ItemId(n): item(n, tags=(n[0],)) for n in ("a1", "a2", "a3", "b1")}
    proposals = [
        blend.Proposal(ItemId(n), s, "x") for n, s in (("a1", 1.0), ("a2", 0.99), ("a3", 0.98), ("b1", 0.9))
    ]
    assert [one.item for one in blend.spread(proposals, items, 3)] == ["a1", "b1", "a2"]


def test_the_share_of_exploration_is_kept_over_users() -> None:
    slots = [
        blend.explore_slots(5, 0.1, blend.chance(DEFAULT_TENANT, f"u{n}", date(2026, 1, 1), "x"))
        for n in range(2000)
    ]
    assert set(slots) == {0, 1}
    assert 0.45 < sum(slots) / len(slots) < 0.55
    assert blend.explore_slots(1, 1.0, blend.chance(DEFAULT_TENANT, "u", date(2026, 1, 1), "x")) == 0


def test_on_the_catalogues_first_day_nothing_is_new() -> None:
    day = 86_400_000
    assert blend.new_arrivals({ItemId("a"): 0, ItemId("b"): 10}, 20) == frozenset()
    assert blend.new_arrivals({ItemId("a"): 0, ItemId("b"): 40 * day}, 41 * day) == {"b"}
    assert blend.new_arrivals({ItemId("a"): 0, ItemId("b"): 2 * day}, 41 * day) == frozenset()


def test_a_score_that_is_no_number_counts_nothing() -> None:
    merged = blend.merged(
        [(0.5, [Candidate(ItemId("a"), float("nan"), "x"), Candidate(ItemId("b"), -3.0, "x")])]
    )
    assert [one.score for one in merged] == [0.0, 0.0]
