"""Construct every service, floor by floor, each with what it needs handed in.

``Rooms`` is the house before anybody lives in it; ``app.py`` runs it. Nothing
else constructs.
"""

from collections.abc import Mapping
from datetime import timedelta

from chatpush import bridges, describing
from chatpush.account.attempts import Attempts
from chatpush.account.audit import Audit
from chatpush.account.billing import Billing
from chatpush.account.exports import Exports
from chatpush.account.keys import Keys
from chatpush.account.metering import Meter
from chatpush.account.people import People
from chatpush.account.plans import Kind
from chatpush.account.sessions import Sessions
from chatpush.account.tenants import Tenants
from chatpush.channels import built_in
from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.log.embedded import EmbeddedLog
from chatpush.notify.audience.audience import Audience
from chatpush.notify.audience.dynamic_audiences import DynamicAudiences
from chatpush.notify.audience.segments import Segments
from chatpush.notify.audience.topics import Topics
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.experiments import Experiments
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
from chatpush.notify.reporting.figures import Figures
from chatpush.notify.reporting.retention import Retention
from chatpush.notify.reporting.steps import Steps
from chatpush.notify.sending.away import Away
from chatpush.notify.sending.dead_letters import DeadLetters
from chatpush.notify.sending.endpoints import Endpoints
from chatpush.notify.sending.sending import build_outbox
from chatpush.notify.templates.message_formats import MessageFormats
from chatpush.notify.templates.renderers import Renderers
from chatpush.notify.templates.templates import Templates
from chatpush.plugins import loader
from chatpush.plugins.host import Plugins
from chatpush.plugins.reloading import Reloading
from chatpush.realtime.hub import Hub
from chatpush.realtime.identity.blocks import Blocks
from chatpush.realtime.identity.public_keys import PublicKeys
from chatpush.realtime.identity.tokens import Tokens
from chatpush.realtime.namespaces import Namespaces
from chatpush.realtime.sealing import sealing_by
from chatpush.recommend.analysis.advice import Adviser
from chatpush.recommend.analysis.labelling import Labelling
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.recommend.behaviour.exposures import Exposures
from chatpush.recommend.behaviour.feedback import Feedback
from chatpush.recommend.behaviour.joining import moving_events
from chatpush.recommend.behaviour.occasions import Occasions
from chatpush.recommend.catalogue import Catalogue
from chatpush.recommend.recommender import Recommender
from chatpush.recommend.timing.calibration import Calibration
from chatpush.recommend.timing.outlook import Outlooks
from chatpush.recommend.timing.restraint import Restraint
from chatpush.recommend.timing.timing import Timing
from chatpush.recommend.training.learning import Learning
from chatpush.recommend.training.models import Models
from chatpush.recommend.words.copies import Copies
from chatpush.recommend.words.copywriter import Copywriter
from chatpush.recommend.words.forms import Forms
from chatpush.recommend.words.slots import Brand
from chatpush.rounds import Worker
from chatpush.schedule.alarm import Alarm
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.drafting import Drafting
from chatpush.schedule.dry_run import DryRuns
from chatpush.schedule.reactor import Reactor
from chatpush.schedule.results import CampaignResults
from chatpush.schedule.runs import Runs
from chatpush.schedule.triggered import EventCampaigns
from chatpush.schedule.what_if import WhatIf
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.opening import open_database
from chatpush.store.vault import Vault, derived_key, read_master_key
from chatpush.support.assistant.assistant import Assistant
from chatpush.support.assistant.at_hand import AtHand
from chatpush.support.assistant.embedded import EmbeddedAssistant
from chatpush.support.assistant.gate import Gate
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.tools import Toolbox
from chatpush.support.assistant.wishes import Wishes
from chatpush.support.conversations.attachments import Attachments
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.erasure import erasing
from chatpush.support.conversations.joining import Joining
from chatpush.support.conversations.prechat import Prechat
from chatpush.support.knowledge.candidates import Candidates
from chatpush.support.knowledge.imports import Imports
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.model.answer_cache import AnswerCache
from chatpush.support.model.budget import Budget
from chatpush.support.model.colleague import Colleague
from chatpush.support.model.forms import FormFiller
from chatpush.support.model.memory import Memory
from chatpush.support.model.model_tools import ModelTools
from chatpush.support.model.modelled import ModelledAssistant, summarising
from chatpush.support.model.prompts import Prompts
from chatpush.support.model.redaction import Redaction
from chatpush.support.model.summaries import Summaries
from chatpush.support.model.writer import Writer
from chatpush.support.people.staffing import build_staff
from chatpush.support.retrieval.embedding import Embedder, EndpointEmbedder, LocalEmbedder
from chatpush.support.retrieval.heads import Heads
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.vectors import Vectors
from chatpush.web.http import jwks

DAY_SECONDS = 86_400.0
RUNS_KEPT = timedelta(days=90)


class Rooms:
    """Every service as an attribute, not started.

    Raises:
        InvalidSettings: the master key is missing or unsafe.
        PluginFailed: a plugin can't be loaded.
    """

    def __init__(self, settings: Settings, clock: Clock, plugins: Mapping[str, object]) -> None:
        self.settings = settings
        self.clock = clock
        self.plugins: Plugins = loader.load(settings, clock)
        self.reloading = Reloading(self.plugins, settings)
        for name, plugin in plugins.items():
            self.plugins.add(name, plugin)
        self._build_account()
        self._build_realtime()
        self._build_notify()
        self._build_recommend()
        self._build_support()
        self._build_schedule()

    def _build_account(self) -> None:
        settings, clock = self.settings, self.clock
        self.database: Database = open_database(settings)
        self._master_key = read_master_key(settings.path(settings.store.master_key_file))
        self.vault = Vault(self.database, self._master_key)
        self.audit = Audit(self.database, clock)
        self.tenants = Tenants(self.database, self.vault, clock, settings, self.audit)
        self.keys = Keys(self.database, clock, self.audit)
        self.sessions = Sessions(self.database, self.vault, clock)
        self.attempts = Attempts(self.database, clock)
        self.people = People(self.database, self.vault, clock, self.audit, self.sessions, self.attempts)
        self.meter = Meter(self.database, clock)
        self.billing = Billing(self.tenants, self.meter, settings, clock)
        self.exports = Exports(
            self.database, self.plugins.exporters(), self.meter, self.audit, self.tenants.ids, clock
        )

    def _build_realtime(self) -> None:
        settings, clock = self.settings, self.clock
        namespaces = Namespaces(settings.channel)
        self.blocks = Blocks(self.database, clock)
        self.keys.on_revoked.append(self.blocks.revoke_key)
        self.revocations = Worker("revocations", self.keys.learn)
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
        secret = derived_key(self._master_key, "realtime")
        self.hub = Hub(settings, self.log, namespaces, self.tokens, self.plugins, clock, secret=secret)

    def _build_notify(self) -> None:
        database, vault, clock, rules = self.database, self.vault, self.clock, self.settings.notify
        happenings = Happenings(clock)
        self.users = Users(database, vault, clock, happenings)
        self.topics = Topics(database, clock)
        self.segments = Segments(database, self.users, clock)
        dynamic = DynamicAudiences(self.plugins.audiences())
        self.audience = Audience(database, self.topics, self.segments, dynamic)
        self.renderers = Renderers(seconds=rules.render_seconds, max_bytes=rules.render_max_bytes)
        self.templates = Templates(
            database, self.renderers, clock, max_bytes=rules.render_max_bytes,
            formats=MessageFormats(self.plugins.formats()),
        )  # fmt: skip
        self.endpoints = Endpoints(database, vault, clock)
        self.inbox = Inbox(database, vault, clock, self.hub)
        self.receipts = Receipts(database, self.inbox, self.plugins, clock, happenings)
        self.disclosing = Disclosing(database, vault, self.users, self.topics, self.endpoints, clock)
        self.explaining = Explaining(database, vault, self.users, Trace(database))
        self.shelving = Shelving(database, self.inbox, self.receipts, self.hub, clock)
        self.trace, self.figures = Trace(database), Figures(database)
        outside = built_in.build(self.settings, database, vault, self.users, clock)
        self.outgoing, self.channels, self.webhooks = outside.outgoing, outside.channels, outside.webhooks
        self.unsubscribing, self.webhook_calls = outside.unsubscribing, outside.webhook_calls
        self.webhook_events = outside.webhook_events
        self.plugins.add(built_in.NAME, self.channels)
        self.receipts.listen(self.webhooks.on_reception)
        self.away = Away(self.plugins.channels(), limits=self.settings.channels.limits)
        accepted = AcceptedMessages(vault)
        takers = [one.name for one in self.plugins.exporters() if getattr(one, "deliveries", False)]
        if takers:
            happenings.export()
        steps = Steps(database, clock)
        self.exports.also(steps, takers)
        happenings.told_by(self.webhooks.wants, self.webhook_events.ring)
        self.users.also_erase(self.webhooks.erase)
        self._build_sending(accepted, happenings)
        self.recalls = Recalls(database, self.hub, clock, self.messages.cancel_one, happenings)
        old = [self.broadcasts.prune, self.webhooks.prune, *([] if takers else [steps.clear])]
        self.retention = Retention(database, clock, rules.retention_days, old)

    def _build_sending(self, accepted: AcceptedMessages, happenings: Happenings) -> None:
        database, vault, clock, rules = self.database, self.vault, self.clock, self.settings.notify
        self.labelling = Labelling() if self.settings.recommend.judge_labels else None
        self.outbox = build_outbox(
            database, vault, self.hub, self.hub.is_online, self.endpoints, self.away, self.users, accepted,
            self.templates, self.plugins, self.meter, clock, bridges.rules_of(rules), happenings=happenings,
            inbox_size=rules.inbox_size, max_attempts=rules.max_attempts,
        )  # fmt: skip
        self.fanout = FanOut(
            database, vault, self.audience, accepted, clock, self.outbox.ring,
            page_size=rules.page_size, handing=self.outbox.handing, happenings=happenings,
        )  # fmt: skip
        self.broadcasts = Broadcasts(
            database, accepted, self.fanout, clock, self.outbox.deliver, self.hub.online,
            from_users=rules.read_from_users,
        )  # fmt: skip
        self.hub.on_connect.append(self.broadcasts.arrived)
        self.messages = Messages(
            database, vault, self.audience, self.templates, self.fanout, clock, self.outbox.ring,
            known_channels=self.away.names, silent_channels=self.away.silent_names, happenings=happenings,
            max_recipients=rules.max_inline_recipients, allow=self._allow_messages,
            judge=self.labelling.judge if self.labelling is not None else None,
            broadcasts=self.broadcasts, handing=self.outbox.handing,
        )  # fmt: skip
        self.experiments = Experiments(database)
        self.dead_letters = DeadLetters(database, clock, self.outbox.ring, happenings)

    def _build_recommend(self) -> None:
        database, clock, settings = self.database, self.clock, self.settings.recommend
        self.catalogue = Catalogue(database, clock, settings.max_items)
        self.behaviour = Behaviour(database, self.vault, clock)
        self.segments.happened = self.behaviour.last_of
        self.exposures = Exposures(database, clock)
        self.recommender = Recommender(
            database, self.catalogue, self.behaviour, self.plugins, clock, self.users.find,
            find_users=self.users.get_many, on_shown=self.exposures.note,
            exploration=settings.exploration, refit_seconds=settings.refit_seconds,
            cohort_attributes=settings.cohort_attributes,
        )  # fmt: skip
        models = Models(database, self.vault, clock, self.settings.path(settings.models_directory))
        self.learning = Learning(
            self.recommender.training, self.recommender.likeminded, models, clock, settings.learn_seconds
        )
        self.users.also_erase(self.exposures.erase)
        self.occasions = Occasions(
            database,
            self.behaviour,
            self.catalogue,
            self.recommender.again,
            self.recommender.training,
            clock,
            self.plugins.filter_occasion if self.plugins.has("filter_occasion") else None,
            self.users.get_many,
        )
        self.timing = Timing(
            database, self.users.get_many, clock, exploration=settings.exploration,
            quiet_hours=bridges.rules_of(self.settings.notify).default_quiet_hours,
        )  # fmt: skip
        self.restraint = Restraint(database, clock)
        self.outlooks = Outlooks(database, self.timing, self.restraint, clock)
        self.users.also_erase(self.behaviour.erase)
        self.disclosing.also("events", self.behaviour.all_of)
        self.copies = Copies(database, clock, settings.words_control)
        self.receipts.listen(Feedback(self.behaviour, self.inbox, self.copies).on_reception)

    def _build_support(self) -> None:
        database, vault, clock, settings = self.database, self.vault, self.clock, self.settings.support
        self.knowledge = knowledge = Knowledge(database, vault, clock)
        self.imports = Imports(database, vault, clock, knowledge, self.outgoing.get)
        self._build_model()
        self.heads = Heads(database, vault, clock, vectors=self.vectors)
        rerank = self.writer.rerank if self.writer is not None and self.writer.reranks else None
        self.retrieval = Retrieval(self.knowledge, self.heads, self.vectors, rerank)
        self.conversations = Conversations(
            database, vault, self.hub, bridges.issue_subscription(self.tokens), clock
        )
        self.candidates = Candidates(database, vault, clock, self.conversations, knowledge, self.retrieval)
        self.users.also_erase(erasing(database, self.hub.history_remove))
        self.attachments = Attachments(database, vault, self.conversations, self.settings.attachments, clock)
        self.users.also_erase(self.attachments.erase)
        self.prechat = Prechat(vault, self.conversations, self.settings.widget.prechat)
        self.promises = Promises(
            database, vault, self.conversations, clock, bridges.tell_of_promise(self.messages, self.hub),
            settings.promise_days, settings.name_in,
        )  # fmt: skip
        self.staff = build_staff(
            database, vault, clock, self.conversations, self.promises, self.hub, self.users, self.renderers,
            send=bridges.mail_by(self.channels.email), name_of=bridges.name_of(self.people),
            is_online=self.hub.is_online, tell=self.webhooks.emit,
        )  # fmt: skip
        self.desk, self.queue = self.staff.desk, self.staff.queue
        self.disclosing.also("conversations", bridges.conversations_of(self.conversations))
        self.disclosing.also("promises", bridges.promises_of(self.promises))
        self.joining = Joining(database, vault, [moving_events(database, vault)], self.users.delete)
        toolbox = Toolbox(self.plugins.tools())
        wishes = Wishes(bridges.carry_out(self.users, self.behaviour, clock))
        items = AtHand(describing.find_items(self.catalogue, self.users, clock))
        embedded = EmbeddedAssistant(self.retrieval, toolbox, self.promises, settings, items, wishes)
        self.outbox.hold_back = bridges.hold_back(self.conversations)
        modelled = self._build_modelled(toolbox, embedded)
        self.assistant = Assistant(
            self.conversations, embedded, modelled, self.promises, Gate(self.retrieval, settings), self.hub,
            describing.describe_item(self.catalogue),
            describing.describe_delivery(self.inbox, self.catalogue, database),
            bridges.locale_of(self.users), bridges.reader_of(self.users), settings, clock,
            self.plugins.filter_question,
        )  # fmt: skip
        self.assistant.keep_trails(self.staff.trails)
        self.colleague = Colleague(
            self.retrieval, settings, self.prompts, Redaction(self.plugins), self.writer
        )
        self.summaries = Summaries(self.conversations, self.promises, self.colleague)

    def _build_model(self) -> None:
        """Build what asks a language model, and what turns texts into vectors."""
        model, settings = self.settings.writer, self.settings.support
        self.budget = Budget(self.database, self.clock, model, self.meter)
        self.prompts = Prompts(self.database, self.clock, Renderers())
        self.writer = Writer(model, self.budget, self.clock) if model.enabled else None
        embedder: Embedder | None = None
        if settings.embeddings_directory:
            embedder = LocalEmbedder(self.settings.path(settings.embeddings_directory))
        elif self.writer is not None and self.writer.embeds:
            embedder = EndpointEmbedder(self.writer, model.embedding_model)
        self.vectors = Vectors(self.database, self.vault, embedder) if embedder is not None else None

    def _build_modelled(self, toolbox: Toolbox, embedded: EmbeddedAssistant) -> ModelledAssistant | None:
        model, writer, redaction = self.settings.writer, self.writer, Redaction(self.plugins)
        if writer is None or not writer.models:
            return None
        database, vault, clock = self.database, self.vault, self.clock
        return ModelledAssistant(
            writer, self.retrieval, ModelTools(toolbox, redaction), embedded, self.prompts,
            Memory(database, vault, self.conversations, summarising(writer, self.prompts, redaction)),
            AnswerCache(database, vault, clock, model.answer_cache_hours), redaction, self.settings.support,
            model.max_tool_rounds,
        )  # fmt: skip

    def _build_schedule(self) -> None:
        database, vault, clock = self.database, self.vault, self.clock
        self.campaigns = Campaigns(database, vault, self.messages, clock)
        self.results = CampaignResults(database, self.campaigns, clock)
        recommend = self.settings.recommend
        filler = FormFiller(self.writer) if self.writer is not None else None
        self.forms = Forms(database, clock, filler, recommend.words_daily_tokens)
        brand = Brand(recommend.tone, tuple(recommend.forbidden_words))
        words = Copywriter(self.forms, self.copies, clock, brand)
        self.calibration = Calibration(self.database, self.users.get_many, clock)
        self.adviser = Adviser(self.timing, self.forms, brand)
        drafting = Drafting(self.users, self.recommender, self.timing, words, self.restraint)
        self.runs = Runs(
            database, vault, self.campaigns, self.audience, self.messages, self.templates, drafting, clock
        )
        self.dry_runs = DryRuns(self.campaigns, self.audience, self.templates, drafting)
        self.what_if = WhatIf(
            database, vault, self.campaigns, self.messages, self.audience, self.users, self.templates, drafting,
            self.behaviour, bridges.price_of_messages(self.billing), clock, bridges.rules_with(self.settings.notify),
            bridges.plugins_with(self.settings, clock), self.settings.notify.channel_prices,
        )  # fmt: skip
        self.alarm = Alarm(self.campaigns, self.runs, clock)
        kept = timedelta(days=self.settings.recommend.retention_days)
        self.alarm.every("forget events", DAY_SECONDS, lambda: self.behaviour.forget(kept))
        self.alarm.every("forget unsent files", DAY_SECONDS, self.attachments.forget_unsent)
        self.alarm.every("forget runs", DAY_SECONDS, lambda: self.runs.forget(RUNS_KEPT))
        triggered = EventCampaigns(self.campaigns, self.messages, drafting, self.catalogue, clock)
        reactors = [bridges.keep_promises(self.promises), triggered.on_event, self.plugins.on_event]
        self.reactor = Reactor(database, self.behaviour, reactors, clock)

    async def _allow_messages(self, tenant: TenantId, more: int) -> None:
        await self.billing.allow(tenant, Kind.MESSAGES, more)
