"""Reach people who are away through a chat group's webhook: Feishu, DingTalk, WeCom, Slack.

A user's endpoint on channel ``chat_webhook`` is the webhook's address. Only
addresses below the origins listed here are called, so that an address in a
user's record can't make the server call something else.

    [plugins.settings.chat_webhook]
    origins = ["https://open.feishu.cn", "https://chat.example.com"]
"""

import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, field_validator

from chatpush.domain import OutgoingMessage
from chatpush.errors import Forbidden, InvalidInput, Unavailable
from chatpush.plugins.contracts import Channel, Sent
from chatpush.plugins.hooks import hook

SECONDS = 10
LONGEST_TEXT = 4000
LARGEST_ANSWER = 65_536
BUSY = (408, 425, 429)
OPEN = {"en": "Open", "zh": "查看"}


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.chat_webhook]``."""

    model_config = ConfigDict(extra="forbid")

    origins: list[str] = Field(
        [
            "https://open.feishu.cn", "https://open.larksuite.com", "https://oapi.dingtalk.com",
            "https://qyapi.weixin.qq.com", "https://hooks.slack.com",
        ],
        description="Where webhooks may live: scheme://host[:port], exactly.",
    )  # fmt: skip

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or origin != _origin(origin):
                raise ValueError(f"{origin!r} is not scheme://host[:port]")
        return origins


class ChatWebhook:
    """The channel that deliveries take."""

    name = "chat_webhook"

    def __init__(self, origins: list[str]) -> None:
        self._origins = frozenset(origins)

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Say title, body and link in the group.

        Raises:
            Forbidden: the address is none of the allowed origins'.
            InvalidInput: the group refused the message for good.
            Unavailable: the group can't be reached now.
        """
        if _origin(address) not in self._origins:
            raise Forbidden(f"no webhooks are called at {_origin(address) or 'this address'}")
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
                session.post(address, json=payload(message, address), allow_redirects=False) as answer,
            ):
                said = await answer.content.read(LARGEST_ANSWER)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the chat can't be reached: {type(error).__name__}") from error
        if status in BUSY or status >= 500:
            raise Unavailable(f"the chat answered {status}")
        if status >= 300 or (problem := _refusal(said)):
            raise InvalidInput(f"the chat refused the message: {problem if status < 300 else status}")
        return Sent()


def payload(message: OutgoingMessage, address: str) -> dict[str, Any]:
    """Return a message as the service behind an address wants it: a card if it leads somewhere, else text."""
    content = message.content
    buttons = _buttons(message)
    text = "\n".join(filter(None, [content.title, content.body, content.url]))[:LONGEST_TEXT]
    host = urlsplit(address).hostname or ""
    card = next((make for end, make in CARDS.items() if host.endswith(end)), None)
    if buttons and card is not None:
        return card(message, buttons)
    if host.endswith((".feishu.cn", ".larksuite.com")):
        return {"msg_type": "text", "content": {"text": text}}
    if host.endswith((".dingtalk.com", ".qq.com")):
        return {"msgtype": "text", "text": {"content": text}}
    return {"text": text}


def feishu_card(message: OutgoingMessage, buttons: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a Feishu or Lark card. Words are plain text there, so nothing in them can be markup."""
    content = message.content
    elements: list[dict[str, Any]] = []
    if content.body:
        elements.append({"tag": "div", "text": _plain(content.body[:LONGEST_TEXT])})
    actions = [
        {"tag": "button", "text": _plain(label), "url": url, "type": "default"} for label, url in buttons
    ]
    elements.append({"tag": "action", "actions": actions})
    colour = "red" if message.priority == "high" else "blue"
    header = {"title": _plain(content.title[:200]), "template": colour}
    card = {"config": {"wide_screen_mode": True}, "header": header, "elements": elements}
    return {"msg_type": "interactive", "card": card}


def dingtalk_card(message: OutgoingMessage, buttons: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a DingTalk action card; its text is Markdown, so ours is escaped."""
    content = message.content
    parts = [f"### {_escaped(content.title)}"]
    if _is_link(content.image):
        parts.append(f"![]({content.image})")
    parts.append(_escaped(content.body[:LONGEST_TEXT]).replace("\n", "\n\n"))
    made = [{"title": label, "actionURL": url} for label, url in buttons]
    card = {
        "title": content.title[:200],
        "text": "\n\n".join(filter(None, parts)),
        "btnOrientation": "0",
        "btns": made,
    }
    return {"msgtype": "actionCard", "actionCard": card}


def wecom_card(message: OutgoingMessage, buttons: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a WeCom template card, with a picture if the message has one."""
    content = message.content
    card: dict[str, Any] = {
        "card_type": "text_notice",
        "main_title": {"title": content.title[:100]},
        "sub_title_text": content.body[:500],
        "jump_list": [{"type": 1, "title": label[:20], "url": url} for label, url in buttons[:3]],
        "card_action": {"type": 1, "url": buttons[0][1]},
    }
    if _is_link(content.image):
        del card["sub_title_text"]
        card |= {"card_type": "news_notice", "card_image": {"url": content.image}}
        card["main_title"]["desc"] = content.body[:200]
    return {"msgtype": "template_card", "template_card": card}


CARDS = {
    ".feishu.cn": feishu_card,
    ".larksuite.com": feishu_card,
    ".dingtalk.com": dingtalk_card,
    ".qq.com": wecom_card,
}


def _buttons(message: OutgoingMessage) -> list[tuple[str, str]]:
    """Return (label, address) of everything a message leads to."""
    content = message.content
    found = [(str(one.get("label", "")), str(one.get("url", ""))) for one in content.actions]
    if content.url and content.url not in [url for _, url in found]:
        found.insert(0, (OPEN.get(message.user.locale.partition("-")[0], OPEN["en"]), content.url))
    return [(label, url) for label, url in found if label and _is_link(url)][:5]


def _is_link(url: str | None) -> bool:
    return (
        bool(url) and urlsplit(url or "").scheme in ("http", "https") and not set(url or "") & set(" ()<>\n")
    )


def _plain(text: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": text}


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+!|<>~" else sign for sign in text)


def _refusal(said: bytes) -> str:
    """Return why a service refused although it answered 200, as Feishu and DingTalk do."""
    try:
        answer = json.loads(said)
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    code = answer.get("errcode", answer.get("code", 0))
    return f"{code} {answer.get('errmsg', answer.get('msg', ''))}".strip() if code else ""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()


@hook
def register_channels(settings: dict[str, Any]) -> list[Channel]:
    """Return the channel."""
    return [ChatWebhook(settings["origins"])]
