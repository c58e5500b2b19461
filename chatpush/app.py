"""Build chatpush and run it; the only place that constructs.

``Chatpush(settings)`` holds every service as an attribute. Use it embedded::

    async with Chatpush.from_file("chatpush.toml").serving() as push:
        await push.send("42", title="Shipped", body="Your lantern is on its way.")

or let ``chatpush.process.run`` serve until SIGTERM.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import structlog
from aiohttp import web

from chatpush import __version__, bridges
from chatpush.account.attempts import Attempts
from chatpush.account.audit import Audit
from chatpush.account.billing import Billing
from chatpush.account.keys import Keys
from chatpush.account.metering import Meter
from chatpush.account.people import People
from chatpush.account.plans import Kind
from chatpush.account.sessions import Sessions
from chatpush.account.tenants import Tenants
from chatpush.channels import built_in
from chatpush.clock import Clock, SystemClock
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Content, Identity, MessageId, TenantId, UserId
from chatpush.errors import InvalidSettings, Unauthenticated
from chatpush.housekeeping import Housekeeping
from chatpush.log.embedded import EmbeddedLog
from chatpush.notify.accepted import AcceptedMessages
from chatpush.notify.audience import Audience
from chatpush.notify.away import Away
from chatpush.notify.broadcasts import Broadcasts
from chatpush.notify.dead_letters import DeadLetters
from chatpush.notify.drafts import MessageDraft, Recipient
from chatpush.notify.endpoints import Endpoints
from chatpush.notify.experiments import Experiments
from chatpush.notify.fanout import FanOut
from chatpush.notify.figures import Figures
from chatpush.notify.inbox import Inbox
from chatpush.notify.messages import Messages
from chatpush.notify.recall import Recalls
from chatpush.notify.receipts import Receipts
from chatpush.notify.renderers import Renderers
from chatpush.notify.retention import Retention
from chatpush.notify.segments import Segments
from chatpush.notify.sending import build_outbox
from chatpush.notify.templates import Templates
from chatpush.notify.topics import Topics
from chatpush.notify.trace import Trace
from chatpush.notify.users import Users
from chatpush.plugins import loader
from chatpush.plugins.host import Plugins
from chatpush.realtime.blocks import Blocks
from chatpush.realtime.hub import Hub
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.public_keys import PublicKeys
from chatpush.realtime.sealing import sealing_by
from chatpush.realtime.tokens import Tokens
from chatpush.recommend.behaviour import Behaviour
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.copywriter import Copywriter
from chatpush.recommend.exposures import Exposures
from chatpush.recommend.feedback import Feedback
from chatpush.recommend.learning import Learning
from chatpush.recommend.models import Models
from chatpush.recommend.occasions import Occasions
from chatpush.recommend.recommender import Recommender
from chatpush.recommend.timing import Timing
from chatpush.schedule.alarm import Alarm
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.drafting import Drafting
from chatpush.schedule.dry_run import DryRuns
from chatpush.schedule.reactor import Reactor
from chatpush.schedule.runs import Runs
from chatpush.schedule.triggered import EventCampaigns
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.opening import open_database
from chatpush.store.vault import Vault, read_master_key
from chatpush.support.assistant import Assistant
from chatpush.support.budget import Budget
from chatpush.support.candidates import Candidates
from chatpush.support.conversations import Conversations
from chatpush.support.desk import Desk
from chatpush.support.embedded import EmbeddedAssistant
from chatpush.support.erasure import erasing
from chatpush.support.heads import Heads
from chatpush.support.knowledge import Knowledge
from chatpush.support.modelled import ModelledAssistant
from chatpush.support.promises import Promises
from chatpush.support.prompts import Prompts
from chatpush.support.queue import Queue
from chatpush.support.retrieval import Retrieval
from chatpush.support.tools import Toolbox
from chatpush.support.writer import Writer
from chatpush.web import jwks, one_way, poll, routes, server, server_api, streams, websocket
from chatpush.web.addresses import Throttle
from chatpush.web.console.wiring import add_console
from chatpush.web.front import FrontSite
from chatpush.web.health import Readiness, add_health
from chatpush.web.hot import HotRequests
from chatpush.web.idempotency import Replies
from chatpush.web.identify import Identifier
from chatpush.web.metrics import Metrics

log = structlog.get_logger(__name__)
BACKLOG = 4096
DAY_SECONDS = 86_400.0
RUNS_KEPT = timedelta(days=90)


class Chatpush:
    """One whole chatpush; every service is an attribute.

    Raises:
        InvalidSettings: the master key is missing or unsafe.
        PluginFailed: a plugin can't be loaded.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, plugins: Mapping[str, object] | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.plugins: Plugins = loader.load(settings, self.clock)
        for name, plugin in (plugins or {}).items():
            self.plugins.add(name, plugin)
        self.port = settings.server.port
        self._build_account()
        self._build_realtime()
        self._build_notify()
        self._build_recommend()
        self._build_support()
        self._build_schedule()
        self.readiness = Readiness()
        self.metrics = Metrics(self._gauges)
        self.visitors = Throttle(settings.client.visitors_per_minute, self.clock)
        self.replies = Replies(self.database, self.clock)
        self.housekeeping = Housekeeping(
            self.clock,
            minutely={"connection minutes": self._count_connections},
            hourly={
                "sessions": self.sessions.sweep,
                "sign-in attempts": self.attempts.sweep,
                "idempotent replies": self.replies.sweep,
                "blocks": self.blocks.sweep,
                "old messages": self.retention.prune,
                "exposures": self.exposures.sweep,
            },
        )

    @classmethod
    def from_file(cls, path: str | Path) -> "Chatpush":
        """Return a chatpush by its configuration file and the ``CHATPUSH_…`` variables."""
        return cls(load(Path(path), os.environ))

    async def send(
        self, user: str, *, title: str, body: str, url: str | None = None, idempotency_key: str = ""
    ) -> MessageId:
        """Send a few words to one user of the default tenant; it is durable when this returns."""
        draft = MessageDraft(to=(Recipient(user=UserId(user)),), content=Content(title, body, url=url))
        return await self.messages.accept(DEFAULT_TENANT, draft, idempotency_key)

    @contextlib.asynccontextmanager
    async def records(self) -> AsyncIterator["Chatpush"]:
        """Open the records alone, for commands that need no server."""
        await self.database.start()
        try:
            await self.tenants.start()
            yield self
        finally:
            await self.database.stop()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Chatpush"]:
        """Run everything but the web server."""
        async with self.records(), contextlib.AsyncExitStack() as stack:
            await self._load_templates()
            for part in (
                self.blocks, self.log, self.hub, self.renderers, self.outbox, self.fanout, self.broadcasts,
                self.recalls, self.webhook_calls, self.recommender, self.learning, self.exposures, self.occasions,
                self.promises, self.heads, self.assistant, self.runs, self.alarm, self.reactor, self.metrics,
                self.housekeeping,
            ):  # fmt: skip
                start, stop = getattr(part, "start", None), getattr(part, "stop", None)
                if start is not None:
                    await start()
                if stop is not None:
                    stack.push_async_callback(stop)
            if self.writer is not None:
                stack.push_async_callback(self.writer.close)
            stack.push_async_callback(self.outgoing.close)
            stack.push_async_callback(self.away.stop)
            stack.callback(self.plugins.close)
            yield self

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Chatpush"]:
        """Run everything and listen; ``port`` tells where."""
        async with self.running():
            runner = web.AppRunner(
                self.web_app(), access_log=None, shutdown_timeout=self.settings.server.drain_seconds
            )
            await runner.setup()
            try:
                address = self.settings.server
                handlers = self.hot.handlers()
                site = FrontSite(runner, address.host, address.port, handlers, backlog=BACKLOG)
                try:
                    await site.start()
                except OSError as error:
                    raise InvalidSettings(
                        f"can't listen on {address.host}:{address.port}: {error}"
                    ) from error
                self.port = runner.addresses[0][1]
                log.info("listening", url=f"http://{address.host}:{self.port}", version=__version__)
                yield self
            finally:
                self.readiness.draining = True
                await runner.cleanup()

    def web_app(self) -> web.Application:
        """Return the HTTP application with API, transports, console and probes."""
        identifier = Identifier(self.keys, self.sessions, self.tokens)
        app = server.build(routes.ALL, self._services(), identifier, self.settings)
        client = self.settings.client
        websocket.add_routes(app, self.hub, client, identifier.tenant_of)
        for transport in (poll, streams, one_way):
            transport.add_routes(app, self.hub, client, identifier.tenant_of)
        api = server_api.add_routes(
            app, self.hub, self.settings.http_api.key, self._identify_key, DEFAULT_TENANT, __version__
        )
        self.hot = HotRequests(self.hub, api, client)
        add_console(app)
        add_health(app)
        self.metrics.add(app)
        return app

    def _build_account(self) -> None:
        settings, clock = self.settings, self.clock
        self.database: Database = open_database(settings)
        self.vault = Vault(self.database, read_master_key(settings.path(settings.store.master_key_file)))
        self.audit = Audit(self.database, clock)
        self.tenants = Tenants(self.database, self.vault, clock, settings, self.audit)
        self.keys = Keys(self.database, clock, self.audit)
        self.sessions = Sessions(self.database, self.vault, clock)
        self.attempts = Attempts(self.database, clock)
        self.people = People(self.database, self.vault, clock, self.audit, self.sessions, self.attempts)
        self.meter = Meter(self.database, clock)
        self.billing = Billing(self.tenants, self.meter, settings, clock)

    def _build_realtime(self) -> None:
        settings, clock = self.settings, self.clock
        namespaces = Namespaces(settings.channel)
        self.blocks = Blocks(self.database, clock)
        keys = PublicKeys(settings.client.token, jwks.fetch, clock)
        self.tokens = Tokens(settings.client.token, self.tenants.secret_of, clock, self.blocks, keys)
        self.log = EmbeddedLog(
            settings.path("log.db"),
            namespaces.retention,
            sealing_by(self.vault),
            clock,
            synchronous=settings.store.synchronous,
            write_queue=settings.store.write_queue,
        )
        self.hub = Hub(settings, self.log, namespaces, self.tokens, self.plugins, clock)

    def _build_notify(self) -> None:
        database, vault, clock, rules = self.database, self.vault, self.clock, self.settings.notify
        self.users = Users(database, vault, clock)
        self.topics = Topics(database, clock)
        self.segments = Segments(database, self.users, clock)
        self.audience = Audience(database, self.topics, self.segments)
        self.renderers = Renderers(seconds=rules.render_seconds, max_bytes=rules.render_max_bytes)
        self.templates = Templates(database, self.renderers, clock, max_bytes=rules.render_max_bytes)
        self.endpoints = Endpoints(database, vault, clock)
        self.inbox = Inbox(database, vault, clock, self.hub)
        self.receipts = Receipts(database, self.inbox, self.plugins, clock)
        self.trace, self.figures = Trace(database), Figures(database)
        outside = built_in.build(self.settings, database, vault, self.users, clock)
        self.outgoing, self.channels, self.webhooks = outside.outgoing, outside.channels, outside.webhooks
        self.unsubscribing, self.webhook_calls = outside.unsubscribing, outside.webhook_calls
        self.plugins.add(built_in.NAME, self.channels)
        self.receipts.listen(self.webhooks.on_reception)
        self.away = Away(self.plugins.channels())
        accepted = AcceptedMessages(vault)
        self.outbox = build_outbox(
            database, vault, self.hub, self.hub.is_online, self.endpoints, self.away, self.users, accepted,
            self.templates, self.plugins, self.meter, clock, bridges.rules_of(rules),
            inbox_size=rules.inbox_size, max_attempts=rules.max_attempts,
        )  # fmt: skip
        self.fanout = FanOut(
            database, vault, self.audience, accepted, clock, self.outbox.ring, page_size=rules.page_size
        )
        self.broadcasts = Broadcasts(
            database, accepted, self.fanout, clock, self.outbox.deliver, self.hub.online,
            from_users=rules.read_from_users,
        )  # fmt: skip
        self.hub.on_connect.append(self.broadcasts.arrived)
        self.messages = Messages(
            database, vault, self.audience, self.templates, self.fanout, clock, self.outbox.ring,
            known_channels=self.away.names,
            max_recipients=rules.max_inline_recipients, allow=self._allow_messages,
            broadcasts=self.broadcasts,
        )  # fmt: skip
        self.experiments, self.dead_letters = (
            Experiments(database),
            DeadLetters(database, clock, self.outbox.ring),
        )
        old = [self.broadcasts.prune, self.webhooks.prune]
        self.retention = Retention(database, clock, rules.retention_days, old)
        self.recalls = Recalls(database, self.hub, clock, self.messages.cancel_one)

    def _build_recommend(self) -> None:
        database, clock, settings = self.database, self.clock, self.settings.recommend
        self.catalogue = Catalogue(database, clock, settings.max_items)
        self.behaviour = Behaviour(database, self.vault, clock)
        self.exposures = Exposures(database, clock)
        self.recommender = Recommender(
            database, self.catalogue, self.behaviour, self.plugins, clock, self.users.find,
            find_users=self.users.get_many, on_shown=self.exposures.note,
            exploration=settings.exploration, refit_seconds=settings.refit_seconds,
        )  # fmt: skip
        models = Models(database, self.vault, clock, self.settings.path(settings.models_directory))
        self.learning = Learning(
            self.recommender.training, self.recommender.likeminded, models, clock, settings.learn_seconds
        )
        self.users.also_erase(self.exposures.erase)
        self.occasions = Occasions(
            database, self.behaviour, self.catalogue, self.recommender.again, self.recommender.training, clock
        )
        self.timing = Timing(database, self.users.get_many, clock)
        self.users.also_erase(self.behaviour.erase)
        self.receipts.listen(Feedback(self.behaviour, self.inbox).on_reception)

    def _build_support(self) -> None:
        database, vault, clock, settings = self.database, self.vault, self.clock, self.settings.support
        self.knowledge = knowledge = Knowledge(database, vault, clock)
        self.heads = Heads(database, vault, clock)
        self.retrieval = Retrieval(self.knowledge, self.heads)
        self.conversations = Conversations(
            database, vault, self.hub, bridges.issue_subscription(self.tokens), clock
        )
        self.candidates = Candidates(database, vault, clock, self.conversations, knowledge, self.retrieval)
        self.users.also_erase(erasing(database, self.hub.history_remove))
        self.promises = Promises(
            database, vault, self.conversations, clock, bridges.tell_of_promise(self.messages),
            settings.promise_days, settings.name_in,
        )  # fmt: skip
        self.desk = Desk(self.conversations, self.promises)
        self.queue = Queue(database, vault, self.conversations)
        toolbox = Toolbox(self.plugins.tools())
        embedded = EmbeddedAssistant(self.retrieval, toolbox, self.promises, settings)
        self.writer, modelled = self._build_writer(toolbox, embedded)
        self.assistant = Assistant(
            self.conversations, embedded, modelled, self.promises, self.hub,
            bridges.describe_item(self.catalogue), bridges.describe_delivery(self.inbox),
            bridges.locale_of(self.users), settings, clock,
        )  # fmt: skip

    def _build_writer(
        self, toolbox: Toolbox, embedded: EmbeddedAssistant
    ) -> tuple[Writer | None, ModelledAssistant | None]:
        model = self.settings.writer
        if not model.enabled:
            return None, None
        writer = Writer(
            model, Budget(self.database, self.clock, model.daily_tokens_per_user, self.meter), self.clock
        )
        assistant = ModelledAssistant(
            writer, self.retrieval, toolbox, embedded, Prompts(), self.settings.support, model.max_tool_rounds
        )
        return writer, assistant

    def _build_schedule(self) -> None:
        database, vault, clock = self.database, self.vault, self.clock
        self.campaigns = Campaigns(database, vault, self.templates, self.audience, clock)
        drafting = Drafting(self.users, self.recommender, self.timing, Copywriter())
        self.runs = Runs(
            database, vault, self.campaigns, self.audience, self.messages, self.templates, drafting, clock
        )
        self.dry_runs = DryRuns(self.campaigns, self.audience, self.templates, drafting)
        self.alarm = Alarm(self.campaigns, self.runs, clock)
        kept = timedelta(days=self.settings.recommend.retention_days)
        self.alarm.every("forget events", DAY_SECONDS, lambda: self.behaviour.forget(kept))
        self.alarm.every("forget runs", DAY_SECONDS, lambda: self.runs.forget(RUNS_KEPT))
        triggered = EventCampaigns(self.campaigns, self.messages, drafting, self.catalogue, clock)
        reactors = [bridges.keep_promises(self.promises), triggered.on_event, self.plugins.on_event]
        self.reactor = Reactor(database, self.behaviour, reactors, clock)

    def _services(self) -> dict[type, object]:
        """Return the services that web handlers look up by class."""
        found: dict[type, object] = {
            Settings: self.settings,
            Database: self.database,
            Clock: self.clock,
        }
        own = [value for name, value in vars(self).items() if not name.startswith("_")]
        found |= {type(value): value for value in own if type(value).__module__.startswith("chatpush.")}
        return found

    async def _identify_key(self, plaintext: str) -> Identity:
        identity = await self.keys.find(plaintext)
        if identity is None:
            raise Unauthenticated("this key is unknown or revoked")
        return identity

    async def _load_templates(self) -> None:
        directory = self.settings.notify.templates_dir
        if directory:
            place = Path(directory)
            await self.templates.load_directory(
                DEFAULT_TENANT, place if place.is_absolute() else Path(self.settings.data_dir) / place
            )

    async def _allow_messages(self, tenant: TenantId, more: int) -> None:
        await self.billing.allow(tenant, Kind.MESSAGES, more)

    async def _count_connections(self) -> None:
        """Bill the minute, under an id that makes counting it twice impossible."""
        minute = self.clock.now().strftime("%Y-%m-%dT%H:%M")
        for tenant, connections in self.hub.connections_by_tenant().items():
            await self.meter.record(
                tenant, Kind.CONNECTION_MINUTES, connections, f"{self.hub.name}:{tenant}:{minute}"
            )
        for tenant, user in self.hub.online():
            await self.meter.active(tenant, user)

    def _gauges(self) -> Mapping[str, float]:
        counts = self.hub.counts()
        return {
            "connections": counts.connections,
            "users_online": counts.users,
            "channels": counts.channels,
            "subscriptions": counts.subscriptions,
        }
