"""The form before a conversation: told to the widget, checked, sealed, seen by agents, gone with the user."""

from pathlib import Path
from typing import Any

from chatpush.domain import DEFAULT_TENANT, ConversationId
from tests.serving import serving

FORM: list[dict[str, Any]] = [
    {"name": "email", "type": "email", "labels": {"en": "Email", "zh-CN": "邮箱"}, "required": True},
    {"name": "topic", "type": "select", "labels": {"en": "Topic"}, "options": ["order", "other"]},
    {"name": "words", "type": "textarea", "labels": {"en": "More"}},
]


async def test_answers_are_checked_kept_and_mailed_to(tmp_path: Path) -> None:
    async with serving(tmp_path, widget={"prechat": FORM}) as served:
        config = await (await served.http.get(served.url + "/v1/widget/config")).json()
        assert config["prechat"]["whom"] == "visitors"
        assert [field["name"] for field in config["prechat"]["fields"]] == ["email", "topic", "words"]
        wrong: list[dict[str, str]] = [
            {}, {"email": "nobody"}, {"email": "a@b.example", "topic": "nonsense"},
            {"email": "a@b.example", "unknown": "x"}, {"email": "a@b.example", "words": "x" * 2001},
        ]  # fmt: skip
        for answers in wrong:
            refused = await served.ask("POST", "/v1/me/conversations", {"prechat": answers}, user="emma")
            assert refused.status == 422, answers
            assert "prechat" in (await refused.json())["param"] or "email" in answers
        assert (await served.told("GET", "/v1/me/conversations", user="emma"))["data"] == []
        answers = {"email": " emma@example.com ", "topic": "order", "words": ""}
        made = await served.told("POST", "/v1/me/conversations", {"prechat": answers}, user="emma")
        conversation = await served.chatpush.conversations.get(DEFAULT_TENANT, ConversationId(made["id"]))
        assert conversation.prechat == {"email": "emma@example.com", "topic": "order"}
        seen = await served.told("GET", f"/v1/conversations/{made['id']}")
        assert (seen["prechat"], seen["contact"]) == (conversation.prechat, "emma@example.com")
        bare = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        assert bare["id"] != made["id"]


async def test_without_a_form_nothing_is_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        config = await (await served.http.get(served.url + "/v1/widget/config")).json()
        assert config["prechat"] is None
        refused = await served.ask("POST", "/v1/me/conversations", {"prechat": {"a": "b"}}, user="emma")
        assert refused.status == 422
