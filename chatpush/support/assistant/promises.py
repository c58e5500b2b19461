"""Keep what the assistant promised: "I will tell you when …" is a row, not a phrase.

A promise is stored in the transaction of the turn that gives it. The first
matching event keeps it: its state and the turn that tells the user change in
one transaction, so an event that is delivered twice, or a crash at any point,
tells the user once. Publishing and notifying come after and are repeated, with
the same keys, when the event is delivered again. What is not kept in time
expires with a word in the conversation.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    ConversationId,
    ConversationState,
    Event,
    Json,
    Promise,
    PromiseId,
    Speaker,
    TenantId,
    TurnId,
    UserId,
    from_ms,
    iso,
    new_id,
    to_ms,
)
from chatpush.errors import NotFound, VaultError
from chatpush.plugins.contracts import Follow
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.assistant.phrases import as_promise, words
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation, Saying
from chatpush.support.ports import Notice, Notify
from chatpush.support.retrieval.language import pick

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 30.0
EXPIRED_PER_SWEEP = 200
OPEN_TO_ASSISTANT = (ConversationState.ASSISTANT, ConversationState.CLOSED)
_FIELD = re.compile(r"\{(\w+)(?::([^{}]*))?\}")


@dataclass(frozen=True, slots=True)
class PromiseDraft:
    """A promise ready to be stored."""

    promise: Promise
    row: dict[str, Any]

    def payload(self) -> dict[str, Any]:
        """Return it as a turn carries it."""
        return {"id": self.promise.id, "text": self.promise.text, "until": iso(self.promise.until)}


class Promises(Worker):
    """Every promise of every tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        conversations: Conversations,
        clock: Clock,
        notify: Notify,
        promise_days: int = 30,
        name_in: Callable[[str], str] = lambda _locale: "",
    ) -> None:
        self._name_in = name_in
        self._database = database
        self._vault = vault
        self._conversations = conversations
        self._clock = clock
        self._notify = notify
        self._days = promise_days
        super().__init__("promises", self._let_expire)

    async def draft(self, conversation: Conversation, follow: Follow, locale: str) -> PromiseDraft:
        """Prepare a promise in a language; ``store`` makes it real."""
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)
        now = self._clock.now()
        promise = Promise(
            tenant=tenant,
            id=PromiseId(new_id("prm")),
            conversation=conversation.id,
            user=user,
            event_type=follow.event_type,
            match=dict(follow.match),
            text=as_promise(pick(follow.offer, locale), locale),
            until=follow.until or now + timedelta(days=self._days),
            made_at=now,
        )
        content = {
            "match": promise.match, "text": promise.text, "done": pick(follow.done, locale), "locale": locale
        }  # fmt: skip
        row = {
            "tenant": tenant, "id": promise.id, "conversation": conversation.id, "user_id": user,
            "event_type": promise.event_type, "same": self._same(conversation, follow), "state": "pending",
            "content_sealed": self._vault.seal_json(
                tenant, user, "promise", "content_sealed", promise.id, content
            ),
            "until_at": to_ms(promise.until), "made_at": to_ms(now),
        }  # fmt: skip
        return PromiseDraft(promise, row)

    def store(self, tx: Transaction, draft: PromiseDraft) -> bool:
        """Store a prepared promise; False if the same one is pending already."""
        conflict = "(tenant, user_id, same) WHERE state = 'pending' DO NOTHING"
        return tx.insert("promise", draft.row, conflict) > 0

    async def make(self, conversation: Conversation, follow: Follow, locale: str) -> Promise:
        """Promise to tell the user of an event."""
        draft = await self.draft(conversation, follow, locale)
        await self._database.write(lambda tx: self.store(tx, draft))
        return draft.promise

    def is_over(self, follow: Follow) -> bool:
        """Return whether waiting for this event has no more sense."""
        return follow.until is not None and follow.until <= self._clock.now()

    async def pending_same(self, conversation: Conversation, follow: Follow) -> Promise | None:
        """Return the pending promise of the same event in this conversation, if there is one."""
        await self._vault.ready(conversation.tenant, conversation.user)
        rows = await self._database.read(
            "SELECT * FROM promise WHERE tenant = :t AND user_id = :u AND same = :s AND state = 'pending'",
            t=conversation.tenant, u=conversation.user, s=self._same(conversation, follow),
        )  # fmt: skip
        return self._promise(rows[0]) if rows else None

    async def list(self, tenant: TenantId, user: UserId) -> list[Promise]:
        """Return a user's pending promises, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM promise WHERE tenant = :t AND user_id = :u AND state = 'pending' ORDER BY id",
            t=tenant, u=user,
        )  # fmt: skip
        await self._vault.ready(tenant, user)
        return [self._promise(row) for row in rows]

    async def cancel(self, tenant: TenantId, user: UserId, promise: PromiseId) -> None:
        """Take back a user's pending promise.

        Raises:
            NotFound: this user has no such pending promise.
        """
        now = to_ms(self._clock.now())
        rows = await self._database.write(
            lambda tx: tx.query(
                "UPDATE promise SET state = 'cancelled', settled_at = :n "
                "WHERE tenant = :t AND user_id = :u AND id = :p AND state = 'pending' RETURNING *",
                n=now, t=tenant, u=user, p=promise,
            )
        )  # fmt: skip
        if not rows:
            raise NotFound(f"no pending promise {promise!r}")
        await self._publish_state(rows[0], "cancelled")

    async def states(self, tenant: TenantId, promises: Sequence[str]) -> dict[str, str]:
        """Return the state of each of these promises: pending, kept, expired or cancelled."""
        if not promises:
            return {}
        names = {f"p{number}": promise for number, promise in enumerate(promises)}
        rows = await self._database.read(
            "SELECT id, state FROM promise "
            f"WHERE tenant = :t AND id IN ({', '.join(f':{name}' for name in names)})",
            t=tenant, **names,
        )  # fmt: skip
        return {row["id"]: row["state"] for row in rows}

    async def on_event(self, event: Event) -> int:
        """Keep every promise an event fulfils; the same event again only repeats what may be lost.

        Returns how many promises this event has kept, now or before.
        """
        rows = await self._database.read(
            "SELECT * FROM promise WHERE tenant = :t AND user_id = :u AND event_type = :y "
            "AND (state = 'pending' OR event = :e) ORDER BY id",
            t=event.tenant, u=event.user, y=event.type, e=event.id,
        )  # fmt: skip
        if not rows:
            return 0
        await self._vault.ready(event.tenant, event.user)
        kept = 0
        for row in rows:
            try:
                content = self._content(row)
            except VaultError:
                continue  # the user was erased, the promise with them
            if row["state"] == "pending" and not matches(content["match"], event):
                continue
            values = {"item": event.item or "", **content["match"], **event.properties}
            text = fill(content["done"], values)
            turn = row["turn"] if row["state"] != "pending" else await self._keep(row, event, text)
            if turn:
                await self._publish_state(row, "kept")
                await self._tell(row, TurnId(turn), text, content["locale"])
                kept += 1
        return kept

    async def expire(self) -> int:
        """Let overdue promises expire, each with a word in its conversation; return how many."""
        now = to_ms(self._clock.now())
        rows = await self._database.read(
            "SELECT * FROM promise WHERE state = 'pending' AND until_at <= :n ORDER BY until_at LIMIT :l",
            n=now, l=EXPIRED_PER_SWEEP,
        )  # fmt: skip
        for row in rows:
            await self._vault.ready(row["tenant"], row["user_id"])
            try:
                content = self._content(row)
                text = words("promise_expired", content["locale"], text=content["text"])
            except VaultError:
                text = ""
            turn = await self._settle(row, "expired", None, text)
            if turn:
                await self._publish_state(row, "expired")
                await self._announce(row, TurnId(turn))
        return len(rows)

    async def counts(self, tenant: TenantId) -> dict[str, int]:
        """Return how many promises there are by state."""
        rows = await self._database.read(
            "SELECT state, COUNT(*) AS n FROM promise WHERE tenant = :t GROUP BY state", t=tenant
        )
        return {row["state"]: row["n"] for row in rows}

    async def _keep(self, row: Row, event: Event, text: str) -> str | None:
        return await self._settle(row, "kept", event.id, text)

    async def _settle(self, row: Row, state: str, event: str | None, text: str) -> str | None:
        """End a pending promise and say so, in one transaction; None if it had ended before."""
        now = to_ms(self._clock.now())
        turn = TurnId(new_id("trn"))

        def settle(tx: Transaction) -> str | None:
            if not tx.execute(
                "UPDATE promise SET state = :s, event = :e, turn = :i, settled_at = :n "
                "WHERE tenant = :t AND id = :p AND state = 'pending'",
                s=state, e=event, i=turn, n=now, t=row["tenant"], p=row["id"],
            ):  # fmt: skip
                return None
            found = tx.query(
                "UPDATE conversation SET state = state WHERE tenant = :t AND id = :c RETURNING state, language",
                t=row["tenant"], c=row["conversation"],
            )  # fmt: skip
            if not found or not text:
                return None
            by = Speaker.ASSISTANT if found[0]["state"] in OPEN_TO_ASSISTANT else Speaker.SYSTEM
            name = self._name_in(found[0]["language"]) if by is Speaker.ASSISTANT else ""
            saying = Saying(by, text, name=name, turn=turn)
            self._conversations.rows.store(tx, row["tenant"], row["user_id"], row["conversation"], saying)
            return turn

        return await self._database.write(settle)

    async def _tell(self, row: Row, turn: TurnId, text: str, locale: str) -> None:
        await self._announce(row, turn)
        notice = Notice(
            TenantId(row["tenant"]), UserId(row["user_id"]), ConversationId(row["conversation"]),
            PromiseId(row["id"]), locale, words("notice_title", locale), text,
        )  # fmt: skip
        await self._notify(notice)

    async def _publish_state(self, row: Row, state: str) -> None:
        """Tell whoever has the conversation open what became of a promise in it."""
        conversation = await self._conversations.get(TenantId(row["tenant"]), row["conversation"])
        payload: Json = {"type": "promise", "promise": {"id": row["id"], "state": state}}
        await self._conversations.announcing.publish(conversation, payload, f"{row['id']}:{state}")

    async def _announce(self, row: Row, turn: TurnId) -> None:
        conversation = await self._conversations.get(TenantId(row["tenant"]), row["conversation"])
        for said in await self._conversations.turns(conversation):
            if said.id == turn:
                await self._conversations.announce(conversation, said)

    async def _let_expire(self) -> float:
        await self.expire()
        return SWEEP_SECONDS

    def _same(self, conversation: Conversation, follow: Follow) -> str:
        match = json.dumps(dict(follow.match), sort_keys=True, default=str)
        whole = f"{conversation.id}\x00{follow.event_type}\x00{match}"
        return self._vault.blind(conversation.tenant, "promise", whole)

    def _content(self, row: Row) -> Any:
        return self._vault.open_json(
            TenantId(row["tenant"]),
            row["user_id"],
            "promise",
            "content_sealed",
            row["id"],
            row["content_sealed"],
        )

    def _promise(self, row: Row) -> Promise:
        content = self._content(row)
        return Promise(
            tenant=TenantId(row["tenant"]),
            id=PromiseId(row["id"]),
            conversation=ConversationId(row["conversation"]),
            user=UserId(row["user_id"]),
            event_type=row["event_type"],
            match=content["match"],
            text=content["text"],
            until=from_ms(row["until_at"]),
            made_at=from_ms(row["made_at"]),
        )


def matches(match: Mapping[str, Any], event: Event) -> bool:
    """Return whether an event has every wanted property; 1001 and "1001" are the same."""
    offered = {"item": event.item, **event.properties}
    return all(key in offered and str(offered[key]) == str(wanted) for key, wanted in match.items())


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Fill ``{name}`` and ``{name:format}`` with an event's properties; unknown names become nothing.

    Not ``str.format``: a text can't reach into objects.
    """

    def value(found: re.Match[str]) -> str:
        given = values.get(found[1], "")
        try:
            return format(given, found[2] or "")
        except (TypeError, ValueError):
            return str(given)

    return _FIELD.sub(value, text)
