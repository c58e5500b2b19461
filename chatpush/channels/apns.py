"""Reach iPhones by Apple's push service, with provider tokens.

Apple speaks HTTP/2 only, which aiohttp does not; so this room, and no other,
uses httpx2 (the openai package brings it) with h2 from the ``apns`` extra. One
connection carries many pushes at once. The address is a device token.

A token that Apple says is dead is forgotten. 400 BadDeviceToken may also mean
that the endpoint is the wrong one (sandbox or production), so it only counts
once this endpoint has taken a push.
"""

import json
import re
import ssl
import uuid
from datetime import timedelta
from typing import Any

import httpx2

from chatpush.channels.fitting import (
    LONGEST_TITLE,
    PUSH_LIMITS,
    actions,
    cut,
    fitted,
    hidden_key,
    short,
    urgency,
)
from chatpush.channels.outgoing import retry_after_seconds
from chatpush.channels.provider_tokens import AppleKey
from chatpush.clock import Clock
from chatpush.domain import OutgoingMessage
from chatpush.errors import InvalidInput, InvalidSettings, NotFound, Unavailable
from chatpush.plugins.contracts import Sent

NAME = "apns"
SECONDS = 15.0
TOKEN = re.compile(r"[0-9a-fA-F]{64,200}")
LONGEST_TTL = timedelta(days=28)
CONNECTIONS = 4
BODY_BYTES = 4096
DEAD = {"Unregistered", "ExpiredToken"}
NAMESPACE = uuid.UUID("6f0c9a4e-6e1d-4f0c-9d53-8d0f7a3a4c11")


class Apns:
    """The channel of device tokens."""

    name = NAME
    concurrency = 64
    per_second = 500.0
    one_provider = True
    carries_silent = True
    limits = PUSH_LIMITS

    def __init__(
        self,
        key: AppleKey,
        topic: str,
        endpoint: str,
        clock: Clock,
        *,
        trust: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Open nothing yet.

        Raises:
            InvalidSettings: the ``apns`` extra is not installed.
        """
        self._key = key
        self._topic = topic
        self._endpoint = endpoint.rstrip("/")
        self._clock = clock
        self._proven = False
        try:
            self._client = httpx2.AsyncClient(
                http1=False, http2=True, verify=trust or ssl.create_default_context(), trust_env=False,
                timeout=seconds, follow_redirects=False,
                limits=httpx2.Limits(max_connections=CONNECTIONS, keepalive_expiry=600),
            )  # fmt: skip
        except ImportError as error:
            raise InvalidSettings(
                'channels.apns.key_file: `pip install "chatpush[apns]"` brings HTTP/2'
            ) from error

    async def check(self, address: str) -> None:
        """Look at an address before it is kept.

        Raises:
            InvalidInput: it can't be a device token.
        """
        if not TOKEN.fullmatch(address):
            raise InvalidInput("a device token has 64 to 200 hexadecimal digits", param="address")

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Hand one message to Apple; a provider token that lapsed is renewed once.

        Raises:
            NotFound: the app was removed from the device.
            InvalidInput: Apple refused the message.
            Unavailable: Apple can't be reached now, or wants us to come back.
        """
        await self.check(address)
        token = self._key.token()
        answer = await self._post(message, address, token)
        reason = _reason(answer)
        if answer.status_code == 403 and reason == "ExpiredProviderToken" and self._key.renew(token):
            answer = await self._post(message, address, self._key.token())
            reason = _reason(answer)
        if answer.status_code == 200:
            self._proven = True
            return Sent(answer.headers.get("apns-id", ""))
        said = f"Apple answered {answer.status_code} {reason}".rstrip()
        if answer.status_code == 410 or reason in DEAD or (reason == "BadDeviceToken" and self._proven):
            raise NotFound(f"{said}: the app is not there any more")
        if answer.status_code in (403, 408, 429) or answer.status_code >= 500:
            wait = retry_after_seconds({"retry-after": answer.headers.get("retry-after", "")})
            raise Unavailable(said, retry_after_seconds=wait)
        hint = "; is channels.apns.endpoint the right one?" if reason == "BadDeviceToken" else ""
        raise InvalidInput(f"{said}{hint}")

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def _post(self, message: OutgoingMessage, address: str, token: str) -> httpx2.Response:
        url = f"{self._endpoint}/3/device/{address}"
        headers = {"authorization": f"bearer {token}", **self._headers(message)}
        try:
            return await self._client.post(url, content=payload(message), headers=headers)
        except (httpx2.HTTPError, OSError, ssl.SSLError) as error:
            raise Unavailable(f"Apple can't be reached: {type(error).__name__}") from error

    def _headers(self, message: OutgoingMessage) -> dict[str, str]:
        """Return how Apple is to handle a message; the id is the delivery's, so a repetition shows."""
        until = "0"
        if message.ttl_seconds != 0:
            wanted = LONGEST_TTL if message.ttl_seconds is None else timedelta(seconds=message.ttl_seconds)
            until = str(int((self._clock.now() + min(wanted, LONGEST_TTL)).timestamp()))
        headers = {
            "apns-topic": self._topic,
            "apns-id": str(uuid.uuid5(NAMESPACE, message.delivery)),
            "apns-push-type": "background" if message.silent else "alert",
            "apns-priority": "5" if message.silent or urgency(message) == "low" else "10",
            "apns-expiration": until,
            "content-type": "application/json",
        }
        if message.collapse_key:
            headers["apns-collapse-id"] = hidden_key(message.collapse_key)
        return headers


def payload(message: OutgoingMessage) -> bytes:
    """Return what the device gets, at most ``BODY_BYTES``."""
    return fitted(lambda body, extras: _payload(message, body, extras), message, BODY_BYTES)


def _payload(message: OutgoingMessage, body: str, extras: bool) -> bytes:
    content = message.content
    aps: dict[str, Any] = {"content-available": 1}
    if not message.silent:
        aps = {
            "alert": {"title": cut(content.title, LONGEST_TITLE), "body": body},
            "sound": "default",
            "thread-id": hidden_key(message.collapse_key) if message.collapse_key else message.category.value,
        }
        if urgency(message) == "low":
            aps["interruption-level"] = "passive"
        if short(content.image):
            aps["mutable-content"] = 1
    if message.badge is not None:
        aps["badge"] = message.badge
    own: dict[str, Any] = {
        "delivery": message.delivery, "message": message.message, "category": message.category.value,
        "url": short(content.url), "image": short(content.image), "silent": message.silent,
        "display_seconds": message.display_seconds, "actions": actions(message),
    }  # fmt: skip
    if extras:
        own["data"] = content.data
    return json.dumps({"aps": aps, "chatpush": own}, ensure_ascii=False, separators=(",", ":")).encode()


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["reason"])[:100]
    except (ValueError, KeyError, TypeError):
        return ""
