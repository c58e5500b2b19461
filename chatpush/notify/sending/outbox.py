"""Send what is due: policy, rendering, filters, delivery, many at a time.

The loop sleeps until somebody rings or the next delivery is due; there is no
polling, so a message for one user is on the open page some milliseconds after
it was accepted. What was written a moment ago is handed over in memory
(``handing``); everything else is claimed from the queue on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import structlog

from chatpush.clock import Clock
from chatpush.domain import Category, DeliveryState, TenantId, UserId, from_ms
from chatpush.errors import Unavailable, VaultError
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.digests import Digests
from chatpush.notify.deciding.policy import Decision, Past, Verdict, closed_to, decide
from chatpush.notify.deciding.ruling import Rules, facts_of
from chatpush.notify.messages.accepted import AcceptedMessages
from chatpush.notify.messages.drafts import Accepted
from chatpush.notify.sending.claims import Claim, Claims, Outcome
from chatpush.notify.sending.delivery import Delivery
from chatpush.notify.sending.handing import Handed, Handing
from chatpush.notify.sending.jobs import Concluded, Job
from chatpush.notify.sending.marking import Ready
from chatpush.notify.templates.wording import Wording
from chatpush.rounds import Worker
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.05

HoldBack = Callable[[TenantId, Sequence[UserId]], Awaitable[Mapping[UserId, str]]]
"""Says which users get no marketing right now, and why; asked before every batch."""


class Outbox(Worker):
    """The worker that empties the queue."""

    def __init__(
        self, claims: Claims, users: Users, accepted: AcceptedMessages, wording: Wording, delivery: Delivery,
        vault: Vault, clock: Clock, rules: Rules, digests: Digests, handing: Handing, *, batch: int = 256,
        sole: bool = True,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._users = users
        self._accepted = accepted
        self._wording = wording
        self._delivery = delivery
        self._vault = vault
        self._clock = clock
        self._rules = rules
        self._digests = digests
        self.handing = handing
        self._batch = batch
        self._sole = sole
        self.hold_back: HoldBack | None = None
        self._looked = 0.0
        super().__init__("notify.outbox", self.turn)

    async def start(self) -> None:
        """Begin; a sole worker first takes back what an earlier process had claimed."""
        if self._sole:
            await self._claims.release_all()
        self.handing.open()
        await super().start()

    async def stop(self) -> None:
        """Finish the present batch; what was handed over and not begun waits for the next start."""
        left = self.handing.close()
        await super().stop()
        for handed in left:
            await self._claims.release(handed.tenant, [row["id"] for row in handed.rows])

    async def turn(self) -> float | None:
        """Process one batch of each kind; return the seconds until the next is due, None if none is."""
        now = self._clock.now()
        handed = self._take()
        for tenant, group in handed.items():
            await self._process_handed(tenant, group, now)
        if handed and not await self._is_time_to_look(now):
            return 0
        claims = await self._claims.claim(now, self._batch, self._rules.longest_window)
        by_tenant: dict[TenantId, list[Claim]] = {}
        for claim in claims:
            by_tenant.setdefault(TenantId(claim.delivery["tenant"]), []).append(claim)
        for tenant, own in by_tenant.items():
            await self._process_claims(tenant, own, now)
        if claims or handed:
            return 0
        due = await self._claims.next_due()
        return None if due is None else max(0.001, (due - self._clock.now()).total_seconds())

    async def _is_time_to_look(self, now: datetime) -> bool:
        """Whether something on disk is due beside what was handed over; asked some times a second at most."""
        moment = self._clock.monotonic()
        if moment - self._looked < LOOK_SECONDS:
            return False
        self._looked = moment
        return await self._claims.is_due(now)

    async def deliver(self, tenant: TenantId, deliveries: Sequence[str]) -> None:
        """Process deliveries that were written as claimed, at once and in pieces."""
        for start in range(0, len(deliveries), self._batch):
            now = self._clock.now()
            claims = await self._claims.facts(
                tenant, deliveries[start : start + self._batch], now - self._rules.longest_window
            )
            if claims:
                await self._process_claims(tenant, claims, now)

    def _take(self) -> dict[TenantId, list[Handed]]:
        """Return about a batch of what was handed over."""
        found: dict[TenantId, list[Handed]] = {}
        count = 0
        while count < self._batch and (handed := self.handing.take()) is not None:
            found.setdefault(handed.tenant, []).append(handed)
            count += len(handed.rows)
        return found

    async def _jobs_of(self, tenant: TenantId, group: list[Handed], now: datetime) -> list[Job]:
        """Return what was handed over with its users and what they got before; erased users drop out.

        Their deliveries were cancelled by the erasure.
        """
        known = {user: person for handed in group for user, person in handed.people.items()}
        wanted = [UserId(row["user_id"]) for handed in group for row in handed.rows]
        unknown = [user for user in wanted if user not in known]
        if unknown:
            known |= await self._users.get_many(tenant, unknown)
        await self._vault.ready_many(tenant, list(dict.fromkeys(wanted)))
        capped = [
            row["user_id"]
            for handed in group
            if handed.accepted.category is not Category.TRANSACTIONAL
            for row in handed.rows
        ]
        past = await self._claims.past(tenant, capped, now - self._rules.longest_window) if capped else {}
        return [
            Job(row, person, handed.accepted, past.get(person.id, ()), handed.own.get(person.id, {}))
            for handed in group
            for row in handed.rows
            if (person := known.get(UserId(row["user_id"]))) is not None
        ]

    async def _process_handed(self, tenant: TenantId, group: list[Handed], now: datetime) -> None:
        try:
            jobs = await self._jobs_of(tenant, group, now)
        except Unavailable:
            raise
        # The edge of the worker: what can't be opened goes back to the queue, which takes it row by row.
        except Exception:
            log.exception("what was handed over could not be opened", tenant=tenant)
            await self._claims.release(tenant, [row["id"] for handed in group for row in handed.rows])
            return
        await self._process_or_isolate(tenant, jobs, [], now)

    async def _process_claims(self, tenant: TenantId, claims: list[Claim], now: datetime) -> None:
        try:
            jobs, concluded = await self._open(tenant, claims)
        except Unavailable:
            raise
        # The edge of the worker: a row that can't be opened must not hold up the 255 others for ever.
        except Exception as error:
            log.exception("batch could not be opened", tenant=tenant, deliveries=len(claims))
            if len(claims) == 1:
                await self._fail(tenant, claims[0].delivery, error, now)
                return
            for claim in claims:
                await self._process_claims(tenant, [claim], now)
            return
        await self._process_or_isolate(tenant, jobs, concluded, now)

    async def _process_or_isolate(
        self, tenant: TenantId, jobs: list[Job], concluded: list[Concluded], now: datetime
    ) -> None:
        """Process a batch; if something in it breaks, each by itself, so that one bad row fails alone.

        Whatever the batch had done already is not done again: a delivery that
        is not pending any more is left alone, a publication has its key.
        """
        try:
            await self._process(tenant, jobs, concluded, now)
        except Unavailable:
            raise
        # The edge of the worker, as above.
        except Exception as error:
            log.exception("batch failed", tenant=tenant, deliveries=len(jobs))
            if len(jobs) == 1:
                await self._fail(tenant, jobs[0].row, error, now)
                return
            for job in jobs:
                await self._process_or_isolate(tenant, [job], [], now)

    async def _fail(self, tenant: TenantId, row: dict[str, object], error: Exception, now: datetime) -> None:
        outcome = Outcome(DeliveryState.FAILED, f"internal: {type(error).__name__}", attempted=True)
        await self._claims.conclude(tenant, [(row, outcome, "outbox")], now)

    async def _process(
        self, tenant: TenantId, jobs: list[Job], concluded: list[Concluded], now: datetime
    ) -> None:
        held = await self._held(tenant, jobs)
        jobs, decided, allowed = self._decide(jobs, now, held)
        gathering = {job.row["id"]: job.row["user_id"] for job in jobs if job.row["digest_key"]}
        digests = await self._digests.items(tenant, gathering)
        messages, broken = await self._wording.render(tenant, jobs, digests)
        written = [message.content for _, message in messages]
        passed, dropped = await self._wording.filter(messages)
        before = dict(zip((job.row["id"] for job, _ in messages), written, strict=True))
        ready = []
        for job, message in passed:
            delivery, content = job.row["id"], message.content
            filtered = content is not before[delivery] and content != before[delivery]
            decision = allowed[delivery]
            ready.append(Ready(job.row, message, job.accepted, decision.reason, filtered, decision.closed))
        outcomes = [*concluded, *decided, *broken, *dropped]
        if outcomes:
            await asyncio.gather(
                self._claims.conclude(tenant, outcomes, now), self._delivery.send(tenant, ready)
            )
        else:
            await self._delivery.send(tenant, ready)

    async def _open(self, tenant: TenantId, claims: list[Claim]) -> tuple[list[Job], list[Concluded]]:
        """Open users and messages; whose user was erased is cancelled."""
        rows = {claim.user["id"]: claim.user for claim in claims if claim.user is not None}
        await self._vault.ready_many(tenant, list(rows))
        users = {user.id: user for user in await self._users.of_rows(tenant, list(rows.values()))}
        jobs: list[Job] = []
        concluded: list[Concluded] = []
        for claim in claims:
            user = users.get(claim.delivery["user_id"])
            accepted = await self._accepted_of(claim) if user is not None else None
            if user is None or accepted is None:
                outcome = Outcome(DeliveryState.CANCELLED, "user_erased")
                concluded.append((claim.delivery, outcome, "policy"))
            else:
                jobs.append(Job(claim.delivery, user, accepted, claim.past))
        return jobs, concluded

    async def _accepted_of(self, claim: Claim) -> Accepted | None:
        try:
            return await self._accepted.of_row(claim.message)
        except VaultError:
            return None

    async def _held(self, tenant: TenantId, jobs: list[Job]) -> Mapping[UserId, str]:
        """Return why some users get no marketing right now."""
        asked = sorted({job.user.id for job in jobs if job.accepted.category is Category.MARKETING})
        return await self.hold_back(tenant, asked) if asked and self.hold_back is not None else {}

    def _decide(
        self, jobs: list[Job], now: datetime, held: Mapping[UserId, str]
    ) -> tuple[list[Job], list[Concluded], dict[str, Decision]]:
        """Ask the policy; return the jobs that may go on, the others, and what was decided of the former."""
        going: list[Job] = []
        concluded: list[Concluded] = []
        allowed: dict[str, Decision] = {}
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
                # What its user closed since then ends the rest of its way there.
                closed = closed_to(facts_of(self._rules, job.user, job.accepted, now, ()))
                reason = "no_receipt" if job.row["stage"] else "resumed"
                allowed[job.row["id"]] = Decision(Verdict.SEND, reason, closed=closed)
                continue
            past = job.past + sent_now.get(job.user.id, ())
            expires = job.row["expires_at"]
            facts = facts_of(
                self._rules, job.user, job.accepted, now, past,
                topic=job.row["topic"], expires_at=from_ms(expires) if expires is not None else None,
                held=held.get(job.user.id, ""),
            )  # fmt: skip
            decision = decide(facts)
            if decision.verdict is Verdict.SEND:
                going.append(job)
                allowed[job.row["id"]] = decision
                got = Past(now, job.accepted.category, job.row["topic"])
                sent_now[job.user.id] = (*sent_now.get(job.user.id, ()), got)
            else:
                concluded.append((job.row, _outcome(decision), "policy"))
        return going, concluded, allowed


def _outcome(decision: Decision) -> Outcome:
    if decision.verdict is Verdict.DEFER:
        return Outcome(DeliveryState.SCHEDULED, decision.reason, decision.until)
    expired = decision.reason == "expired"
    return Outcome(DeliveryState.EXPIRED if expired else DeliveryState.SUPPRESSED, decision.reason)
