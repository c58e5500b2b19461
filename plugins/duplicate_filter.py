"""Say nothing twice, and let nobody flood a channel.

A message whose title and body a reader got within the last hour is dropped; so
is one too many of a burst. Receipts of orders and the like are left alone. In
channels, a client that repeats itself or writes too fast is not heard until it
calms down. Only digests are remembered, in memory, for as long as they matter;
a restart forgets them.

    [plugins.settings.duplicate_filter]
    minutes = 60
    burst = 5
    burst_minutes = 10

>>> promotion = message(body="Everything must go")
>>> run(plugins.filter_message(promotion)) is promotion
True
>>> run(plugins.filter_message(message(delivery=DeliveryId("dlv_2"), body="Everything  must go")))
Drop(reason='said the same less than 60 minutes ago')
"""

import hashlib
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatpush.clock import Clock, SystemClock
from chatpush.domain import DeliveryId, OutgoingMessage
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook

inline = True
clock: Clock = SystemClock()
REMEMBERED = 200_000
KEY = secrets.token_bytes(16)
Digest = bytes


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.duplicate_filter]``."""

    model_config = ConfigDict(extra="forbid")

    categories: list[str] = Field(["marketing", "alert"], description="Messages that are looked at.")
    minutes: float = Field(60, gt=0, le=1440, description="How long the same words are not said again.")
    burst: int = Field(5, ge=1, le=100, description="Messages to one reader within burst_minutes.")
    burst_minutes: float = Field(10, gt=0, le=1440, description="The time of a burst.")
    publications: int = Field(10, ge=1, le=1000, description="A client's publications in 10 seconds.")
    repeat_seconds: float = Field(5, ge=0, le=600, description="How long a client can't repeat itself.")


@dataclass
class Memory:
    """Digests with when they were seen, and moments by whom; the oldest forgotten first."""

    seen: OrderedDict[Digest, tuple[float, DeliveryId | None]] = field(default_factory=OrderedDict)
    moments: OrderedDict[Digest, deque[float]] = field(default_factory=OrderedDict)

    def knows(self, what: Digest, delivery: DeliveryId) -> bool:
        """Return whether this very delivery comes by again, after waiting or on another way."""
        return what in self.seen and self.seen[what][1] == delivery

    def repeated(self, what: Digest, now: float, seconds: float, delivery: DeliveryId | None = None) -> bool:
        """Return whether it was seen within this time."""
        at, _ = self.seen.get(what, (float("-inf"), None))
        if now - at < seconds:
            return True
        self.seen[what] = now, delivery
        _bound(self.seen, what)
        return False

    def too_many(self, who: Digest, now: float, most: int, seconds: float) -> bool:
        """Count a moment of somebody; return whether it is one too many within this time."""
        moments = self.moments.setdefault(who, deque())
        _bound(self.moments, who)
        while moments and now - moments[0] >= seconds:
            moments.popleft()
        if len(moments) >= most:
            return True
        moments.append(now)
        return False


memory = Memory()


@hook
def filter_message(message: OutgoingMessage, settings: dict[str, Any]) -> Drop | None:
    """Drop what was said already, and what is one too many."""
    if message.category not in settings["categories"]:
        return None
    now, who = clock.monotonic(), (message.tenant, message.user.id)
    words = " ".join(f"{message.content.title} {message.content.body}".lower().split())
    what = _digest(*who, words)
    if memory.knows(what, message.delivery):
        return None
    if memory.repeated(what, now, settings["minutes"] * 60, message.delivery):
        return Drop(f"said the same less than {settings['minutes']:g} minutes ago")
    if memory.too_many(_digest(*who), now, settings["burst"], settings["burst_minutes"] * 60):
        return Drop(f"more than {settings['burst']} messages within {settings['burst_minutes']:g} minutes")
    return None


@hook
def filter_publication(channel: str, data: bytes, user: str, settings: dict[str, Any]) -> Drop | None:
    """Drop what a client says again at once, and what it says too fast."""
    now = clock.monotonic()
    if memory.too_many(_digest("client", user), now, settings["publications"], 10):
        return Drop(f"more than {settings['publications']} publications within 10 seconds")
    if memory.repeated(_digest("client", user, channel, data.hex()), now, settings["repeat_seconds"]):
        return Drop(f"said the same less than {settings['repeat_seconds']:g} seconds ago")
    return None


def _digest(*parts: str) -> Digest:
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=12, key=KEY).digest()


def _bound(kept: OrderedDict[Digest, Any], newest: Digest) -> None:
    kept.move_to_end(newest)
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)
