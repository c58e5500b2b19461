"""Answered questions over HTTP: listed, approved, rejected."""

from chatpush.domain import DEFAULT_TENANT
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.candidates import Candidates
from chatpush.web.api import candidates as api
from tests.clocks import StillClock
from tests.support.house import build
from tests.web.harness import KEY, serve


async def test_list_approve_and_reject(database: Database, vault: Vault, still_clock: StillClock) -> None:
    house = await build(database, vault, still_clock)
    service = Candidates(database, vault, still_clock, house.conversations, house.knowledge, house.retrieval)
    conversation = await house.conversation()
    await house.desk.hand_over(conversation)
    for question in ("is the oak table solid wood", "is the lamp made of brass"):
        await house.say(question)
        await house.desk.reply(DEFAULT_TENANT, conversation.id, "per_1", "Ben", "Yes, it is.")
    async with serve([api.routes], {Candidates: service}, KEY, Settings()) as client:
        async with client.get("/v1/knowledge-candidates") as answer:
            page = await answer.json()
        oak, brass = page["data"]
        assert (oak["question"], oak["state"], page["has_more"]) == (
            "is the oak table solid wood",
            "proposed",
            False,
        )
        path = f"/v1/knowledge-candidates/{oak['id']}"
        async with client.post(f"{path}/approve", json={"article": "warranty"}) as answer:
            assert (await answer.json())["state"] == "approved"
        async with client.post(f"{path}/reject") as answer:
            assert answer.status == 409
        async with client.post(f"/v1/knowledge-candidates/{brass['id']}/reject") as answer:
            assert (await answer.json())["state"] == "rejected"
        async with client.post("/v1/knowledge-candidates/cnd_none/approve", json={}) as answer:
            assert answer.status == 404
        async with client.get("/v1/knowledge-candidates", params={"state": "approved"}) as answer:
            assert [one["id"] for one in (await answer.json())["data"]] == [oak["id"]]
    assert (await house.knowledge.draft(DEFAULT_TENANT, "warranty")).questions == (
        "is the oak table solid wood",
    )
    await house.close()
