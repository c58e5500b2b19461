"""The weekly picks: real reasons, to those who may be written to, and a chat that knows the item."""

from typing import Any

import pytest

from examples.shop.seeding import WEEKLY_PICKS
from tests.journeys.premises import Premises
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
CAP = 3  # marketing_cap of the demo


async def campaign(premises: Premises) -> str:
    """Return the id of the weekly picks."""
    found = await premises.push.campaign_named(WEEKLY_PICKS)
    assert found
    return found


async def run_once(premises: Premises) -> str:
    """Let the weekly picks run now, to the end, and return the message it made."""
    which = await campaign(premises)
    before = {run["id"] for run in await runs(premises, which)}
    await premises.push.run_campaign(which)

    async def finished() -> bool:
        new = [run for run in await runs(premises, which) if run["id"] not in before]
        return bool(new) and new[0]["state"] == "finished"

    await until(finished)
    newest: str = (await premises.told("GET", "/v1/messages", limit="1"))["data"][0]["id"]

    async def settled() -> bool:
        deliveries = await of(premises, newest)
        return bool(deliveries) and not {one["state"] for one in deliveries} & {"pending", "sending"}

    await until(settled)
    return newest


async def runs(premises: Premises, which: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await premises.told("GET", f"/v1/campaigns/{which}/runs"))["data"]
    return found


async def of(premises: Premises, message: str) -> list[dict[str, Any]]:
    """Return a message's deliveries."""
    found: list[dict[str, Any]] = (await premises.told("GET", f"/v1/messages/{message}"))["deliveries"]
    return found
