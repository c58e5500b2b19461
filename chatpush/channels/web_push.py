"""Reach browsers that are closed: Web Push, encrypted per RFC 8291, signed per VAPID (RFC 8292).

The address is the subscription as the browser gave it, JSON. The push service
sees neither words nor user. Its 404 and 410 mean that the subscription is
over: it is forgotten.
"""

import base64
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from pywebpush import WebPusher

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
from chatpush.channels.outgoing import Outgoing, checked_url, retry_after_seconds
from chatpush.domain import OutgoingMessage
from chatpush.errors import InvalidInput, NotFound, Unavailable
from chatpush.plugins.contracts import Sent

NAME = "webpush"
LONGEST_TTL = 2_419_200
TOKEN_SECONDS = 12 * 3600
LARGEST_PAYLOAD = 3900
"""A push of 4096 bytes, without what encryption adds (RFC 8291)."""
GONE = (404, 410)
BUSY = (408, 425, 429)


class WebPush:
    """The channel of Web Push subscriptions."""

    name = NAME
    concurrency = 64
    carries_silent = True
    limits = PUSH_LIMITS

    def __init__(self, key_file: Path, contact: str, outgoing: Outgoing) -> None:
        self._vapid = _vapid(key_file)
        self._contact = contact
        self._outgoing = outgoing
        self._tokens: dict[str, tuple[float, dict[str, str]]] = {}

    @property
    def public_key(self) -> str:
        """What browsers need to subscribe (``applicationServerKey``)."""
        point = self._vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Hand one message to the push service of a subscription.

        Raises:
            NotFound: the subscription is over.
            InvalidInput: the service refused it.
            Unavailable: the service can't be reached now.
        """
        subscription = checked_subscription(address, allow_private=self._outgoing.allow_private)
        body: bytes = WebPusher(subscription).encode(payload(message))["body"]
        endpoint = subscription["endpoint"]
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(min(message.ttl_seconds if message.ttl_seconds is not None else LONGEST_TTL, LONGEST_TTL)),
            "Urgency": urgency(message),
            **self._authorization(endpoint),
        }  # fmt: skip
        if message.collapse_key:
            headers["Topic"] = hidden_key(message.collapse_key)
        try:
            status, answered, said = await self._outgoing.post(endpoint, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the push service can't be reached: {type(error).__name__}") from error
        if status in GONE:
            raise NotFound(f"the push service answered {status}: the subscription is over")
        if status in BUSY or status >= 500:
            raise Unavailable(
                f"the push service answered {status}", retry_after_seconds=retry_after_seconds(answered)
            )
        if status >= 300:
            raise InvalidInput(f"the push service answered {status}: {said[:200].decode(errors='replace')}")
        return Sent(answered.get("location", ""))

    def _authorization(self, endpoint: str) -> dict[str, str]:
        """Return the signed headers for a push service; a token is used for half its life."""
        parts = urlsplit(endpoint)
        audience = f"{parts.scheme}://{parts.netloc}"
        now = time.time()
        known = self._tokens.get(audience)
        if known is not None and known[0] > now:
            return known[1]
        claims = {"aud": audience, "sub": self._contact, "exp": int(now + TOKEN_SECONDS)}
        headers: dict[str, str] = self._vapid.sign(claims)
        if len(self._tokens) > 1000:
            self._tokens.clear()
        self._tokens[audience] = (now + TOKEN_SECONDS / 2, headers)
        return headers


def checked_subscription(address: str, *, allow_private: bool = False) -> dict[str, Any]:
    """Return a browser's subscription.

    Raises:
        InvalidInput: it is none.
        Forbidden: it leads into a private network.
    """
    try:
        given = json.loads(address)
        keys = given["keys"]
        endpoint, p256dh, auth = given["endpoint"], keys["p256dh"], keys["auth"]
        point, secret = _decoded(p256dh), _decoded(auth)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            "not a push subscription: {endpoint, keys: {p256dh, auth}}", param="endpoint"
        ) from error
    if len(point) != 65 or point[0] != 4 or len(secret) != 16:
        raise InvalidInput("the subscription's keys have the wrong length", param="keys")
    checked_url(endpoint, allow_private=allow_private, param="endpoint")
    return {"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}}


def payload(message: OutgoingMessage) -> bytes:
    """Return what the service worker gets; short enough for every push service (4096 bytes)."""
    return fitted(lambda body, extras: _payload(message, body, extras), message, LARGEST_PAYLOAD)


def _payload(message: OutgoingMessage, body: str, extras: bool) -> bytes:
    content = message.content
    words: dict[str, Any] = {
        "delivery": message.delivery,
        "message": message.message,
        "title": cut(content.title, LONGEST_TITLE),
        "body": body,
        "url": short(content.url),
        "image": short(content.image),
        "tag": message.collapse_key or message.delivery,
        "category": message.category.value,
        "actions": actions(message),
        "silent": message.silent,
        "badge": message.badge,
        "display_seconds": message.display_seconds,
    }
    if extras:
        words["data"] = content.data
    return json.dumps(words, ensure_ascii=False).encode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _vapid(path: Path) -> Vapid02:
    """Return this installation's key pair, made at first use."""
    if not path.exists():
        fresh = Vapid02()
        fresh.generate_keys()
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(fresh.private_pem())
    return Vapid02.from_pem(path.read_bytes())


def subscription_text(subscription: Mapping[str, Any]) -> str:
    """Return a subscription as the one text it is stored as."""
    return json.dumps(subscription, sort_keys=True, separators=(",", ":"))
