"""Run chatpush: start every room in order, serve, and stop in reverse.

``Chatpush(settings)`` holds every service as an attribute. Use it embedded::

    async with Chatpush.from_file("chatpush.toml").serving() as push:
        await push.send("42", title="Shipped", body="Your lantern is on its way.")

or let ``chatpush.process.run`` serve until SIGTERM.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import structlog
from aiohttp import web

from chatpush import __version__
from chatpush.account.plans import Kind
from chatpush.clock import Clock, SystemClock
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Content, Identity, MessageId, UserId
from chatpush.errors import InvalidSettings, Unauthenticated
from chatpush.housekeeping import Housekeeping
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.rooms import Rooms
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.probe import WriteProbe
from chatpush.support.people.assigning import PERSON_PREFIX
from chatpush.web import routes
from chatpush.web.console.wiring import add_console
from chatpush.web.http import server, unreadable
from chatpush.web.http.addresses import Throttle
from chatpush.web.http.idempotency import Replies
from chatpush.web.http.identify import Identifier
from chatpush.web.monitoring.health import Readiness, add_health
from chatpush.web.monitoring.metrics import Metrics
from chatpush.web.monitoring.plugin_metrics import plugin_readings
from chatpush.web.monitoring.realtime_metrics import readings_of
from chatpush.web.monitoring.support_metrics import support_readings
from chatpush.web.realtime_api import server_api
from chatpush.web.transports import one_way, poll, streams, websocket
from chatpush.web.transports.front import FrontSite
from chatpush.web.transports.hot import HotRequests
from chatpush.web.widget_files import add_widget

log = structlog.get_logger(__name__)
BACKLOG = 4096


class Chatpush(Rooms):
    """One whole chatpush; every service is an attribute.

    Raises:
        InvalidSettings: the master key is missing or unsafe.
        PluginFailed: a plugin can't be loaded.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, plugins: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(settings, clock or SystemClock(), plugins or {})
        self.port = settings.server.port
        self.readiness = Readiness()
        self.write_probe = WriteProbe(self.database, self.log.probe)
        tries = self.vectors.tries if self.vectors is not None else None
        if tries is not None:
            self.readiness.also("embeddings", lambda: tries.down)
        self.metrics = Metrics(readings_of(self.hub), plugin_readings(self.plugins), support_readings(tries))
        self.visitors = Throttle(settings.client.visitors_per_minute, self.clock)
        self.replies = Replies(self.database, self.clock)
        self.housekeeping = Housekeeping(
            self.clock,
            minutely={
                "connection minutes": self._count_connections,
                "idempotent replies": self.replies.sweep,
            },
            hourly={
                "sessions": self.sessions.sweep,
                "sign-in attempts": self.attempts.sweep,
                "blocks": self.blocks.sweep,
                "old messages": self.retention.prune,
                "exposures": self.exposures.sweep,
                "trails of answers": self.staff.trails.sweep,
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
            await self.write_probe.stop()
            await self.database.stop()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Chatpush"]:
        """Run everything but the web server."""
        async with self.records(), contextlib.AsyncExitStack() as stack:
            await self._load_templates()
            for part in (
                self.blocks, self.revocations, self.log, self.hub, self.renderers, self.labelling, self.outbox,
                self.fanout, self.broadcasts, self.recalls, self.shelving, self.webhook_events, self.webhook_calls,
                self.recommender, self.learning, self.exposures, self.occasions, self.promises, self.heads,
                self.assistant, self.summaries, *self.staff.running(), self.runs, self.alarm, self.reactor,
                self.metrics, self.housekeeping, self.exports, self.reloading,
            ):  # fmt: skip
                start, stop = getattr(part, "start", None), getattr(part, "stop", None)
                if start is not None:
                    await start()
                if stop is not None:
                    stack.push_async_callback(stop)
            if self.writer is not None:
                stack.push_async_callback(self.writer.close)
            stack.push_async_callback(self.outgoing.close)
            stack.push_async_callback(self.channels.close)
            stack.push_async_callback(self.prompts.stop)
            stack.push_async_callback(self.imports.stop)
            if self.vectors is not None:
                stack.push_async_callback(self.vectors.stop)
            stack.push_async_callback(self.away.stop)
            stack.callback(self.plugins.close)
            yield self

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Chatpush"]:
        """Run everything and listen; ``port`` tells where."""
        async with self.running():
            runner = unreadable.Runner(
                self.web_app(), access_log=None, shutdown_timeout=self.settings.server.drain_seconds
            )
            await runner.setup()
            try:
                address = self.settings.server
                handlers = self.hot.handlers()
                site = FrontSite(
                    runner, address.host, address.port, handlers,
                    backlog=BACKLOG, head_seconds=address.arrival_seconds,
                )  # fmt: skip
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
        sockets = websocket.add_routes(app, self.hub, client, identifier.tenant_of)
        poll.add_routes(app, self.hub, client, identifier.bearer_of)
        streams.add_routes(app, self.hub, client, identifier.tenant_of)
        one_way.add_routes(app, self.hub, client, identifier.tenant_of, sockets)
        api = server_api.add_routes(
            app, self.hub, self.settings.http_api.key, self._identify_key, DEFAULT_TENANT, __version__
        )
        self.hot = HotRequests(self.hub, api, client, sockets, identifier.bearer_of_key)
        add_console(app)
        add_health(app)
        add_widget(app)
        self.metrics.add(app)
        return app

    def _services(self) -> dict[type, object]:
        """Return the services that web handlers look up by class."""
        found: dict[type, object] = {
            Settings: self.settings,
            Database: self.database,
            Clock: self.clock,
        }
        own = [value for name, value in vars(self).items() if not name.startswith("_")]
        found |= {type(value): value for value in own if type(value).__module__.startswith("chatpush.")}
        return found | self.staff.services()

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

    async def _count_connections(self) -> None:
        """Bill the minute, under an id that makes counting it twice impossible."""
        minute = self.clock.now().strftime("%Y-%m-%dT%H:%M")
        for tenant, connections in self.hub.connections_by_tenant().items():
            await self.meter.record(
                tenant, Kind.CONNECTION_MINUTES, connections, f"{self.hub.name}:{tenant}:{minute}"
            )
        for tenant, user in self.hub.online():
            if not user.startswith(PERSON_PREFIX):  # who answers is no customer
                await self.meter.active(tenant, user)
