"""What the recommender asks of its records holds on both databases."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from chatpush.domain import Item, ItemId, TenantId, User, UserId, to_ms
from chatpush.notify.deciding.experiments import HOLDOUT
from chatpush.recommend.timing.outlook import Outlooks
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.words.copies import Copies
from chatpush.recommend.words.forms import Filled, Forms, Schema
from chatpush.store.database import Database
from tests.recommend.world import World, delivery


@pytest.fixture
def database(any_database: Database) -> Database:
    """Everything here holds on both databases."""
    return any_database


async def test_words_tokens_outlook_and_gains(world: World, tenant: TenantId) -> None:
    copies = Copies(world.database, world.clock)
    _, written = await copies.keep(tenant, "c", "en", {"headline": "a"}, [{"headline": "b"}])
    assert len(await copies.keep(tenant, "c", "en", {"headline": "x"}, [])) == 2  # the first words stay
    await copies.count(tenant, written.id, seen=True, clicked=True)
    assert [one.copy.clicked for one in await copies.compared(tenant)] == [0, 1]

    async def fill(tenant: TenantId, asked: str, material: str, schema: Schema) -> Filled:
        return Filled({}, 7)

    forms = Forms(world.database, world.clock, fill)
    empty: Schema = {"type": "object", "properties": {}, "required": []}
    for _ in range(2):
        assert await forms.filled(tenant, "", "", empty) == {}
    assert await forms.spent(tenant) == 14

    async def find(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {}

    at = to_ms(world.clock.now() - timedelta(days=10))
    rows = [delivery(tenant, UserId("me"), "1", at, at + 1, campaign="c")]
    rows.append(
        delivery(tenant, UserId("you"), "2", at, campaign="c") | {"variant": HOLDOUT, "settled_at": None}
    )
    await world.database.write(lambda tx: tx.insert_many("delivery", rows))
    await world.happened(
        *(world.event("me", "purchase", "mug", ago=timedelta(days=days)) for days in (5, 35))
    )
    restraint = Restraint(world.database, world.clock)
    (group,) = await restraint.groups(tenant)
    assert (group.written, group.held_out) == ((1, 1), (1, 0))
    timing = Timing(world.database, find, world.clock)
    found = await Outlooks(world.database, timing, restraint, world.clock).of(
        tenant, User(tenant, UserId("me"))
    )
    assert found.buying is not None
    assert found.opens > 0.2


async def test_items_are_found_by_id_and_by_the_words_of_a_title(world: World, tenant: TenantId) -> None:
    titles = {"a": "White lantern, large", "b": "White lantern", "c": "100%_wool hat", "d": "白色灯笼"}
    await world.catalogue.upsert(tenant, [Item(tenant, ItemId(id_), title) for id_, title in titles.items()])
    some = await world.catalogue.some(tenant, [ItemId(id_) for id_ in ("d", "gone", "a", "d")])
    assert [item.id for item in some] == ["d", "a"]
    for words, found in (
        (["LANTERN", "white"], ["b", "a"]), (["灯笼"], ["d"]), (["%_w"], ["c"]), (["_"], ["c"]), (["!"], []), ([], []),
    ):  # fmt: skip
        assert [item.id for item in await world.catalogue.named(tenant, words, 5)] == found
    assert await world.catalogue.named(TenantId("other"), ["lantern"], 5) == []
