"""Send what is due: policy, rendering, filters, delivery, many at a time.

The loop sleeps until somebody rings or the next delivery is due; there is no
polling, so a message for one user is on the open page some milliseconds after
it was accepted. Filters see the rendered text, because that is what they judge.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    CampaignId,
    Category,
    Content,
    DeliveryId,
    DeliveryState,
    MessageId,
    OutgoingMessage,
    QuietHours,
    TenantId,
    User,
    from_ms,
)
from chatpush.errors import ChatpushError, InvalidTemplate, Unavailable, VaultError
from chatpush.notify.accepted import AcceptedMessages
from chatpush.notify.claims import Claim, Claims, Outcome
from chatpush.notify.delivery import Delivery
from chatpush.notify.digests import Digests, gathered
from chatpush.notify.drafts import Accepted
from chatpush.notify.marking import Ready
from chatpush.notify.policy import Cap, Decision, Facts, Past, Verdict, decide
from chatpush.notify.template_source import Rendering
from chatpush.notify.templates import Templates
from chatpush.notify.users import Users
from chatpush.plugins.contracts import Drop
from chatpush.plugins.host import Plugins
from chatpush.rounds import Rounds
from chatpush.store.database import Row
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """The installation's policy, the same for all users who don't say otherwise."""

    marketing_cap: int = 3
    marketing_cap_window: timedelta = timedelta(hours=24)
    marketing_needs_consent: bool = True
    default_quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()

    @property
    def longest_window(self) -> timedelta:
        """How far back what a user got can matter."""
        return max([self.marketing_cap_window, *(cap.window for cap in self.caps)])


@dataclass(frozen=True, slots=True)
class _Job:
    """A claimed delivery with its user and message opened."""

    claim: Claim
    user: User
    accepted: Accepted

    @property
    def template(self) -> str:
        """The template of the user's variant, or the message's."""
        variant = self.row["variant"]
        found = [one.template for one in self.accepted.variants if one.name == variant]
        return found[0] if found else self.accepted.template

    @property
    def row(self) -> Row:
        return self.claim.delivery


Concluded = tuple[Row, Outcome, str]
Gathered = dict[str, list[dict[str, Any]]]


class Outbox:
    """The worker that empties the queue."""

    def __init__(
        self, claims: Claims, users: Users, accepted: AcceptedMessages, templates: Templates, plugins: Plugins,
        delivery: Delivery, vault: Vault, clock: Clock, rules: Rules, digests: Digests, *, batch: int = 256,
        sole: bool = True,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._users = users
        self._accepted = accepted
        self._templates = templates
        self._plugins = plugins
        self._delivery = delivery
        self._vault = vault
        self._clock = clock
        self._rules = rules
        self._digests = digests
        self._batch = batch
        self._sole = sole
        self._rounds = Rounds("notify.outbox", self.turn)

    async def start(self) -> None:
        """Begin; a sole worker first takes back what an earlier process had claimed."""
        if self._sole:
            await self._claims.release_all()
        await self._rounds.start()

    async def stop(self) -> None:
        """Finish the present batch."""
        await self._rounds.stop()

    def ring(self) -> None:
        """Say that deliveries were made."""
        self._rounds.ring()

    async def turn(self) -> float | None:
        """Process one batch; return the seconds until the next is due, None if none is."""
        now = self._clock.now()
        claims = await self._claims.claim(now, self._batch, self._rules.longest_window)
        by_tenant: dict[TenantId, list[Claim]] = {}
        for claim in claims:
            by_tenant.setdefault(TenantId(claim.delivery["tenant"]), []).append(claim)
        for tenant, own in by_tenant.items():
            await self._process_or_isolate(tenant, own, now)
        if claims:
            return 0
        due = await self._claims.next_due()
        return None if due is None else max(0.001, (due - self._clock.now()).total_seconds())

    async def deliver(self, tenant: TenantId, deliveries: Sequence[str]) -> None:
        """Process deliveries that were written as claimed, at once and in pieces."""
        for start in range(0, len(deliveries), self._batch):
            now = self._clock.now()
            claims = await self._claims.facts(
                tenant, deliveries[start : start + self._batch], now - self._rules.longest_window
            )
            if claims:
                await self._process_or_isolate(tenant, claims, now)

    async def _process_or_isolate(self, tenant: TenantId, claims: list[Claim], now: datetime) -> None:
        """Process a batch; if something in it breaks, each by itself, so that one bad row fails alone.

        Whatever the batch had done already is not done again: a delivery that
        is not pending any more is left alone, a publication has its key.
        """
        try:
            await self._process(tenant, claims, now)
        except Unavailable:
            raise
        # The edge of the worker: a row that can't be opened must not hold up the 255 others for ever.
        except Exception as error:
            log.exception("batch failed", tenant=tenant, deliveries=len(claims))
            if len(claims) == 1:
                outcome = Outcome(DeliveryState.FAILED, f"internal: {type(error).__name__}", attempted=True)
                await self._claims.conclude(tenant, [(claims[0].delivery, outcome, "outbox")], now)
                return
            for claim in claims:
                await self._process_or_isolate(tenant, [claim], now)

    async def _process(self, tenant: TenantId, claims: list[Claim], now: datetime) -> None:
        jobs, concluded = await self._open(tenant, claims)
        jobs, decided, grounds = self._decide(jobs, now)
        gathering = {job.row["id"]: job.row["user_id"] for job in jobs if job.row["digest_key"]}
        digests = await self._digests.items(tenant, gathering)
        messages, broken = await self._render(tenant, jobs, digests)
        contents = {job.row["id"]: message.content for job, message in messages}
        messages, dropped = await self._filter(messages)
        ready = [
            Ready(
                job.row,
                message,
                job.accepted,
                grounds.get(job.row["id"], "resumed"),
                filtered=message.content != contents[job.row["id"]],
            )
            for job, message in messages
        ]
        await asyncio.gather(
            self._claims.conclude(tenant, [*concluded, *decided, *broken, *dropped], now),
            self._delivery.send(tenant, ready),
        )

    async def _open(self, tenant: TenantId, claims: list[Claim]) -> tuple[list[_Job], list[Concluded]]:
        """Open users and messages; whose user was erased is cancelled."""
        rows = {claim.user["id"]: claim.user for claim in claims if claim.user is not None}
        await self._vault.ready_many(tenant, list(rows))
        users = {user.id: user for user in await self._users.of_rows(tenant, list(rows.values()))}
        jobs: list[_Job] = []
        concluded: list[Concluded] = []
        for claim in claims:
            user = users.get(claim.delivery["user_id"])
            accepted = await self._accepted_of(claim) if user is not None else None
            if user is None or accepted is None:
                outcome = Outcome(DeliveryState.CANCELLED, "user_erased")
                concluded.append((claim.delivery, outcome, "policy"))
            else:
                jobs.append(_Job(claim, user, accepted))
        return jobs, concluded

    async def _accepted_of(self, claim: Claim) -> Accepted | None:
        try:
            return await self._accepted.of_row(claim.message)
        except VaultError:
            return None

    def _decide(self, jobs: list[_Job], now: datetime) -> tuple[list[_Job], list[Concluded], dict[str, str]]:
        """Ask the policy; return the jobs that may go on, the others, and the grounds."""
        going: list[_Job] = []
        concluded: list[Concluded] = []
        grounds: dict[str, str] = {}
        sent_now: dict[str, tuple[Past, ...]] = {}
        # The best go first, so that a cap that has room for some keeps those and defers the others.
        for job in sorted(jobs, key=lambda job: -job.accepted.score):
            if job.row["settled_at"] is not None:
                # It is in the inbox already; only the rest of its way is to be gone again.
                if job.row["expires_at"] is not None and now >= from_ms(job.row["expires_at"]):
                    outcome = Outcome(DeliveryState(job.row["state"]), "expired")
                    concluded.append((job.row, outcome, "policy"))
                    continue
                going.append(job)
                if job.row["stage"]:
                    grounds[job.row["id"]] = "no_receipt"
                continue
            decision = decide(self._facts(job, now, sent_now.get(job.user.id, ())))
            if decision.verdict is Verdict.SEND:
                going.append(job)
                grounds[job.row["id"]] = decision.reason
                got = Past(now, job.accepted.category, job.row["topic"])
                sent_now[job.user.id] = (*sent_now.get(job.user.id, ()), got)
            else:
                concluded.append((job.row, _outcome(decision), "policy"))
        return going, concluded, grounds

    def _facts(self, job: _Job, now: datetime, sent_now: tuple[Past, ...]) -> Facts:
        expires = job.row["expires_at"]
        past = job.claim.past + sent_now
        return Facts(
            now=now,
            category=job.accepted.category,
            consents=job.user.consents,
            timezone=job.user.timezone,
            quiet_hours=job.user.quiet_hours or self._rules.default_quiet_hours,
            quiet_rule=job.accepted.quiet_rule,
            expires_at=from_ms(expires) if expires is not None else None,
            consent_needed=self._rules.marketing_needs_consent,
            cap=self._rules.marketing_cap,
            cap_window=self._rules.marketing_cap_window,
            recent=tuple(one.at for one in past if one.category is Category.MARKETING),
            topic=job.row["topic"],
            caps=self._rules.caps,
            past=past,
        )

    async def _render(
        self, tenant: TenantId, jobs: list[_Job], digests: Gathered
    ) -> tuple[list[tuple[_Job, OutgoingMessage]], list[Concluded]]:
        """Render each template once for all its users."""
        contents: dict[str, Content | ChatpushError] = {}
        by_template: dict[str, list[_Job]] = {}
        for job in jobs:
            by_template.setdefault(job.template, []).append(job)
        for template, own in by_template.items():
            for job, content in zip(own, await self._contents(tenant, template, own, digests), strict=True):
                contents[job.row["id"]] = content
        rendered: list[tuple[_Job, OutgoingMessage]] = []
        concluded: list[Concluded] = []
        for job in jobs:
            content = contents[job.row["id"]]
            if isinstance(content, Content):
                rendered.append((job, _outgoing(tenant, job, content)))
            else:
                reason = f"{content.code}: {content.message}"[:LONGEST_REASON]
                log.warning("rendering failed", delivery=job.row["id"], problem=content.code)
                concluded.append((job.row, Outcome(DeliveryState.FAILED, reason), "template"))
        return rendered, concluded

    async def _contents(
        self, tenant: TenantId, template: str, jobs: Sequence[_Job], digests: Gathered
    ) -> Sequence[Content | ChatpushError]:
        if not template:
            return [
                gathered(job.accepted.content, digests.get(job.row["id"], []))
                if job.accepted.content
                else InvalidTemplate("the message has no content")
                for job in jobs
            ]
        try:
            version = await self._templates.get(tenant, template)
        except ChatpushError as error:
            return [error for _ in jobs]
        renderings = [
            Rendering(job.user, job.accepted.locale or job.user.locale, self._data(tenant, job, digests))
            for job in jobs
        ]
        return await self._templates.render(version, renderings)

    def _data(self, tenant: TenantId, job: _Job, digests: Gathered) -> dict[str, Any]:
        """Return the message's data with the recipient's own over it, and what a digest gathered."""
        sealed, items = job.row["data_sealed"], digests.get(job.row["id"])
        more = {"digest": {"count": len(items), "items": items}} if items else {}
        if sealed is None:
            return {**job.accepted.data, **more}
        own = self._vault.open_json(tenant, job.user.id, "delivery", "data", job.row["id"], sealed)
        return {**job.accepted.data, **own, **more}

    async def _filter(
        self, rendered: list[tuple[_Job, OutgoingMessage]]
    ) -> tuple[list[tuple[_Job, OutgoingMessage]], list[Concluded]]:
        """Pass every message through the plugins, all at once; the first Drop ends it."""
        if not self._plugins.has("filter_message"):
            return rendered, []
        verdicts = await asyncio.gather(*(self._plugins.filter_message(message) for _, message in rendered))
        passed: list[tuple[_Job, OutgoingMessage]] = []
        dropped: list[Concluded] = []
        for (job, _), verdict in zip(rendered, verdicts, strict=True):
            if isinstance(verdict, Drop):
                outcome = Outcome(DeliveryState.SUPPRESSED, verdict.reason[:LONGEST_REASON] or "filtered")
                dropped.append((job.row, outcome, "filter"))
            else:
                passed.append((job, verdict))
        return passed, dropped


def _outcome(decision: Decision) -> Outcome:
    if decision.verdict is Verdict.DEFER:
        return Outcome(DeliveryState.SCHEDULED, decision.reason, decision.until)
    expired = decision.reason == "expired"
    return Outcome(DeliveryState.EXPIRED if expired else DeliveryState.SUPPRESSED, decision.reason)


def _outgoing(tenant: TenantId, job: _Job, content: Content) -> OutgoingMessage:
    return OutgoingMessage(
        tenant=tenant,
        message=MessageId(job.row["message"]),
        delivery=DeliveryId(job.row["id"]),
        user=job.user,
        category=job.accepted.category,
        template=job.template,
        content=content,
        campaign=CampaignId(job.row["campaign"]) if job.row["campaign"] else None,
        priority=job.accepted.priority.value,
        ttl_seconds=job.accepted.ttl_seconds,
        collapse_key=job.row["collapse_key"],
        silent=job.accepted.silent,
        badge=None if isinstance(job.accepted.badge, bool) else job.accepted.badge,
        display_seconds=job.accepted.display_seconds,
    )
