"""The console in front of real services: one small shop with customers, a chat, messages and campaigns."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from aiohttp import ClientResponse, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from chatpush import bridges
from chatpush.account.attempts import Attempts
from chatpush.account.audit import Audit
from chatpush.account.billing import Billing
from chatpush.account.keys import Keys
from chatpush.account.metering import Meter
from chatpush.account.people import People
from chatpush.account.sessions import Sessions
from chatpush.account.tenants import Tenants
from chatpush.clock import Clock
from chatpush.domain import (
    DEFAULT_TENANT,
    Event,
    Identity,
    IdentityKind,
    Item,
    ItemId,
    Json,
    Role,
    TenantId,
    UserId,
)
from chatpush.notify.audience.users import UserChange
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.reporting.figures import Figures
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.realtime.hub import Hub
from chatpush.realtime.identity.tokens import Tokens
from chatpush.recommend.analysis.advice import Adviser
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.recommender import Recommender
from chatpush.recommend.timing.calibration import Calibration
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.training.learning import Learning
from chatpush.recommend.training.models import Models
from chatpush.recommend.words.copies import Copies
from chatpush.recommend.words.copywriter import Copywriter
from chatpush.recommend.words.forms import Forms
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.drafting import Drafting
from chatpush.schedule.dry_run import DryRuns
from chatpush.schedule.results import CampaignResults
from chatpush.schedule.runs import Runs
from chatpush.schedule.what_if import WhatIf
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.assistant import Assistant
from chatpush.support.assistant.promises import Promises
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.knowledge.candidates import Candidates
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.model.colleague import Colleague
from chatpush.support.model.prompts import Prompts
from chatpush.support.model.redaction import Redaction
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.web.console.wiring import add_console
from chatpush.web.http import server
from chatpush.web.transports import websocket
from tests.clocks import StillClock
from tests.notify.building import Room, build_room
from tests.realtime.node import RealtimeNode
from tests.recommend.world import World
from tests.schedule.building import penny_each
from tests.support.house import Channels, House, build

PASSWORD = "correct horse battery"
TEXTS = {"en": LocaleSource("Thank you, {{ user.name }}", "We have your order {{ order }}.")}
Client = TestClient[web.Request, web.Application]


class Relay(Channels):
    """A recorder that passes everything on to the hub, so that open pages hear it."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub

    async def publish(
        self,
        tenant: TenantId,
        channel: str,
        data: Json,
        *,
        idempotency_key: str = "",
        tags: dict[str, str] | None = None,
        skip_history: bool = False,
    ) -> None:
        await super().publish(tenant, channel, data, idempotency_key=idempotency_key)
        await self._hub.publish(
            tenant, channel, data, idempotency_key=idempotency_key, skip_history=skip_history
        )


class Watcher:
    """A plugin that watches events."""

    @hook
    async def on_event(self, event: Event) -> None:
        """See an event."""


@dataclass(slots=True)
class Whole:
    """Everything behind the console."""

    services: dict[type, object]
    room: Room
    house: House
    world: World
    people: People
    campaigns: Campaigns
    runs: Runs
    clock: StillClock

    async def person(self, role: Role, name: str = "Grace Hopper") -> str:
        """Add a console person and return the email."""
        email = f"{role}@shop.example"
        await self.people.add(DEFAULT_TENANT, email, name, PASSWORD, role)
        return email

    async def fill(self) -> None:
        """Let an afternoon pass in the shop."""
        users = self.room.users
        for name, known_as in (("ada", "Ada Lovelace"), ("noah", "Noah Williams")):
            await users.put(
                DEFAULT_TENANT, UserId(name), UserChange(attributes={"name": known_as, "orders": 3})
            )
        await self.room.templates.put(DEFAULT_TENANT, "order_paid", TEXTS)
        await self.world.stock(
            Item(
                DEFAULT_TENANT,
                ItemId("mug"),
                "Red Retrospot Mug",
                price=Decimal("2.95"),
                currency="GBP",
                stock=8,
            ),
            Item(DEFAULT_TENANT, ItemId("bunting"), "Party Bunting", price=Decimal("4.95"), currency="GBP"),
        )
        await self.world.happened(self.world.event("ada", "view", "mug", properties={"page": "home"}))
        draft = MessageDraft(
            to=(Recipient(user=UserId("ada")),), template="order_paid", data={"order": "1001"}
        )
        await self.room.messages.accept(DEFAULT_TENANT, draft)
        await self.room.settle()
        await self.house.say("Where is my order 1001?")


async def build_whole(database: Database, vault: Vault, clock: StillClock, node: RealtimeNode) -> Whole:
    """Build every service over one database."""
    settings = Settings()
    plugins = Plugins({"watcher": Watcher()})
    room = build_room(database, vault, clock, plugins=plugins)
    house = await build(database, vault, clock, channels=Relay(node.hub))
    world = World(database, vault, clock, DEFAULT_TENANT)
    audit, meter = Audit(database, clock), Meter(database, clock)
    tenants = Tenants(database, vault, clock, settings, audit)
    await tenants.start()
    sessions = Sessions(database, vault, clock)
    people = People(database, vault, clock, audit, sessions, Attempts(database, clock))
    drafting = Drafting(
        room.users, world.recommender, Timing(database, room.users.get_many, clock), Copywriter()
    )
    campaigns = Campaigns(database, vault, room.messages, clock)
    runs = Runs(database, vault, campaigns, room.audience, room.messages, room.templates, drafting, clock)
    services: dict[type, object] = {
        **room.services(),
        Hub: node.hub,
        Tokens: node.tokens,
        Plugins: plugins,
        Figures: Figures(database),
        Conversations: house.conversations,
        **house.people.staff.services(),
        Promises: house.promises,
        Assistant: house.assistant,
        Knowledge: house.knowledge,
        Candidates: Candidates(database, vault, clock, house.conversations, house.knowledge, house.retrieval),
        Retrieval: house.retrieval,
        Colleague: Colleague(
            house.retrieval, settings.support, Prompts(database, clock, room.renderers), Redaction()
        ),
        Catalogue: world.catalogue,
        Behaviour: world.behaviour,
        Recommender: world.recommender,
        Learning: Learning(
            world.recommender.training,
            world.recommender.likeminded,
            Models(database, vault, clock, settings.path("models")),
            clock,
        ),
        Restraint: Restraint(database, clock),
        Copies: Copies(database, clock),
        Calibration: Calibration(database, room.users.get_many, clock),
        Adviser: Adviser(Timing(database, room.users.get_many, clock), Forms(database, clock)),
        Campaigns: campaigns,
        Runs: runs,
        CampaignResults: CampaignResults(database, campaigns, clock),
        WhatIf: WhatIf(
            database,
            vault,
            campaigns,
            room.messages,
            room.audience,
            room.users,
            room.templates,
            drafting,
            world.behaviour,
            penny_each,
            clock,
            bridges.rules_with(settings.notify),
            bridges.plugins_with(settings, clock),
            {},
        ),
        DryRuns: DryRuns(campaigns, room.audience, room.templates, drafting),
        People: people,
        Sessions: sessions,
        Keys: Keys(database, clock, audit),
        Vault: vault,
        Tenants: tenants,
        Billing: Billing(tenants, meter, settings, clock),
        Settings: settings,
        Clock: clock,
    }
    return Whole(services, room, house, world, people, campaigns, runs, clock)


async def nobody(request: web.Request) -> Identity:
    """Identify as the app does below /console: the console knows its people itself."""
    return Identity(DEFAULT_TENANT, IdentityKind.ANONYMOUS)


async def default_tenant(request: web.Request) -> TenantId:
    """Name the only tenant there is."""
    return DEFAULT_TENANT


@asynccontextmanager
async def console(whole: Whole) -> AsyncIterator[Client]:
    """Serve the console on loopback and yield a browser-like client."""
    app = server.build([], whole.services, nobody, Settings())
    websocket.add_routes(app, cast(Hub, whole.services[Hub]), Settings().client, default_tenant)
    add_console(app)
    async with TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True)) as client:
        yield client


def token_in(html: str) -> str:
    """Return the CSRF token of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, "the page has no form"
    return found[1]


async def sign_in(client: Client, email: str, password: str = PASSWORD, **more: Any) -> ClientResponse:
    """Fill in the form."""
    page = await (await client.get("/console/sign-in")).text()
    form = {"csrf": token_in(page), "email": email, "password": password, "next": "", **more}
    return await client.post("/console/sign-in", data=form, allow_redirects=False)


async def post(client: Client, path: str, **form: Any) -> ClientResponse:
    """Send a form as the signed-in person."""
    token = token_in(await (await client.get("/console")).text())
    return await client.post(path, data={"csrf": token, **form}, allow_redirects=False)
