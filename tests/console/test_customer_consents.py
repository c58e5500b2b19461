"""An agent sees what the customer agreed to, on all channels and on single ones, in the agent's language."""

import re
from pathlib import Path

from tests.console.test_look_ups import at_the_desk


async def test_consents_stand_beside_the_conversation(tmp_path: Path) -> None:
    async with at_the_desk(tmp_path) as (served, agent, _):
        opened = await served.told("POST", "/v1/me/conversations", {}, user="ada")
        page = f"/console/conversations/{opened['id']}/customer"
        assert "agreed" not in _words(await agent.page(page))
        said = {"consents": {"marketing": True}, "channel_consents": {"alert": {"inbox": False}}}
        await served.told("PUT", "/v1/users/ada", said)
        assert "Alert Inbox: declined" in (english := _words(await agent.page(page)))
        assert "Marketing agreed" in english
        await agent.page("/console?language=zh-CN")
        chinese = _words(await agent.page(page))
        assert [words for words in ("营销 同意", "提醒 站内信: 拒绝") if words not in chinese] == []


def _words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())
