"""What a campaign achieved and would have done, on its page; and one run held, continued and ended."""

from datetime import timedelta
from typing import Any

from chatpush.domain import DEFAULT_TENANT, Role, UserId
from chatpush.notify.audience.users import UserChange
from tests.console.whole import Client, Whole, post, sign_in

HTMX = {"HX-Request": "true"}


async def made(whole: Whole, **changes: Any) -> str:
    spec = {
        "name": "Daily", "template": "order_paid", "to": [{"all": True}], "category": "marketing",
        "data": {"order": "1"}, "trigger": {"kind": "cron", "cron": "0 9 * * *"},
    }  # fmt: skip
    kept = {name: value for name, value in (spec | changes).items() if value is not None}
    return (await whole.campaigns.create(DEFAULT_TENANT, kept)).id


async def carry(whole: Whole) -> None:
    while await whole.runs.turn() == 0:
        pass
    await whole.room.settle()


async def test_results_show_the_funnel_and_the_variants(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.VIEWER))
    variants = [{"name": "calm", "template": "order_paid"}, {"name": "loud", "template": "order_paid"}]
    campaign = await made(whole, template=None, variants=variants, holdout=0.4, category="alert")
    names = [UserId(f"u{n}") for n in range(30)]
    await whole.room.users.ensure(DEFAULT_TENANT, names)
    await whole.runs.run_now(DEFAULT_TENANT, campaign)
    await carry(whole)
    page = await (await client.get(f"/console/campaigns/{campaign}")).text()
    assert "Variants: calm, loud" in page
    assert f"/console/campaigns/{campaign}/results" in page
    shown = await (await client.get(f"/console/campaigns/{campaign}/results", headers=HTMX)).text()
    assert "<svg" in shown
    assert shown.count("<rect") == 6
    for word in ("calm", "loud", "were held out", "holdout"):
        assert word in shown


async def test_the_past_meets_a_changed_campaign(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    campaign = await made(whole)
    for name in ("ada", "noah"):
        await whole.room.users.put(DEFAULT_TENANT, UserId(name), UserChange(consents={"marketing": True}))
    place = f"/console/campaigns/{campaign}/what-if"
    form = await (await client.get(place)).text()
    assert "order_paid" in form
    answer = await (await post(client, place, span="week", marketing_cap="1", send_at="18:00")).text()
    assert "It would have been" in answer
    assert "7 firings, 2 of 2 users" in answer
    assert "frequency_cap" not in answer
    wrong = await (await post(client, place, marketing_cap="many")).text()
    assert "is not a whole number" in wrong
    assert "not a time of day" in await (await post(client, place, send_at="noon")).text()
    assert (await whole.campaigns.get(DEFAULT_TENANT, campaign)).definition.send_at is None


async def test_a_run_is_held_continued_and_ended(whole: Whole, client: Client) -> None:
    await sign_in(client, await whole.person(Role.EDITOR))
    campaign = await made(whole, throttle=1)
    run = (await whole.runs.run_now(DEFAULT_TENANT, campaign)).id
    place = f"/console/campaigns/{campaign}"
    held = await post(client, f"{place}/runs/{run}/pause")
    assert held.status in (200, 303)
    assert f"{place}/runs/{run}/resume" in await (await client.get(f"{place}/live")).text()
    await post(client, f"{place}/runs/{run}/resume")
    assert (await whole.runs.get(DEFAULT_TENANT, run)).state == "running"
    await post(client, f"{place}/runs/{run}/cancel")
    assert (await whole.runs.get(DEFAULT_TENANT, run)).state == "cancelled"
    whole.clock.forward(timedelta(hours=1))
    await carry(whole)
    assert "Cancelled" in await (await client.get(f"{place}/live")).text()
