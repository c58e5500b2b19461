"""One run over HTTP: throttled, held, continued, ended; and what a campaign achieved."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from chatpush.domain import TenantId, UserId, to_ms
from chatpush.recommend.behaviour.behaviour import event
from chatpush.schedule.runs import Runs
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.schedule.building import Office, build_office, spec
from tests.web.harness import Client
from tests.web.notifying import problem
from tests.web.officing import officing

USERS = [f"user-{number:03}" for number in range(600)]


@pytest.fixture
async def served(
    database: Database, vault: Vault, still_clock: StillClock
) -> AsyncIterator[tuple[Client, Office]]:
    async with officing(database, vault, still_clock) as (client, office):
        await office.template("hello")
        await office.room.users.ensure(office.tenant, [UserId(name) for name in USERS])
        yield client, office


async def started(client: Client, **changes: Any) -> tuple[str, str]:
    """Make a campaign and run it; return their places."""
    body = spec(template=None, content={"title": "News"}, **changes)
    campaign = (await (await client.post("/v1/campaigns", json=body)).json())["id"]
    run = (await (await client.post(f"/v1/campaigns/{campaign}/run")).json())["id"]
    return f"/v1/campaigns/{campaign}", f"/v1/campaigns/{campaign}/runs/{run}"


async def states(office: Office) -> dict[str, int]:
    rows = await office.room.database.read("SELECT state, COUNT(*) AS n FROM delivery GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def reached(office: Office) -> int:
    return sum(1 for one in office.room.publisher.all if one.channel.startswith("user:"))


async def test_a_run_is_held_and_goes_on(served: tuple[Client, Office]) -> None:
    client, office = served
    _, run = await started(client)
    await office.runs.turn()
    held = await (await client.post(f"{run}/pause")).json()
    assert (held["state"], held["users"]) == ("paused", 250)
    await office.settle()
    assert reached(office) == 250
    assert (await (await client.post(f"{run}/pause")).json())["state"] == "paused"  # again is harmless
    assert (await (await client.post(f"{run}/resume")).json())["state"] == "running"
    await office.settle()
    done = await (await client.get(run)).json()
    assert (done["state"], done["users"], reached(office)) == ("finished", 600, 600)
    for act in ("pause", "resume", "cancel"):
        assert await problem(await client.post(f"{run}/{act}"), 409) == ("conflict", "")


async def test_a_cancelled_run_stops_what_has_not_reached_its_users(
    served: tuple[Client, Office], still_clock: StillClock
) -> None:
    client, office = served
    _, run = await started(client, send_at="12:00", tz="Europe/London")
    await office.runs.turn()
    ended = await (await client.post(f"{run}/cancel")).json()
    assert (ended["state"], ended["cancelled"]) == ("cancelled", 250)
    still_clock.forward(timedelta(days=2))
    await office.settle()
    assert await states(office) == {"cancelled": 250}
    assert (await (await client.post(f"{run}/cancel")).json())["cancelled"] == 0
    assert await problem(await client.post(f"{run}/resume"), 409) == ("conflict", "")


async def test_a_page_that_is_late_to_its_own_cancelling_is_not_sent(served: tuple[Client, Office]) -> None:
    client, office = served
    _, run = await started(client)
    accept = office.room.messages.accept

    async def cancelled_meanwhile(*args: Any, **more: Any) -> Any:
        assert (await client.post(f"{run}/cancel")).status == 200
        return await accept(*args, **more)

    office.room.messages.accept = cancelled_meanwhile  # type: ignore[method-assign]
    await office.settle()
    assert await states(office) == {}
    assert (await (await client.get(run)).json())["state"] == "cancelled"


async def test_runs_of_others_are_not_found(served: tuple[Client, Office]) -> None:
    client, _ = served
    place, run = await started(client)
    other, _ = await started(client)
    foreign = run.replace(place, other)
    assert await problem(await client.get(foreign), 404) == ("not_found", "run")
    for act in ("pause", "resume", "cancel"):
        assert await problem(await client.post(f"{foreign}/{act}"), 404) == ("not_found", "run")
        assert await problem(await client.post(f"{place}/runs/run_none/{act}"), 404) == ("not_found", "run")


async def test_a_throttle_is_exact_across_pages_and_restarts(
    served: tuple[Client, Office], database: Database, vault: Vault, still_clock: StillClock
) -> None:
    client, office = served
    _, run = await started(client, throttle=100)
    begun, sent = still_clock.now(), []
    for tenth in range(62):
        await office.runs.turn()
        if tenth == 20:  # another process takes over, with nothing in memory
            old = office.runs
            office.runs = build_office(database, vault, still_clock, TenantId("default")).runs
            office.runs._messages = old._messages
        await office.settle()
        sent.append(reached(office))
        still_clock.set(begun + timedelta(milliseconds=100 * (tenth + 1)))
    assert sent[0] == 1  # the first is due at once, the others a hundredth of a second apart
    assert all(9 <= later - earlier <= 10 for earlier, later in pairwise(sent[:59]))
    assert sent[-1] == 600
    assert (await (await client.get(run)).json())["state"] == "finished"


async def test_a_throttled_run_is_held_in_the_middle_and_starts_from_now(
    served: tuple[Client, Office], still_clock: StillClock
) -> None:
    client, office = served
    _, run = await started(client, throttle=100)
    await office.settle()
    await client.post(f"{run}/pause")
    still_clock.forward(timedelta(hours=1))
    await office.settle()
    assert reached(office) == 50  # what was handed over before: half a second of users
    await client.post(f"{run}/resume")
    await office.settle()
    assert reached(office) == 51
    assert isinstance(office.runs, Runs)


async def test_results_count_users_once_and_compare(
    served: tuple[Client, Office], still_clock: StillClock
) -> None:
    client, office = served
    await office.template("other")
    variants = [{"name": "a", "template": "hello"}, {"name": "b", "template": "other"}]
    body = spec(template=None, variants=variants, holdout=0.3)
    campaign = (await (await client.post("/v1/campaigns", json=body)).json())["id"]
    for _ in range(2):
        await client.post(f"/v1/campaigns/{campaign}/run")
        await office.settle()
    rows = await office.room.database.read("SELECT user_id, variant, id FROM delivery ORDER BY id")
    by_variant = {
        name: sorted({row["user_id"] for row in rows if row["variant"] == name})
        for name in ("a", "b", "holdout")
    }
    still_clock.forward(timedelta(hours=1))
    buyers = by_variant["a"][:5] + by_variant["b"][:60] + by_variant["holdout"][:2]
    now = still_clock.now()
    await office.behaviour.record(
        office.tenant, [event(office.tenant, UserId(u), "purchase", now) for u in buyers]
    )
    late = event(office.tenant, UserId(by_variant["a"][9]), "purchase", now + timedelta(days=8))
    still_clock.forward(timedelta(days=9))
    await office.behaviour.record(office.tenant, [late])
    clicked = [row["id"] for row in rows if row["user_id"] in by_variant["b"][:40]]
    await office.room.database.write(
        lambda tx: [
            tx.execute("UPDATE delivery SET clicked_at = :now WHERE id = :d", now=to_ms(now), d=one)
            for one in clicked
        ]
    )
    found = await (await client.get(f"/v1/campaigns/{campaign}/results")).json()
    sizes = {name: len(users) for name, users in by_variant.items()}
    assert found["total"]["users"] == found["total"]["sent"] == sizes["a"] + sizes["b"]
    assert [(one["name"], one["users"], one["converted"], one["clicked"]) for one in found["variants"]] == [
        ("a", sizes["a"], 5, 0),
        ("b", sizes["b"], 60, 40),
    ]
    first, second = found["variants"]
    assert (first["click_p_value"], first["significant"]) == (None, False)
    assert second["click_p_value"] < 0.001
    assert second["significant"]
    holdout = found["holdout"]
    assert (holdout["held"]["users"], holdout["held"]["converted"]) == (sizes["holdout"], 2)
    assert holdout["lift"] > 5
    assert holdout["significant"]
    assert 0 < holdout["interval"][0] < holdout["difference"] < holdout["interval"][1]
    assert [(step["step"], step["users"]) for step in found["funnel"]][-1] == ("converted", 65)
    assert found["suppressed"] == {"holdout": 2 * sizes["holdout"]}
    wide = await (await client.get(f"/v1/campaigns/{campaign}/results?window_hours=480")).json()
    assert wide["total"]["converted"] == 66
    views = await (await client.get(f"/v1/campaigns/{campaign}/results?conversion=view")).json()
    assert views["total"]["converted"] == 0
    assert views["holdout"]["lift"] is None


async def test_results_of_nothing_and_of_nobody(served: tuple[Client, Office]) -> None:
    client, _ = served
    made = (await (await client.post("/v1/campaigns", json=spec())).json())["id"]
    empty = await (await client.get(f"/v1/campaigns/{made}/results")).json()
    assert (empty["total"]["users"], empty["variants"], empty["holdout"]) == (0, [], None)
    assert await problem(await client.get("/v1/campaigns/cmp_none/results"), 404) == ("not_found", "id")
    answer = await client.get(f"/v1/campaigns/{made}/results?window_hours=0")
    assert await problem(answer, 422) == ("invalid_input", "window_hours")
