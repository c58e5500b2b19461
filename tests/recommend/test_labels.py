"""The whole program: marketing under another label meets the policy of marketing, and the trace says why."""

from datetime import UTC, datetime, timedelta
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


async def sent_to_emma(served: Served, template: str) -> dict[str, Any]:
    """Send a template's message to Emma and return her delivery."""
    body = {"template": template, "to": [{"user": "emma"}]}
    message = (await served.told("POST", "/v1/messages", body))["id"]

    async def settled() -> bool:
        return bool((await served.told("GET", f"/v1/messages/{message}"))["status"] == "completed")

    await until(settled)
    (row,) = (await served.told("GET", f"/v1/messages/{message}/deliveries"))["data"]
    return dict(row)


async def test_a_reviewed_version_keeps_its_label_and_the_audit_log_says_who(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/users/emma", {"locale": "en"})
        await served.told("PUT", "/v1/templates/tour", {"locales": {"en": SALE}})
        assert (await sent_to_emma(served, "tour"))["reason"] == "no_consent: marketing by its words"
        writer = (await served.told("POST", "/v1/keys", {"name": "writer", "scopes": ["templates:write"]}))[
            "key"
        ]
        refused = await served.ask(
            "PUT", "/v1/templates/tour/review", {"version": 1}, headers={"Authorization": f"Bearer {writer}"}
        )
        assert refused.status == 403
        await served.told("PUT", "/v1/templates/tour/review", {"version": 9}, status=404)

        reviewed = await served.told("PUT", "/v1/templates/tour/review", {"version": 1})
        assert reviewed["reviewed_by"].startswith("key")
        (version,) = (await served.told("GET", "/v1/templates/tour/versions"))["data"]
        assert version["reviewed_by"] == reviewed["reviewed_by"]
        for template in ("tour", "tour@1"):
            assert (await sent_to_emma(served, template))["state"] == "sent"

        other = {"en": {**SALE, "body": SALE["body"] + " Hurry, it ends tonight!"}}
        await served.told("PUT", "/v1/templates/tour", {"locales": other})
        assert (await sent_to_emma(served, "tour"))["state"] == "suppressed", "other words, another review"
        assert (await sent_to_emma(served, "tour@1"))["state"] == "sent"

        await served.told("PUT", "/v1/templates/tour/review", {"version": 1, "reviewed": False})
        assert (await sent_to_emma(served, "tour@1"))["state"] == "suppressed"
        entries = [
            (one.action, one.subject)
            for one in await served.chatpush.audit.after(
                DEFAULT_TENANT, "", datetime.now(UTC) + timedelta(minutes=1), 100
            )
        ]
        assert [one for one in entries if one[0].startswith("template.")] == [
            ("template.review", "tour@1"), ("template.review_withdrawn", "tour@1"),
        ]  # fmt: skip
