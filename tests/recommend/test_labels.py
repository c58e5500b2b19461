"""The whole program: marketing under another label meets the policy of marketing, and the trace says why."""

from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, DeliveryId
from tests.serving import Served, serving
from tests.waiting import until

SALE = {"title": "Summer sale", "body": "Everything half price this weekend, shop now!"}
NEWS = {"title": "Shipped", "body": "Your order 7 has left our warehouse."}


async def delivered(served: Served, content: dict[str, str]) -> dict[str, Any]:
    """Send a message without a label to a user and return what became of it."""
    await served.told("PUT", "/v1/users/emma", {"locale": "en"})
    message = (await served.told("POST", "/v1/messages", {"content": content, "to": [{"user": "emma"}]}))[
        "id"
    ]

    async def settled() -> bool:
        return bool((await served.told("GET", f"/v1/messages/{message}"))["status"] == "completed")

    await until(settled)
    found = await served.told("GET", f"/v1/messages/{message}")
    (row,) = (await served.told("GET", f"/v1/messages/{message}/deliveries"))["data"]
    trace = await served.chatpush.trace.of(DEFAULT_TENANT, DeliveryId(row["id"]))
    return {**row, "category": found["category"], "trace": str([one.detail for one in trace])}


async def test_a_sale_is_marketing_whatever_its_label_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        sale = await delivered(served, SALE)
        assert (sale["category"], sale["state"]) == ("marketing", "suppressed")
        assert sale["reason"] == "no_consent: marketing by its words"
        assert "marketing by its words" in sale["trace"]
        news = await delivered(served, NEWS)
        assert (news["category"], news["state"]) == ("transactional", "sent")


async def test_a_setting_believes_labels(tmp_path: Path) -> None:
    async with serving(tmp_path, recommend={"judge_labels": False}) as served:
        sale = await delivered(served, SALE)
        assert (sale["category"], sale["state"]) == ("transactional", "sent")


@pytest.mark.parametrize(
    ("text", "treated", "codes"),
    [(SALE, "marketing", ["taken_for_marketing"]), (NEWS, "transactional", [])],
)
async def test_advice_over_http(tmp_path: Path, text: dict[str, str], treated: str, codes: list[str]) -> None:
    async with serving(tmp_path) as served:
        found = await served.told("POST", "/v1/analysis", text)
        assert (found["treated_as"], [hint["code"] for hint in found["hints"]]) == (treated, codes)
        assert len(found["best_hours"]) == 3
        assert not found["by_model"]
        await served.told("POST", "/v1/analysis", {"body": "x" * 5000}, status=422)
