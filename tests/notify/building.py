"""Build the whole room over a real database, with a publisher that remembers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chatpush.account.metering import Meter
from chatpush.clock import Clock, SystemClock
from chatpush.domain import DEFAULT_TENANT, Json, TenantId, UserId
from chatpush.errors import Unavailable
from chatpush.notify.audience.audience import Audience
from chatpush.notify.audience.dynamic_audiences import DynamicAudiences
from chatpush.notify.audience.segments import Segments
from chatpush.notify.audience.topics import Topics
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.experiments import Experiments
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.messages.accepted import AcceptedMessages
from chatpush.notify.messages.broadcasts import Broadcasts
from chatpush.notify.messages.fanout import FanOut
from chatpush.notify.messages.happenings import Happenings
from chatpush.notify.messages.messages import Messages
from chatpush.notify.messages.recall import Recalls
from chatpush.notify.reading.disclosing import Disclosing
from chatpush.notify.reading.explaining import Explaining
from chatpush.notify.reading.inbox import Inbox
from chatpush.notify.reading.receipts import Receipts
from chatpush.notify.reading.shelving import Shelving
from chatpush.notify.reading.trace import Trace
from chatpush.notify.sending.away import Away
from chatpush.notify.sending.dead_letters import DeadLetters
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.notify.sending.outbox import Outbox
from chatpush.notify.sending.sending import build_outbox
from chatpush.notify.templates.message_formats import MessageFormats
from chatpush.notify.templates.renderers import Renderers
from chatpush.notify.templates.templates import Templates
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault


@dataclass(slots=True)
class Published:
    """One publication."""

    channel: str
    data: Any
    key: str


@dataclass(slots=True)
class RecordingPublisher:
    """Remembers what was published; ``down`` makes it refuse."""

    all: list[Published] = field(default_factory=list)
    down: bool = False

    async def publish(
        self, tenant: TenantId, channel: str, data: Json, *, idempotency_key: str = "",
        tags: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("the log is down")
        if idempotency_key and any(one.key == idempotency_key for one in self.all):
            return
        self.all.append(Published(channel, data, idempotency_key))

    def to(self, user: str) -> list[Any]:
        """Return what a user's pages got."""
        return [one.data for one in self.all if one.channel == f"user:{user}"]


@dataclass(slots=True)
class Room:
    """All of notify."""

    database: Database
    vault: Vault
    publisher: Any
    users: Users
    topics: Topics
    segments: Segments
    audience: Audience
    endpoints: Endpoints
    templates: Templates
    renderers: Renderers
    fanout: FanOut
    broadcasts: Broadcasts
    recalls: Recalls
    dead_letters: DeadLetters
    messages: Messages
    outbox: Outbox
    inbox: Inbox
    receipts: Receipts
    shelving: Shelving
    trace: Trace
    away: Away
    online: set[str]
    happenings: Happenings

    async def settle(self) -> None:
        """Do all work that is due now."""
        while await self.fanout.turn() == 0:
            pass
        while await self.broadcasts.turn() == 0:
            pass
        while await self.outbox.turn() == 0:
            await self.away.idle()
        while await self.recalls.turn() == 0:
            pass
        while await self.shelving.turn() == 0:
            pass

    def services(self) -> dict[type, object]:
        """Return what API handlers look up."""
        named = (
            self.users, self.topics, self.segments, self.audience, self.endpoints, self.templates, self.messages,
            self.inbox, self.receipts, self.trace, self.broadcasts,
            self.recalls, self.dead_letters, self.shelving, self.away,
            Disclosing(
                self.database, self.vault, self.users, self.topics, self.endpoints, SystemClock()
            ),
            Explaining(self.database, self.vault, self.users, self.trace), Experiments(self.database),
        )  # fmt: skip
        return {type(service): service for service in named}


def build_room(
    database: Database, vault: Vault, clock: Clock, *, plugins: Plugins | None = None, publisher: Any = None,
    rules: Rules | None = None, page_size: int = 500, ring: Callable[[], None] | None = None,
    inbox_size: int = 200, read_from_users: int = 1000,
) -> Room:  # fmt: skip
    """Return the room, wired as the app wires it."""
    plugins = plugins or Plugins()
    publisher = publisher or RecordingPublisher()
    online: set[str] = set()
    happenings = Happenings(clock)
    users, topics = Users(database, vault, clock, happenings), Topics(database, clock)
    segments = Segments(database, users, clock)
    audience = Audience(database, topics, segments, DynamicAudiences(plugins.audiences()))
    endpoints = Endpoints(database, vault, clock)
    renderers = Renderers(seconds=1.0)
    templates = Templates(database, renderers, clock, formats=MessageFormats(plugins.formats()))
    accepted = AcceptedMessages(vault)
    away = Away(plugins.channels())
    outbox = build_outbox(
        database, vault, publisher, lambda tenant, user: UserId(user) in online, endpoints, away, users, accepted,
        templates, plugins, Meter(database, clock), clock, rules or Rules(), happenings=happenings, worker="test",
        inbox_size=inbox_size,
    )  # fmt: skip
    fanout = FanOut(
        database,
        vault,
        audience,
        accepted,
        clock,
        ring or outbox.ring,
        page_size=page_size,
        handing=outbox.handing,
        happenings=happenings,
    )
    broadcasts = Broadcasts(
        database, accepted, fanout, clock, outbox.deliver,
        lambda: [(DEFAULT_TENANT, UserId(name)) for name in online], from_users=read_from_users,
    )  # fmt: skip
    messages = Messages(
        database, vault, audience, templates, fanout, clock, ring or outbox.ring, known_channels=away.names,
        silent_channels=away.silent_names, happenings=happenings,
        broadcasts=broadcasts, handing=outbox.handing,
    )  # fmt: skip
    recalls = Recalls(database, publisher, clock, messages.cancel_one, happenings)
    dead_letters = DeadLetters(database, clock, outbox.ring, happenings)
    inbox = Inbox(database, vault, clock, publisher)
    receipts = Receipts(database, inbox, plugins, clock, happenings)
    shelving = Shelving(database, inbox, receipts, publisher, clock)
    return Room(
        database, vault, publisher, users, topics, segments, audience, endpoints, templates, renderers, fanout,
        broadcasts, recalls, dead_letters, messages, outbox, inbox, receipts, shelving, Trace(database), away, online,
        happenings,
    )  # fmt: skip
