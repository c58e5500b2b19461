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
    """Return a plain text message as the service behind an address wants it."""
    content = message.content
    text = "\n".join(filter(None, [content.title, content.body, content.url]))[:LONGEST_TEXT]
    host = urlsplit(address).hostname or ""
    if host.endswith((".feishu.cn", ".larksuite.com")):
        return {"msg_type": "text", "content": {"text": text}}
    if host.endswith((".dingtalk.com", ".qq.com")):
        return {"msgtype": "text", "text": {"content": text}}
    return {"text": text}


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
