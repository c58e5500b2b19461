"""Let one room ask another through the small shapes it declared.

Each function closes over the services it needs and returns what a room's
constructor asks for; ``app.py`` hands them over.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from chatpush.account.billing import Billing
from chatpush.account.people import People
from chatpush.account.plans import Kind
from chatpush.channels.email import Email
from chatpush.clock import Clock
from chatpush.domain import (
    VISITOR_PREFIX,
    Category,
    Content,
    DeliveryId,
    Event,
    EventId,
    ItemId,
    MessageId,
    OutgoingMessage,
    TenantId,
    User,
    UserId,
    new_id,
)
from chatpush.errors import ChatpushError, InvalidInput, InvalidSettings, PluginFailed
from chatpush.notify.audience.users import UserChange, Users
from chatpush.notify.deciding.hours import parse_window
from chatpush.notify.deciding.policy import Cap
from chatpush.notify.deciding.ruling import FEWER, Rules
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.messages.messages import Messages
from chatpush.notify.reading.disclosing import Discloser
from chatpush.notify.sending.outbox import HoldBack
from chatpush.plugins import loader
from chatpush.plugins.host import Plugins
from chatpush.realtime.hub import Hub
from chatpush.realtime.identity.tokens import Tokens
from chatpush.recommend.behaviour.behaviour import Behaviour
from chatpush.schedule.reactor import React
from chatpush.settings import Notify as NotifySettings
from chatpush.settings import Settings
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.wishes import Wish, WishKind
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.ports import (
    CarryOut,
    IssueSubscription,
    Letter,
    LocaleOf,
    Notice,
    Notify,
    PersonName,
    ReaderOf,
    SendLetter,
)

SUBSCRIPTION_LIFE = timedelta(hours=12)
SIGNED_IN = "signed_in"
OPEN_COMPLAINT = "open_complaint"
MOST_TURNS = 10_000
PROMISE_TTL_SECONDS = 7 * 24 * 3600


POLICY = ("marketing_cap", "marketing_cap_hours", "marketing_needs_consent", "default_quiet_hours", "caps")
"""What a what-if may change of ``[notify]``."""


def rules_with(notify: NotifySettings) -> Callable[[Mapping[str, Any]], Rules]:
    """Return what makes the policy of changed settings."""

    def changed(policy: Mapping[str, Any]) -> Rules:
        unknown = [name for name in policy if name not in POLICY]
        if unknown:
            raise InvalidInput(
                f"no {unknown[0][:40]!r} in the policy; there are {', '.join(POLICY)}", param="policy"
            )
        try:
            return rules_of(NotifySettings.model_validate({**notify.model_dump(), **policy}))
        except (ValidationError, ChatpushError) as error:
            problem = error.message if isinstance(error, ChatpushError) else error.errors()[0]["msg"]
            raise InvalidInput(f"policy: {problem}", param="policy") from error

    return changed


def price_of_messages(billing: Billing) -> Callable[[TenantId, int], Awaitable[tuple[Decimal, str]]]:
    """Return what tells the price of messages by a tenant's plan."""

    async def price(tenant: TenantId, count: int) -> tuple[Decimal, str]:
        return await billing.estimate(tenant, Kind.MESSAGES, count)

    return price


def plugins_with(settings: Settings, clock: Clock) -> Callable[[Mapping[str, Mapping[str, Any]]], Plugins]:
    """Return what loads the plugins anew, some with changed settings; they share nothing with those that run."""

    def changed(own: Mapping[str, Mapping[str, Any]]) -> Plugins:
        present = settings.plugins
        merged = {name: {**present.settings.get(name, {}), **more} for name, more in own.items()}
        plugins = present.model_copy(update={"settings": {**present.settings, **merged}})
        try:
            return loader.load(settings.model_copy(update={"plugins": plugins}), clock)
        except PluginFailed as error:
            raise InvalidInput(error.message, param="plugins") from error

    return changed


def rules_of(notify: NotifySettings) -> Rules:
    """Return the installation's policy.

    Raises:
        InvalidSettings: ``notify.default_quiet_hours`` is not ``HH:MM-HH:MM``.
    """
    try:
        quiet = parse_window(notify.default_quiet_hours)
    except InvalidInput as error:
        raise InvalidSettings(f"notify.default_quiet_hours: {error.message}") from error
    return Rules(
        marketing_cap=notify.marketing_cap,
        marketing_cap_window=timedelta(hours=notify.marketing_cap_hours),
        marketing_needs_consent=notify.marketing_needs_consent,
        default_quiet_hours=quiet,
        caps=tuple(
            Cap(
                rule.max,
                timedelta(hours=rule.hours),
                Category(rule.category) if rule.category else None,
                rule.topic,
            )
            for rule in notify.caps
        ),
    )


def issue_subscription(tokens: Tokens) -> IssueSubscription:
    """Let conversations hand out the right to listen to them."""

    async def issue(tenant: TenantId, user: UserId, channel: str) -> str:
        return await tokens.issue_subscription(tenant, user, channel, SUBSCRIPTION_LIFE)

    return issue


def locale_of(users: Users) -> LocaleOf:
    """Let the assistant know a user's language."""

    async def find(tenant: TenantId, user: UserId) -> str:
        found = await users.find(tenant, user)
        return found.locale if found else ""

    return find


def reader_of(users: Users) -> ReaderOf:
    """Let knowledge know which audiences a user belongs to."""

    async def find(tenant: TenantId, user: UserId) -> frozenset[str]:
        if user.startswith(VISITOR_PREFIX):
            return frozenset()
        found = await users.find(tenant, user)
        given = found.attributes if found is not None else {}
        named = {
            f"{name}={str(value).lower() if isinstance(value, bool) else value}"
            for name, value in given.items()
        }
        return frozenset({SIGNED_IN, *named})

    return find


def carry_out(users: Users, behaviour: Behaviour, clock: Clock) -> CarryOut:
    """Let a reader's wish become a consent, an attribute, or a mute that the recommender keeps to."""

    async def carry(
        tenant: TenantId, user: UserId, wish: Wish, before: dict[str, Any] | None
    ) -> dict[str, Any]:
        undo = before is not None
        if wish.kind in (WishKind.STOP, WishKind.FEWER):
            found = await users.find(tenant, user)
            had = found.consents.get(Category.MARKETING) if found is not None else None
            own = found.channel_consents.get(Category.MARKETING, {}) if found is not None else {}
            if wish.kind is WishKind.STOP:
                # Undoing never gives a consent that was not there.
                given = before or {}
                change = UserChange(
                    consents={Category.MARKETING: bool(given.get("consent"))},
                    channel_consents={Category.MARKETING: dict.fromkeys(given.get("channels", ()), True)},
                )
            else:
                change = UserChange(attributes={FEWER: None if undo else True})
            await users.put(tenant, user, change, via="conversation")
            return {"consent": had is True, "channels": [name for name, yes in own.items() if yes]}
        properties = {"brand": wish.value} if wish.kind is WishKind.BRAND else {}
        item = ItemId(wish.value) if wish.kind is WishKind.ITEM else None
        kind = "unmute" if undo else "mute"
        event = Event(
            tenant,
            EventId(new_id("evt")),
            user,
            kind,
            clock.now(),
            item,
            {**properties, "via": "conversation"},
        )
        await behaviour.record(tenant, [event])
        return {}

    return carry


def hold_back(conversations: Conversations) -> HoldBack:
    """Keep promotions away from whoever waits for a person or talks to one."""

    async def held(tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, str]:
        return dict.fromkeys(await conversations.waiting_for_people(tenant, users), OPEN_COMPLAINT)

    return held


def tell_of_promise(messages: Messages, hub: Hub) -> Notify:
    """Put a kept promise into the inbox too, unless its user sees the conversation right now."""

    async def tell(notice: Notice) -> None:
        if _is_watching(hub, notice):
            return
        draft = MessageDraft(
            to=(Recipient(user=notice.user),),
            content=Content(
                notice.title,
                notice.text,
                data={"conversation": notice.conversation, "promise": notice.promise},
            ),
            locale=notice.locale or None,
            category=Category.TRANSACTIONAL,
            ttl_seconds=PROMISE_TTL_SECONDS,
        )
        await messages.accept(notice.tenant, draft, f"promise:{notice.promise}")

    return tell


def _is_watching(hub: Hub, notice: Notice) -> bool:
    """Return whether a page of the user has the conversation open: there the turn itself says it."""
    watching = hub.presence(notice.tenant, f"conversation:{notice.conversation}").values()
    return any(client.user == notice.user for client in watching)


def mail_by(email: Email | None) -> SendLetter | None:
    """Let conversations send mail, if this installation can."""
    if email is None:
        return None

    async def send(letter: Letter) -> None:
        message = OutgoingMessage(
            letter.tenant, MessageId(letter.id), DeliveryId(letter.id), User(letter.tenant, letter.user),
            Category.TRANSACTIONAL, "", Content(letter.subject, letter.body),
        )  # fmt: skip
        await email.send(message, letter.address)

    return send


def name_of(people: People) -> PersonName:
    """Let customer service know what its people are called."""

    async def find(tenant: TenantId, person: str) -> str:
        return next((known.name for known in await people.list(tenant) if known.id == person), "")

    return find


def conversations_of(conversations: Conversations) -> Discloser:
    """Let users take along what was said with them."""

    async def disclose(tenant: TenantId, user: UserId, limit: int) -> list[Any]:
        said = []
        for one in await conversations.of_user(tenant, user, limit):
            turns = await conversations.turns(one, MOST_TURNS)
            words = [{"by": turn.by, "name": turn.name, "text": turn.text, "at": turn.at} for turn in turns]
            said.append({"id": one.id, "created_at": one.created_at, "turns": words})
        return said

    return disclose


def promises_of(promises: Promises) -> Discloser:
    """Let users take along what they were promised."""

    async def disclose(tenant: TenantId, user: UserId, _limit: int) -> list[Any]:
        return list(await promises.list(tenant, user))

    return disclose


def keep_promises(promises: Promises) -> React:
    """Show every event to the promises."""

    async def react(event: Event) -> None:
        await promises.on_event(event)

    return react
