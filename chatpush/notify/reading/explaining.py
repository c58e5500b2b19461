"""Answer a reader's "why did I get this?" in the reader's own language, and an operator's with everything.

Readers learn what decided about them: the kind of message, their own consent,
what made it wait, which channels they closed, what was chosen for them. Names of segments, variants,
plugins and templates are the sender's business and stay there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.domain import DEFAULT_LOCALE, Category, DeliveryId, TenantId, User, UserId, from_ms, language_of
from chatpush.errors import NotFound, VaultError
from chatpush.notify.audience.users import Users
from chatpush.notify.deciding.consenting import INBOX, canonical
from chatpush.notify.reading.trace import Trace, TraceEntry
from chatpush.notify.templates import formats
from chatpush.store.database import Database, Row
from chatpush.store.vault import Vault

WORDS: Mapping[str, Mapping[str, str]] = {
    "about_you": {
        "en": "It is about something of yours: an order, a payment or your account.",
        "zh": "这条消息与您的订单、付款或账户有关。",
    },
    "alerts_on": {
        "en": "You get alerts unless you switch them off in your preferences.",
        "zh": "您没有在偏好设置中关闭提醒，因此会收到。",
    },
    "agreed": {"en": "You agreed to news and offers.", "zh": "您同意接收资讯与优惠。"},
    "agreed_on": {"en": "You agreed to news and offers on {date}.", "zh": "您于{date}同意接收资讯与优惠。"},
    "agreed_by_on": {
        "en": "You agreed to news and offers by {channel} on {date}.",
        "zh": "您于{date}同意通过{channel}接收资讯与优惠。",
    },
    "not_by": {
        "en": "It did not come by {channels}, because you switched that off for such messages.",
        "zh": "它没有通过{channels}发送，因为您对此类消息关闭了该渠道。",
    },
    "for_you": {"en": "It was written for you alone.", "zh": "这条消息只发给了您。"},
    "group": {"en": "You belong to a group it was sent to.", "zh": "您属于这条消息的接收群体。"},
    "chosen": {
        "en": "What it shows was chosen by what you did here. You can switch that off in your preferences.",
        "zh": "其中的内容是根据您在这里的行为挑选的。您可以在偏好设置中关闭。",
    },
    "waited_quiet_hours": {
        "en": "It waited for the end of your quiet hours.",
        "zh": "它等到您的免打扰时段结束后才发出。",
    },
    "waited_frequency_cap": {
        "en": "It waited because you had got enough messages just then.",
        "zh": "当时您收到的消息已经够多，所以它推迟了发送。",
    },
    "another_way": {
        "en": "You had not seen it, so it came another way, too.",
        "zh": "您当时没有看到，所以又通过其他方式发送了一次。",
    },
}
CHANNELS: Mapping[str, Mapping[str, str]] = {
    INBOX: {"en": "the inbox", "zh": "站内信"},
    "email": {"en": "email", "zh": "邮件"},
    "webpush": {"en": "browser notification", "zh": "浏览器通知"},
    "fcm": {"en": "app notification", "zh": "应用推送"},
    "apns": {"en": "app notification", "zh": "应用推送"},
    "apprise": {"en": "chat", "zh": "聊天工具"},
}
"""What readers call the channels; those that plugins bring go by their names."""
WAITED = {"quiet_hours": "waited_quiet_hours", "frequency_cap": "waited_frequency_cap"}


@dataclass(frozen=True, slots=True)
class Grounds:
    """One reason: a stable code, and words."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item that was proposed, how well it scored, and the reason's code."""

    item: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a reader got a message; ``items`` are what was chosen for them, each with its reason."""

    delivery: DeliveryId
    category: Category
    at: datetime
    reasons: tuple[Grounds, ...]
    items: tuple[Mapping[str, Any], ...]

    @property
    def personalized(self) -> bool:
        """Whether it was chosen by behaviour."""
        return bool(self.items)


class Explaining:
    """Explains deliveries of every tenant."""

    def __init__(self, database: Database, vault: Vault, users: Users, trace: Trace) -> None:
        self._database = database
        self._vault = vault
        self._users = users
        self._trace = trace

    async def to_reader(
        self, tenant: TenantId, user: UserId, delivery: DeliveryId, locale: str = ""
    ) -> Explanation:
        """Return why this user got a delivery, by the id the user sees.

        Raises:
            NotFound: it is not the user's own.
        """
        row = await self._own(tenant, user, delivery)
        person = await self._users.find(tenant, user) or User(tenant, user)
        locale = locale or person.locale or DEFAULT_LOCALE
        items = _items(await self._data(row))
        trace = await self._trace.of(tenant, DeliveryId(row["id"]))
        allowed_at = from_ms(row["settled_at"] or row["created_at"])
        reasons = [
            *await self._consent(person, Category(row["category"]), allowed_at, _taken(trace), locale),
            *_audience(row, locale),
            *([_grounds("chosen", locale)] if items else []),
            *_waits(trace, locale),
            *_closed(trace, locale),
        ]
        at = from_ms(row["sent_at"] or row["settled_at"] or row["created_at"])
        return Explanation(delivery, Category(row["category"]), at, tuple(reasons), items)

    async def candidates(self, tenant: TenantId, delivery: DeliveryId) -> list[Candidate]:
        """Return what the recommender proposed for a delivery, best first."""
        rows = await self._database.read(
            "SELECT * FROM delivery WHERE tenant = :t AND id = :d", t=tenant, d=delivery
        )
        picks = (await self._data(rows[0])).get("picks") if rows else None
        return [one for pick in picks if (one := _candidate(pick))] if isinstance(picks, list) else []

    async def _own(self, tenant: TenantId, user: UserId, delivery: DeliveryId) -> Row:
        rows = await self._database.read(
            "SELECT d.*, m.owner FROM delivery AS d JOIN message AS m ON m.tenant = d.tenant AND m.id = d.message"
            " WHERE d.tenant = :t AND d.user_id = :u AND d.id = COALESCE((SELECT i.latest FROM inbox_item AS i"
            " WHERE i.tenant = :t AND i.user_id = :u AND i.delivery = :d), :d)",
            t=tenant, u=user, d=delivery,
        )  # fmt: skip
        if not rows:
            raise NotFound(f"no message {delivery[:64]!r} of yours", param="delivery")
        return rows[0]

    async def _data(self, row: Row) -> Mapping[str, Any]:
        """Return the user's own part of a message's data; nothing after an erasure."""
        if row["data_sealed"] is None:
            return {}
        await self._vault.ready(row["tenant"], row["user_id"])
        try:
            opened = self._vault.open_json(
                row["tenant"], row["user_id"], "delivery", "data", row["id"], row["data_sealed"]
            )
        except VaultError:
            return {}
        return opened if isinstance(opened, Mapping) else {}

    async def _consent(
        self, person: User, category: Category, at: datetime, channels: Collection[str], locale: str
    ) -> list[Grounds]:
        """Say what allowed it: its kind, or the consent that held when it was sent."""
        if category is not Category.MARKETING:
            return [_grounds("about_you" if category is Category.TRANSACTIONAL else "alerts_on", locale)]
        ledger = await self._users.ledger(person.tenant, person.id)
        given = [
            one
            for one in ledger
            if one.category == category and one.granted and one.at <= at and one.channel in {"", *channels}
        ]
        if not given:
            return [_grounds("agreed", locale)]
        date = formats.moment(given[-1].at, "medium", locale, person.timezone)
        if channel := given[-1].channel:
            return [_grounds("agreed_by_on", locale, channel=_called([channel], locale), date=date)]
        return [_grounds("agreed_on", locale, date=date)]


def _candidate(pick: Any) -> Candidate | None:
    """Return a pick as it was written; data of senders may look alike and be anything."""
    if not isinstance(pick, Mapping) or not isinstance(pick.get("score"), int | float):
        return None
    return Candidate(str(pick.get("item", "")), float(pick["score"]), str(pick.get("reason", "")))


def _audience(row: Row, locale: str) -> list[Grounds]:
    if row["owner"] == row["user_id"]:
        return [_grounds("for_you", locale)]
    return [_grounds("group", locale)] if row["topic"] or row["campaign"] else []


def _waits(trace: Sequence[TraceEntry], locale: str) -> list[Grounds]:
    """Say what made it wait, and whether it came by several ways; each once."""
    codes = [
        WAITED[reason]
        for one in trace
        if one.step == "policy"
        and one.verdict == "scheduled"
        and (reason := one.detail.get("reason")) in WAITED
    ]
    if any(one.detail.get("because") == "no_receipt" for one in trace):
        codes.append("another_way")
    return [_grounds(code, locale) for code in dict.fromkeys(codes)]


def _taken(trace: Sequence[TraceEntry]) -> set[str]:
    """Return the channels a message took, by their names in consents."""
    sent = (one.detail.get("channels", ()) for one in trace if one.verdict == "sent")
    return {canonical(channel) for channels in sent for channel in channels}


def _closed(trace: Sequence[TraceEntry], locale: str) -> list[Grounds]:
    """Say by which channels it did not come because the reader had closed them."""
    left_out = [name for one in trace for name in one.detail.get("closed", ())]
    left_out += [
        canonical(one.detail["channel"])
        for one in trace
        if one.detail.get("reason") == "channel_closed" and "channel" in one.detail
    ]
    taken = _taken(trace)
    channels = [name for name in dict.fromkeys(left_out) if name not in taken]
    return [_grounds("not_by", locale, channels=_called(channels, locale))] if channels else []


def _called(channels: Iterable[str], locale: str) -> str:
    """Return the words for some channels."""
    language = language_of(locale)
    words = dict.fromkeys(CHANNELS[name][language] if name in CHANNELS else name for name in channels)
    return ("、" if language == "zh" else ", ").join(words)


def _items(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the items that were chosen for the reader, with words only."""
    items = data.get("items")
    if not isinstance(items, list):
        return ()
    return tuple(
        {name: str(one.get(name, "")) for name in ("id", "title", "reason")}
        for one in items
        if isinstance(one, Mapping) and one.get("reason")
    )


def _grounds(code: str, locale: str, **values: str) -> Grounds:
    return Grounds(code, WORDS[code][language_of(locale)].format(**values))
