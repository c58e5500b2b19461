"""Reach phones by Firebase Cloud Messaging, HTTP v1.

The address is a registration token. What its provider does not know any more
(UNREGISTERED, or a token that is none) is forgotten; a wrong project is a
mistake of ours and forgets nobody. A silent message is data only.
"""

import json
from datetime import timedelta
from typing import Any

import aiohttp

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
from chatpush.channels.outgoing import Outgoing, retry_after_seconds
from chatpush.channels.provider_tokens import ServiceAccount
from chatpush.clock import Clock
from chatpush.domain import OutgoingMessage
from chatpush.errors import InvalidInput, NotFound, Unavailable
from chatpush.plugins.contracts import Sent

NAME = "fcm"
LONGEST_TTL = 2_419_200
LONGEST_TOKEN = 4096
BODY_BYTES = 4096
PRIORITIES = {"high": "HIGH", "normal": "HIGH", "low": "NORMAL"}


class Fcm:
    """The channel of registration tokens."""

    name = NAME
    concurrency = 64
    per_second = 500.0
    one_provider = True
    carries_silent = True
    limits = PUSH_LIMITS

    def __init__(self, account: ServiceAccount, endpoint: str, outgoing: Outgoing, clock: Clock) -> None:
        self._account = account
        self._url = f"{endpoint.rstrip('/')}/v1/projects/{account.project}/messages:send"
        self._outgoing = outgoing
        self._clock = clock

    async def check(self, address: str) -> None:
        """Look at an address before it is kept.

        Raises:
            InvalidInput: it can't be a registration token.
        """
        if not address or len(address) > LONGEST_TOKEN or not address.isascii() or not address.isprintable():
            raise InvalidInput("not a registration token", param="address")

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Hand one message to FCM; a token of ours that lapsed is renewed once.

        Raises:
            NotFound: the app was removed from the device.
            InvalidInput: FCM refused the message.
            Unavailable: FCM can't be reached now, or wants us to come back.
        """
        await self.check(address)
        body = fitted(
            lambda text, extras: self._body(message, address, text, extras),
            message,
            BODY_BYTES + len(address),
        )
        token = await self._account.token()
        status, answered, said = await self._post(body, token)
        if status == 401:
            self._account.forget(token)
            status, answered, said = await self._post(body, await self._account.token())
        if status == 200:
            return Sent(_name(said))
        code, words = _problem(said)
        if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and _is_about_token(said)):
            raise NotFound(f"FCM answered {status} {code}: the app is not there any more")
        if status in (401, 408, 429) or status >= 500:
            wait = retry_after_seconds(answered)
            raise Unavailable(f"FCM answered {status} {code}".rstrip(), retry_after_seconds=wait)
        raise InvalidInput(f"FCM answered {status} {code}: {words}")

    async def _post(self, body: bytes, token: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"}
        try:
            return await self._outgoing.post(self._url, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"FCM can't be reached: {type(error).__name__}") from error

    def _body(self, message: OutgoingMessage, address: str, text: str, extras: bool) -> bytes:
        content = message.content
        ttl = min(message.ttl_seconds if message.ttl_seconds is not None else LONGEST_TTL, LONGEST_TTL)
        android: dict[str, Any] = {"ttl": f"{ttl}s", "priority": PRIORITIES[urgency(message)]}
        apple: dict[str, Any] = {
            "apns-expiration": str(int((self._clock.now() + timedelta(seconds=ttl)).timestamp())),
            "apns-priority": "5" if message.silent or urgency(message) == "low" else "10",
            "apns-push-type": "background" if message.silent else "alert",
        }
        if message.collapse_key:
            android["collapse_key"] = apple["apns-collapse-id"] = hidden_key(message.collapse_key)
        aps: dict[str, Any] = {"content-available": 1} if message.silent else {"sound": "default"}
        shown: dict[str, Any] = {}
        if not message.silent:
            shown["notification"] = {"title": cut(content.title, LONGEST_TITLE), "body": text}
            if image := short(content.image):
                shown["notification"]["image"] = image
            android["notification"] = {"tag": android.get("collapse_key", message.delivery)}
        if message.badge is not None:
            aps["badge"] = message.badge
            if not message.silent:
                android["notification"]["notification_count"] = message.badge
        sent = {
            "token": address,
            **shown,
            "data": _data(message, extras),
            "android": android,
            "apns": {"headers": apple, "payload": {"aps": aps}},
        }
        return json.dumps({"message": sent}, ensure_ascii=False).encode()


def _data(message: OutgoingMessage, extras: bool) -> dict[str, str]:
    """Return what the app reads itself; FCM takes texts only."""
    data = message.content.data
    given: dict[str, Any] = {
        "delivery": message.delivery,
        "message": message.message,
        "category": message.category.value,
        "url": short(message.content.url),
        "silent": "true" if message.silent else None,
        "display_seconds": message.display_seconds,
        "actions": json.dumps(actions(message), ensure_ascii=False) if message.content.actions else None,
        "data": json.dumps(data, ensure_ascii=False) if data and extras else None,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _problem(said: bytes) -> tuple[str, str]:
    """Return (FCM's own code or the status, words) of an answer."""
    error = _error(said)
    codes = [one.get("errorCode") for one in _details(error) if one.get("errorCode")]
    return str(codes[0] if codes else error.get("status", "")), str(error.get("message", ""))[:200]


def _is_about_token(said: bytes) -> bool:
    """Whether an INVALID_ARGUMENT speaks of the token and not of the rest of the message."""
    error = _error(said)
    fields = [
        one.get("field")
        for detail in _details(error)
        for one in detail.get("fieldViolations", [])
        if isinstance(one, dict)
    ]
    return "message.token" in fields or "not a valid FCM registration token" in str(error.get("message", ""))


def _error(said: bytes) -> dict[str, Any]:
    try:
        found = json.loads(said)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details", [])
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _name(said: bytes) -> str:
    try:
        return str(json.loads(said)["name"])
    except (ValueError, KeyError, TypeError):
        return ""
