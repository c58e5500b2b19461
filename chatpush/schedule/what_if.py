"""Replay a window of the past through a changed campaign, template, filter or policy, before it is enabled.

The firings that a clock would have had, or the events that really came, meet
today's audience; each user's messages go through the policy at their own
moments, beside what the user really got from others. The first messages of a
page are rendered and shown to the filters. Nothing is sent and nothing is
written. A call does one page of users and says where the next begins, so that
the work is bounded and whoever asks can show how far it is; counts add up.

Messages of a digest count as the one that would have been sent, and one that
still waits gives way to the next of its collapse key. What can't be known is
left out: picks are today's, and each channel a user can be reached by counts as
used.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from chatpush.clock import Clock
from chatpush.domain import CampaignId, Category, Event, TenantId, User, UserId, from_ms, to_ms
from chatpush.errors import InvalidInput
from chatpush.notify.audience.audience import Audience
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.consenting import INBOX
from chatpush.notify.deciding.experiments import HOLDOUT, assign
from chatpush.notify.deciding.policy import Past
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.messages.drafts import LIVE, Accepted
from chatpush.notify.messages.messages import Messages
from chatpush.notify.sending.jobs import Job
from chatpush.notify.templates.templates import Templates
from chatpush.notify.templates.wording import Wording
from chatpush.plugins.host import Plugins
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.schedule.campaigns import Campaigns
from chatpush.schedule.definition import Definition
from chatpush.schedule.drafting import Addressed, Drafting, draft
from chatpush.schedule.replay import SENT, WAITING, Played, Tally, more, play
from chatpush.schedule.triggered import matches
from chatpush.schedule.triggers import EventTrigger, upcoming
from chatpush.store.database import Database
from chatpush.store.parameters import among
from chatpush.store.vault import Vault

LONGEST_WINDOW = timedelta(days=31)
MOST_USERS = 10_000
MOST_FIRINGS = 1000
MOST_MESSAGES = 100_000
MOST_RENDERED = 1000
MOST_SAMPLES = 10
USERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be replayed. ``campaign`` "" for one that is not stored; ``policy`` and ``plugins`` as in settings."""

    spec: Mapping[str, Any]
    since: datetime
    until: datetime
    campaign: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after: str = ""
    users: int = 1000


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as it would have been."""

    user: UserId
    at: datetime
    title: str
    body: str


@dataclass(slots=True)
class Answer:
    """What would have become of a page of users; ``after`` None: it was the last page.

    ``audience`` is how many users there are in all, counted with the first page only. Of ``rendered`` messages
    those in ``dropped`` were refused by a filter and those in ``broken`` could not be rendered.
    """

    since: datetime
    until: datetime
    firings: int
    audience: int | None
    users: int = 0
    after: UserId | None = None
    tally: Tally = field(default_factory=Tally)
    rendered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    cost: Decimal = Decimal(0)
    currency: str = ""
    really: dict[str, int] = field(default_factory=dict)
    really_suppressed: dict[str, int] = field(default_factory=dict)
    samples: list[Shown] = field(default_factory=list)


RulesWith = Callable[[Mapping[str, Any]], Rules]
PluginsWith = Callable[[Mapping[str, Mapping[str, Any]]], Plugins]
Estimate = Callable[[TenantId, int], Awaitable[tuple[Decimal, str]]]
"""Returns what so many messages more would cost by the tenant's plan, and the currency."""


class WhatIf:
    """Answers questions about what would have been."""

    def __init__(
        self, database: Database, vault: Vault, campaigns: Campaigns, messages: Messages, audience: Audience,
        users: Users, templates: Templates, drafting: Drafting, behaviour: Behaviour, estimate: Estimate,
        clock: Clock, rules_with: RulesWith, plugins_with: PluginsWith,
        channel_prices: Mapping[str, Decimal],
    ) -> None:  # fmt: skip
        self._database = database
        self._vault = vault
        self._campaigns = campaigns
        self._messages = messages
        self._audience = audience
        self._users = users
        self._templates = templates
        self._drafting = drafting
        self._behaviour = behaviour
        self._estimate = estimate
        self._clock = clock
        self._rules_with = rules_with
        self._plugins_with = plugins_with
        self._prices = channel_prices

    def window(
        self, since: datetime | None, until: datetime | None, span: timedelta
    ) -> tuple[datetime, datetime]:
        """Return a window's ends; it ends now and is ``span`` long, unless they are given."""
        ends = until or self._clock.now()
        return since or ends - span, ends

    async def of(self, tenant: TenantId, question: Question) -> Answer:
        """Replay one page of users.

        Raises:
            InvalidInput: a part of the definition, the window, the policy or the settings can't be used.
            NotFound: there is no such campaign.
        """
        _check_window(question, self._clock.now())
        definition = await self._campaigns.checked(tenant, question.spec, question.since)
        name = CampaignId(question.campaign or "what if")
        accepted = await self._messages.check(
            tenant, draft(definition, name, [Addressed(User(tenant, UserId("anybody")), {})])
        )
        rules = self._rules_with(question.policy)
        answer = Answer(question.since, question.until, 0, None)
        moments = await self._moments(tenant, definition, question, answer)
        people = await self._users.get_many(tenant, list(moments))
        await self._vault.ready(tenant)
        got = await self._got(tenant, question, list(people), rules)
        played: list[tuple[User, Played, str]] = []
        for user, at in moments.items():
            person = people.get(user)
            if person is None:
                continue  # erased since
            answer.users += 1
            variant = assign(accepted.variants, accepted.holdout, name, user)
            for one in self._of_user(rules, person, accepted, at, got.get(user, ()), question.until, variant):
                answer.tally.count(one)
                played.append((person, one, variant))
        sent = [one for one in played if one[1].outcome == SENT]
        for _, _, variant in sent:
            if variant:
                more(answer.tally.variants, variant)
        await self._render(tenant, definition, accepted, question, sent[:MOST_RENDERED], answer)
        await self._cost(tenant, accepted, sent, answer)
        await self._really(tenant, question, answer)
        return answer

    def _of_user(
        self, rules: Rules, person: User, accepted: Accepted, at: Sequence[datetime], got: Sequence[Past],
        until: datetime, variant: str,
    ) -> list[Played]:  # fmt: skip
        if variant == HOLDOUT:
            return [Played("suppressed", moment, HOLDOUT) for moment in at]
        return play(rules, person, accepted, at, got, until)

    async def _moments(
        self, tenant: TenantId, definition: Definition, question: Question, answer: Answer
    ) -> dict[UserId, list[datetime]]:
        """Return when each user of the page would have got it."""
        if isinstance(definition.trigger, EventTrigger):
            return await self._after_events(tenant, definition, definition.trigger, question, answer)
        slots = upcoming(definition.trigger, question.since, MOST_FIRINGS + 1)
        firings = [slot.at for slot in slots if slot.at <= question.until]
        if len(firings) > MOST_FIRINGS:
            raise InvalidInput(f"more than {MOST_FIRINGS} firings; take a shorter window", param="since")
        answer.firings = len(firings)
        if not question.after:
            answer.audience = await self._audience.count(tenant, definition.to)
        size = max(1, min(question.users, MOST_MESSAGES // max(1, len(firings))))
        page = await self._audience.page(tenant, definition.to, UserId(question.after), size)
        answer.after = page.cursor
        if not firings:
            return {user: [] for user in page.users}
        people = list((await self._users.get_many(tenant, page.users)).values())
        found: dict[UserId, list[datetime]] = {user: [] for user in page.users}
        for firing in firings:
            due = await self._drafting.moments(tenant, definition, people, firing)
            for user in page.users:
                found[user].append(due.get(user, firing))
        return found

    async def _after_events(
        self, tenant: TenantId, definition: Definition, trigger: EventTrigger, question: Question,
        answer: Answer,
    ) -> dict[UserId, list[datetime]]:  # fmt: skip
        users, answer.after = await self._behaviour.users_of_type(
            tenant, trigger.type, question.since, question.until, question.after, question.users
        )
        if not question.after:
            answer.audience = await self._behaviour.count_users_of_type(
                tenant, trigger.type, question.since, question.until
            )
        events: list[Event] = []
        for start in range(0, len(users), USERS_AT_ONCE):
            events += await self._behaviour.of_type(
                tenant, trigger.type, question.since, question.until, users[start : start + USERS_AT_ONCE],
                MOST_MESSAGES,
            )  # fmt: skip
        wanted = [event for event in events if matches(trigger.match, event.properties)]
        answer.firings = len(wanted)
        people = await self._users.get_many(tenant, users)
        found: dict[UserId, list[datetime]] = {user: [] for user in users}
        for event in wanted:
            at = event.at + trigger.delay
            person = people.get(event.user)
            due = await self._drafting.moments(tenant, definition, [person], at) if person else {}
            found[event.user].append(due.get(event.user, at))
        return found

    async def _got(
        self, tenant: TenantId, question: Question, users: Sequence[UserId], rules: Rules
    ) -> dict[UserId, tuple[Past, ...]]:
        """Return what users really got from everything else, early enough to count."""
        found: dict[UserId, tuple[Past, ...]] = {}
        since = to_ms(question.since - rules.longest_window)
        for start in range(0, len(users), USERS_AT_ONCE):
            names, params = among(users[start : start + USERS_AT_ONCE])
            for row in await self._database.read(
                "SELECT user_id, settled_at, category, topic FROM delivery WHERE tenant = :t"
                f" AND user_id IN {names} AND category <> 'transactional' AND settled_at > :since"
                " AND settled_at <= :until AND campaign <> :c",
                t=tenant, since=since, until=to_ms(question.until), c=question.campaign or "what if", **params,
            ):  # fmt: skip
                got = Past(from_ms(row["settled_at"]), Category(row["category"]), row["topic"])
                found[row["user_id"]] = (*found.get(row["user_id"], ()), got)
        return found

    async def _render(
        self, tenant: TenantId, definition: Definition, accepted: Accepted, question: Question,
        sent: Sequence[tuple[User, Played, str]], answer: Answer,
    ) -> None:  # fmt: skip
        """Give the first messages their words and show them to the filters."""
        if not sent:
            return
        users = list(dict.fromkeys(person.id for person, _, _ in sent))
        data = {
            one.user.id: one.data
            for one in await self._drafting.address(tenant, definition, users, noted=False)
        }
        unaddressed = [one for one in sent if one[0].id not in data]
        for _ in unaddressed:
            answer.tally.drop("nothing_to_recommend")
        jobs = [
            Job(_row(number, person, played, variant), person, accepted, (), dict(data[person.id]))
            for number, (person, played, variant) in enumerate(sent)
            if person.id in data
        ]
        plugins = self._plugins_with(question.plugins)
        try:
            wording = Wording(self._templates, plugins, self._vault)
            rendered, broken = await wording.render(tenant, jobs, _digests(accepted, jobs, sent))
            passed, dropped = await wording.filter(rendered)
        finally:
            plugins.close()
        answer.rendered = len(jobs)
        for _, outcome, _ in broken:
            more(answer.broken, outcome.reason)
        for _, outcome, _ in dropped:
            more(answer.dropped, outcome.reason)
        answer.samples = [
            Shown(job.user.id, from_ms(job.row["due_at"]), message.content.title, message.content.body)
            for job, message in passed[:MOST_SAMPLES]
        ]

    async def _cost(
        self, tenant: TenantId, accepted: Accepted, sent: Sequence[tuple[User, Played, str]], answer: Answer
    ) -> None:
        """Estimate the plan's price of so many messages more, and what each channel's provider takes."""
        channels = answer.tally.channels
        if accepted.shows:
            channels[LIVE] = sum(INBOX not in played.closed for _, played, _ in sent)
        if away := accepted.away_channels:
            reachable = await self._reachable(tenant, [person.id for person, _, _ in sent], away)
            for person, played, _ in sent:
                for channel in reachable.get(person.id, ()):
                    if channel not in played.closed:
                        more(channels, channel)
        answer.cost, answer.currency = await self._estimate(tenant, len(sent))
        answer.cost += sum(
            (self._prices.get(name, Decimal(0)) * count for name, count in channels.items()), Decimal(0)
        )

    async def _reachable(
        self, tenant: TenantId, users: Sequence[UserId], channels: Sequence[str]
    ) -> dict[UserId, list[str]]:
        found: dict[UserId, list[str]] = {}
        names = list(dict.fromkeys(users))
        for start in range(0, len(names), USERS_AT_ONCE):
            those, who = among(names[start : start + USERS_AT_ONCE], "u")
            wanted, which = among(channels, "c")
            for row in await self._database.read(
                f"SELECT DISTINCT user_id, channel FROM endpoint WHERE tenant = :t AND user_id IN {those}"
                f" AND channel IN {wanted}",
                t=tenant, **who, **which,
            ):  # fmt: skip
                found.setdefault(UserId(row["user_id"]), []).append(row["channel"])
        return found

    async def _really(self, tenant: TenantId, question: Question, answer: Answer) -> None:
        """Count what the campaign really did to the same users."""
        if not question.campaign:
            return
        rows = await self._database.read(
            "SELECT state, reason, COUNT(*) AS n FROM delivery WHERE tenant = :t AND campaign = :c"
            " AND created_at > :since AND created_at <= :until AND user_id > :first"
            + (" AND user_id <= :last" if answer.after is not None else "")
            + " GROUP BY state, reason",
            t=tenant, c=question.campaign, since=to_ms(question.since), until=to_ms(question.until),
            first=question.after, **({"last": answer.after} if answer.after is not None else {}),
        )  # fmt: skip
        for row in rows:
            more(answer.really, row["state"], row["n"])
            if row["state"] == "suppressed" or row["reason"] == "collapsed":
                more(answer.really_suppressed, row["reason"], row["n"])


def _digests(
    accepted: Accepted, jobs: Sequence[Job], sent: Sequence[tuple[User, Played, str]]
) -> dict[str, list[dict[str, Any]]]:
    """Return what each digest would have gathered, by its delivery that never was."""
    if accepted.digest is None:
        return {}
    gathered = {f"dlv_{number}": played.gathered for number, (_, played, _) in enumerate(sent)}
    return {job.row["id"]: [{**accepted.data, **(job.own or {})}] * gathered[job.row["id"]] for job in jobs}


def _row(number: int, person: User, played: Played, variant: str) -> dict[str, Any]:
    """Return what rendering needs of a delivery that never was."""
    return {
        "id": f"dlv_{number}", "message": "msg_what_if", "user_id": person.id, "campaign": "", "variant": variant,
        "collapse_key": "", "data_sealed": None, "settled_at": None, "expires_at": None,
        "due_at": to_ms(played.at), "state": WAITING,
    }  # fmt: skip


def _check_window(question: Question, now: datetime) -> None:
    if question.since.tzinfo is None or question.until.tzinfo is None:
        raise InvalidInput("since and until have an offset, such as Z", param="since")
    if not question.since < question.until <= now.astimezone(UTC) + timedelta(minutes=1):
        raise InvalidInput("the window begins before it ends, and ends in the past", param="since")
    if question.until - question.since > LONGEST_WINDOW:
        raise InvalidInput(f"the window is at most {LONGEST_WINDOW.days} days", param="since")
    if not 1 <= question.users <= MOST_USERS:
        raise InvalidInput(f"a page has 1 to {MOST_USERS} users", param="users")
