"""The whole program with a model: a campaign's words are the model's, its facts the items', and clicks are counted."""

from pathlib import Path
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT, DeliveryId, ReceiptKind, UserId
from chatpush.recommend.timing.restraint import Restraint
from tests.serving import Served, serving
from tests.support.scripted_model import ScriptedModel, call, scripted_model
from tests.waiting import until

GOOD = call(
    ("fill", {"variants": [{"headline": "Something for your evenings: {title}, {price} {currency}"}]})
)
LIE = call(("fill", {"variants": [{"headline": "Only today {title} for 1 GBP"}]}))
CAMPAIGN: dict[str, Any] = {
    "name": "Picks", "to": [{"all": True}], "template": "picks", "category": "alert", "recommend": {"limit": 1},
    "trigger": {"kind": "cron", "cron": "0 9 * * fri", "timezone": "UTC"},
    "slots": {"headline": {"text": {"en": "For you: {title}, {price} {currency}"}, "max_chars": 120}},
}  # fmt: skip


async def received(served: Served, model: ScriptedModel, script: Any) -> dict[str, Any]:
    """Run the campaign for one user and return what is in their inbox."""
    model.will(script)
    await served.told(
        "PUT", "/v1/items", {"items": [{"id": "mug", "title": "Mug", "price": 9.5, "currency": "GBP"}]}
    )
    await served.told("PUT", "/v1/users/emma", {"locale": "en"})
    text = {"en": {"title": "{{ headline }}", "body": "{{ items[0].title }}"}}
    await served.told("PUT", "/v1/templates/picks", {"locales": text, "category": "alert"})
    campaign = (await served.told("POST", "/v1/campaigns", CAMPAIGN))["id"]
    await served.told("POST", f"/v1/campaigns/{campaign}/run")
    inbox: list[dict[str, Any]] = []

    async def arrived() -> bool:
        nonlocal inbox
        inbox = (await served.told("GET", "/v1/me/inbox", user="emma"))["data"]
        return bool(inbox)

    await until(arrived)
    return inbox[0]


def with_model(model: ScriptedModel) -> dict[str, Any]:
    quick = {"first_token_seconds": 2.0, "stall_seconds": 2.0, "total_seconds": 5.0}
    return {"base_url": model.url, "api_key": "k", "model": "scripted", **quick}


async def test_the_models_words_with_the_items_facts(tmp_path: Path) -> None:
    async with (
        scripted_model() as model,
        serving(tmp_path, writer=with_model(model), recommend={"words_control": 0.0}) as served,
    ):
        item = await received(served, model, GOOD)
        assert item["title"] == "Something for your evenings: Mug, 9.5 GBP"
        receipts = served.chatpush.receipts
        await receipts.record(
            DEFAULT_TENANT, UserId("emma"), [(DeliveryId(item["delivery"]), ReceiptKind.CLICKED)]
        )
        words = (await served.told("GET", "/v1/recommendations/words"))["data"]
        assert [(one["arm"], one["seen"], one["clicked"]) for one in words] == [
            ("template", 0, 0),
            ("written", 1, 1),
        ]
        assert "Mug" not in str(model.requests)  # no item is named to the model


async def test_a_lying_model_changes_nothing(tmp_path: Path) -> None:
    async with scripted_model() as model, serving(tmp_path, writer=with_model(model)) as served:
        item = await received(served, model, LIE)
        assert item["title"] == "For you: Mug, 9.5 GBP"
        assert len(model.requests) == 1


async def test_whom_advertising_does_no_good_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spared(self: Restraint, tenant: str, users: list[UserId]) -> dict[UserId, str]:
        return {UserId("tired"): "no_gain"}

    monkeypatch.setattr(Restraint, "spared", spared)
    async with serving(tmp_path) as served:
        await served.told("PUT", "/v1/items", {"items": [{"id": "mug", "title": "Mug"}]})
        for name in ("tired", "fresh"):
            await served.told("PUT", f"/v1/users/{name}", {"consents": {"marketing": True}})
        text = {"en": {"title": "Picks", "body": "{{ items[0].title }}"}}
        await served.told("PUT", "/v1/templates/picks", {"locales": text, "category": "marketing"})
        spec = {name: value for name, value in CAMPAIGN.items() if name != "slots"} | {
            "category": "marketing"
        }
        campaign = (await served.told("POST", "/v1/campaigns", spec))["id"]
        dry = await served.told("POST", f"/v1/campaigns/{campaign}/dry-run", {})
        assert [(one["user"], bool(one["problem"])) for one in dry["samples"]] == [
            ("fresh", False),
            ("tired", True),
        ]
