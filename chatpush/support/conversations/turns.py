"""Turn conversations and turns into rows and back, sealed with the user's own key.

Everything here runs inside a caller's transaction or on rows already read; the
user's key must be ready. ``conversations.py`` is the service above it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from chatpush.clock import Clock
from chatpush.domain import (
    ConversationId,
    ConversationState,
    Json,
    Source,
    Speaker,
    TenantId,
    Turn,
    TurnId,
    UserId,
    from_ms,
    iso,
    new_id,
    to_ms,
)
from chatpush.errors import NotFound, VaultError
from chatpush.store.database import Row, Transaction
from chatpush.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Conversation:
    """A support chat without its turns."""

    tenant: TenantId
    id: ConversationId
    user: UserId
    state: ConversationState
    language: str
    agent: str
    agent_name: str
    about: dict[str, str]
    pending: dict[str, Any]
    summary: str
    last_turn: str
    user_read: str
    agent_read: str
    waiting_at: datetime | None
    created_at: datetime
    updated_at: datetime
    team: str = ""
    merged_into: str = ""
    subject: str = ""
    contact: str = ""
    handed_at: datetime | None = None
    ended_at: datetime | None = None
    prechat: dict[str, str] = field(default_factory=dict)  # what the user filled in before
    revision: int = 0  # grows whenever the state or the agent is set

    @property
    def channel(self) -> str:
        """The channel its turns are published to."""
        return f"conversation:{self.id}"


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to be said, before it has an id and a place."""

    by: Speaker
    text: str
    name: str = ""
    sources: tuple[Source, ...] = ()
    actions: tuple[dict[str, str], ...] = ()
    cards: tuple[dict[str, Any], ...] = ()
    promise: dict[str, Any] | None = None
    attachments: tuple[dict[str, Any], ...] = ()  # id, name, type, size
    turn: TurnId | None = None  # an id given before, as a streamed turn has one


@dataclass(frozen=True, slots=True)
class Change:
    """What goes into the conversation with a turn, in the same transaction."""

    state: ConversationState | None = None
    language: str | None = None
    pending: dict[str, Any] | None = None  # {} clears it
    summary: str | None = None
    agent: tuple[str, str] | None = None
    columns: dict[str, Any] = field(default_factory=dict)


class Companion(Protocol):
    """What goes along with every turn and every change, in the same transaction."""

    def said(self, tx: Transaction, tenant: TenantId, conversation: ConversationId, saying: Saying) -> None:
        """A turn was stored."""
        ...

    def changed(self, tx: Transaction, conversation: Conversation, state: ConversationState) -> None:
        """The state was set; it may be what it was."""
        ...


class TurnRows:
    """Reads and writes the rows of conversations and turns."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self.companions: list[Companion] = []

    def store(
        self,
        tx: Transaction,
        tenant: TenantId,
        user: UserId,
        conversation: ConversationId,
        saying: Saying,
        *,
        due: bool = False,
        client_id: str | None = None,
    ) -> Row:
        """Store a turn and move the conversation's end to it."""
        turn = saying.turn or TurnId(new_id("trn"))
        now = to_ms(self._clock.now())
        content = {
            "text": saying.text, "name": saying.name,
            "sources": [[s.title, s.url, s.quote] for s in saying.sources],
            "actions": list(saying.actions), "cards": list(saying.cards), "promise": saying.promise,
            "attachments": list(saying.attachments),
        }  # fmt: skip
        row = {
            "tenant": tenant, "conversation": conversation, "id": turn, "said_by": saying.by,
            "content_sealed": self._vault.seal_json(tenant, user, "turn", "content_sealed", turn, content),
            "client_id": client_id, "due": int(due), "answer": None, "said_at": now,
        }  # fmt: skip
        tx.insert("turn", row)
        tx.execute(
            "UPDATE conversation SET last_turn = :i, updated_at = :n WHERE tenant = :t AND id = :c",
            i=turn, n=now, t=tenant, c=conversation,
        )  # fmt: skip
        for companion in self.companions:
            companion.said(tx, tenant, conversation, saying)
        return row

    def said_before(self, tx: Transaction, conversation: Conversation, client_id: str) -> Row | None:
        """Return the turn that was said under a client's own id, if it was."""
        rows = tx.query(
            "SELECT * FROM turn WHERE tenant = :t AND conversation = :c AND client_id = :i",
            t=conversation.tenant, c=conversation.id, i=client_id,
        )  # fmt: skip
        return rows[0] if rows else None

    def locked_state(self, tx: Transaction, conversation: Conversation) -> ConversationState:
        """Return the state, held until the transaction ends.

        Raises:
            NotFound: it is gone, or has become another user's, whose key must seal what is said now.
        """
        return self.locked(tx, conversation)[0]

    def locked(self, tx: Transaction, conversation: Conversation) -> tuple[ConversationState, int]:
        """Return the state and its revision, held until the transaction ends.

        A no-op update locks the row on every database.

        Raises:
            NotFound: as for ``locked_state``.
        """
        rows = tx.query(
            "UPDATE conversation SET state = state WHERE tenant = :t AND id = :c AND user_id = :u"
            " RETURNING state, revision",
            t=conversation.tenant, c=conversation.id, u=conversation.user,
        )  # fmt: skip
        if not rows:
            raise NotFound(f"no conversation {conversation.id!r}")
        return ConversationState(rows[0]["state"]), rows[0]["revision"]

    def change(self, tx: Transaction, conversation: Conversation, change: Change) -> None:
        """Write a change; a state other than the assistant's ends what it owes."""
        tenant, user, id_ = conversation.tenant, conversation.user, conversation.id
        columns: dict[str, Any] = dict(change.columns)
        if change.state is not None:
            columns |= self._moments(tx, conversation, change.state, columns)
            if change.state is not ConversationState.ASSISTANT:
                tx.execute(
                    "UPDATE turn SET due = 0 WHERE tenant = :t AND conversation = :c AND due = 1",
                    t=tenant, c=id_,
                )  # fmt: skip
        if change.language is not None:
            columns["language"] = change.language
        if change.agent is not None:
            columns["agent"], columns["agent_name"] = change.agent
        if change.pending is not None:
            columns["pending_sealed"] = (
                self.seal(tenant, user, id_, "pending_sealed", change.pending) if change.pending else None
            )
        if change.summary is not None:
            columns["summary_sealed"] = self.seal(tenant, user, id_, "summary_sealed", change.summary)
        if columns:
            places = ", ".join(f"{name} = :{name}" for name in columns)
            if change.state is not None or change.agent is not None:
                places += ", revision = revision + 1"
            tx.execute(
                f"UPDATE conversation SET {places} WHERE tenant = :t AND id = :c", **columns, t=tenant, c=id_
            )
        if change.state is not None:
            for companion in self.companions:
                companion.changed(tx, conversation, change.state)

    def _moments(
        self, tx: Transaction, conversation: Conversation, state: ConversationState, given: dict[str, Any]
    ) -> dict[str, Any]:
        """Return a new state with its times: since when it waits, when it ended."""
        now = to_ms(self._clock.now())
        people = state in (ConversationState.WAITING, ConversationState.AGENT)
        if people:
            tx.execute(
                "UPDATE conversation SET handed_at = COALESCE(handed_at, :n) WHERE tenant = :t AND id = :c",
                n=now, t=conversation.tenant, c=conversation.id,
            )  # fmt: skip
        waiting = now if state is ConversationState.WAITING else None
        return {
            "state": state,
            "waiting_at": given.get("waiting_at", waiting),
            "ended_at": None if people else now,
        }

    def seal(self, tenant: TenantId, user: UserId, row: str, column: str, value: Json) -> bytes:
        """Seal a column of a conversation."""
        return self._vault.seal_json(tenant, user, "conversation", column, row, value)

    def _open(self, row: Row, column: str, otherwise: Any) -> Any:
        if row[column] is None:
            return otherwise
        try:
            return self._vault.open_json(
                row["tenant"], row["user_id"], "conversation", column, row["id"], row[column]
            )
        except VaultError:
            return otherwise  # the user was erased

    def conversation(self, row: Row) -> Conversation:
        """Return a row as a record; what an erased user's key sealed is empty."""
        return Conversation(
            tenant=TenantId(row["tenant"]),
            id=ConversationId(row["id"]),
            user=UserId(row["user_id"]),
            state=ConversationState(row["state"]),
            language=row["language"],
            agent=row["agent"],
            agent_name=row["agent_name"],
            about=self._open(row, "about_sealed", {}),
            prechat=self._open(row, "prechat_sealed", {}),
            pending=self._open(row, "pending_sealed", {}),
            summary=self._open(row, "summary_sealed", ""),
            last_turn=row["last_turn"],
            user_read=row["user_read"],
            agent_read=row["agent_read"],
            waiting_at=from_ms(row["waiting_at"]) if row["waiting_at"] is not None else None,
            created_at=from_ms(row["created_at"]),
            updated_at=from_ms(row["updated_at"]),
            team=row["team"],
            merged_into=row["merged_into"],
            subject=self._open(row, "subject_sealed", ""),
            contact=self._open(row, "contact_sealed", ""),
            handed_at=from_ms(row["handed_at"]) if row["handed_at"] is not None else None,
            ended_at=from_ms(row["ended_at"]) if row["ended_at"] is not None else None,
            revision=row["revision"],
        )

    def turn(self, tenant: TenantId, user: UserId, row: Row) -> Turn:
        """Return a row as a turn; an erased user's is an empty place."""
        empty = Turn(
            id=TurnId(row["id"]),
            conversation=ConversationId(row["conversation"]),
            by=Speaker(row["said_by"]),
            text="",
            at=from_ms(row["said_at"]),
            client_id=row["client_id"],
        )
        try:
            content = self._vault.open_json(
                tenant, user, "turn", "content_sealed", row["id"], row["content_sealed"]
            )
        except VaultError:
            return empty  # the user was erased; the empty place stays
        return replace(
            empty,
            text=content["text"],
            name=content["name"],
            sources=tuple(Source(*parts) for parts in content["sources"]),
            actions=tuple(content["actions"]),
            cards=tuple(content["cards"]),
            promise=content["promise"],
            attachments=tuple(content.get("attachments", ())),
        )


def turn_payload(
    turn: Turn, *, streaming: bool = False, files: str = "/v1/me/conversations"
) -> dict[str, Any]:
    """Return a turn as channels and the API carry it; ``files`` is where its reader opens files."""
    return {
        "id": turn.id, "by": turn.by, "name": turn.name, "text": turn.text, "at": iso(turn.at),
        "sources": [
            {"title": s.title, "url": s.url, **({"quote": s.quote} if s.quote else {})} for s in turn.sources
        ],
        "actions": list(turn.actions), "cards": list(turn.cards), "promise": turn.promise,
        "streaming": streaming, "client_id": turn.client_id,
        "attachments": [
            {**one, "url": f"{files}/{turn.conversation}/attachments/{one['id']}"}
            for one in turn.attachments
        ],
    }  # fmt: skip
