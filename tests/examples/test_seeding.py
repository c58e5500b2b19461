"""The shop's data arrives whole, in batches, under stable ids."""

from collections import Counter

from chatpush.notify.deciding.hours import zone
from chatpush.schedule.triggers import check, parse
from examples.shop.bodies import COUNTRIES, buyer_body, item_body, person_body
from examples.shop.catalogue import Catalogue
from examples.shop.people import CUSTOMERS
from examples.shop.push import Push
from examples.shop.seeding import CAMPAIGNS, WEEKLY_PICKS, Seeding
from tests.clocks import StillClock
from tests.examples.fake_chatpush import FakeChatpush


async def test_every_item_and_purchase_is_sent_once(
    push: Push, chatpush: FakeChatpush, catalogue: Catalogue
) -> None:
    progress: Counter[str] = Counter()
    seeding = Seeding(push, catalogue, "http://shop")
    await seeding.items(lambda count: progress.update(items=count))
    await seeding.purchases(lambda count: progress.update(purchases=count))
    items = [item["id"] for body in chatpush.sent("/v1/items") for item in body["items"]]
    events = [event["id"] for body in chatpush.sent("/v1/events") for event in body["events"]]
    assert sorted(items) == sorted(catalogue.items)
    assert len(events) == len(set(events)) == len(catalogue.purchases)
    assert progress == {"items": len(items), "purchases": len(events)}
    assert max(len(body["events"]) for body in chatpush.sent("/v1/events")) <= 1000


async def test_every_customer_becomes_a_user(
    push: Push, chatpush: FakeChatpush, catalogue: Catalogue
) -> None:
    sent = 0

    def advance(count: int) -> None:
        nonlocal sent
        sent += count

    await Seeding(push, catalogue, "http://shop").users(advance)
    users = {path.removeprefix("/v1/users/") for _, path, _ in chatpush.calls}
    assert users == set(catalogue.countries) | set(CUSTOMERS)
    assert sent == len(users) == len(chatpush.calls)


async def test_campaigns_are_made_once(push: Push, chatpush: FakeChatpush, catalogue: Catalogue) -> None:
    chatpush.answers["/v1/campaigns"] = {"data": [{"name": WEEKLY_PICKS, "id": "cmp_1"}]}
    await Seeding(push, catalogue, "http://shop").campaigns(lambda _: None)
    made = [body["name"] for method, _, body in chatpush.calls if method == "POST"]
    assert made == [campaign["name"] for campaign in CAMPAIGNS if campaign["name"] != WEEKLY_PICKS]


def test_campaigns_have_triggers_that_chatpush_knows(still_clock: StillClock) -> None:
    for campaign in CAMPAIGNS:
        now = still_clock.now()
        check(parse(campaign["trigger"], now), now)


def test_bodies_hold_what_the_contract_names(catalogue: Catalogue) -> None:
    body = item_body(catalogue.items["85123A"], "http://shop")
    assert body["price"] == "2.95"
    assert body["url"] == "http://shop/items/85123A"
    assert body["image"] == "http://shop/images/85123A.svg"
    assert person_body(CUSTOMERS["jonas"])["consents"] == {"marketing": False}


def test_every_country_has_a_zone(catalogue: Catalogue) -> None:
    assert set(catalogue.countries.values()) <= set(COUNTRIES)
    for _, name in COUNTRIES.values():
        assert zone(name).key == name
    assert buyer_body("customer-1", "Japan") == buyer_body("customer-1", "Japan")
