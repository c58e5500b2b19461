"""Keep conversations: who said what, whose turn it is, what was read.

Turns are sealed with the user's own key. A turn is stored first and published
second, with its id as idempotency key, so that a crash in between loses
nothing: whoever opens the conversation reads the store.

``say`` is the only way the assistant gets a word in. It looks at the state
inside the transaction that stores the turn, so nothing is said once a person
has taken over, and each turn of the user is answered at most once, whoever
answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import (
    ConversationId,
    ConversationState,
    Speaker,
    TenantId,
    Turn,
    TurnId,
    UserId,
    new_id,
    to_ms,
)
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.parameters import among
from chatpush.store.vault import Vault
from chatpush.support.conversations.announcing import ACTIVITY, Announcing
from chatpush.support.conversations.turns import Change, Conversation, Saying, TurnRows
from chatpush.support.ports import IssueSubscription, Publisher

log = structlog.get_logger(__name__)

# Conversations that one question is about.
PLACES_AT_ONCE = 200
# Sends files with the turn of this id, in its transaction; returns id, name, type and size of each.
Attach = Callable[[Transaction, TurnId], tuple[dict[str, Any], ...]]


class Conversations:
    """Every conversation of every tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        publisher: Publisher,
        issue_subscription: IssueSubscription,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._publisher = publisher
        self._issue_subscription = issue_subscription
        self._clock = clock
        self.rows = TurnRows(vault, clock)
        self.announcing = Announcing(publisher, self.unread)

    async def create(
        self,
        tenant: TenantId,
        user: UserId,
        language: str,
        about: dict[str, str] | None = None,
        greeting: Saying | None = None,
    ) -> Conversation:
        """Open a conversation, with the assistant's first words if there are any."""
        await self._vault.ready(tenant, user)
        conversation = ConversationId(new_id("cnv"))
        now = to_ms(self._clock.now())
        sealed = self.rows.seal(tenant, user, conversation, "about_sealed", about) if about else None
        row = {
            "tenant": tenant, "id": conversation, "user_id": user, "state": ConversationState.ASSISTANT,
            "language": language, "about_sealed": sealed, "created_at": now, "updated_at": now,
        }  # fmt: skip

        def open_(tx: Transaction) -> None:
            tx.insert("conversation", row)
            if greeting is not None:
                self.rows.store(tx, tenant, user, conversation, greeting)

        await self._database.write(open_)
        made = await self.get(tenant, conversation)
        await self.announcing.hint(made, "")
        return made

    async def get(
        self, tenant: TenantId, conversation: ConversationId, user: UserId | None = None
    ) -> Conversation:
        """Return a conversation; with ``user`` only if it is that user's own.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        rows = await self._database.read(
            "SELECT * FROM conversation WHERE tenant = :t AND id = :c", t=tenant, c=conversation
        )
        if not rows or (user is not None and rows[0]["user_id"] != user):
            raise NotFound(f"no conversation {conversation!r}")
        await self._vault.ready(tenant, rows[0]["user_id"])
        return self.rows.conversation(rows[0])

    async def of_user(self, tenant: TenantId, user: UserId, limit: int = 20) -> list[Conversation]:
        """Return a user's conversations, newest first."""
        rows = await self._database.read(
            "SELECT * FROM conversation WHERE tenant = :t AND user_id = :u AND merged_into = ''"
            " ORDER BY id DESC LIMIT :n",
            t=tenant, u=user, n=limit,
        )  # fmt: skip
        await self._vault.ready(tenant, user)
        return [self.rows.conversation(row) for row in rows]

    async def waiting_for_people(self, tenant: TenantId, users: Sequence[UserId]) -> set[UserId]:
        """Return which users have a conversation that waits for a person or is with one."""
        found: set[UserId] = set()
        for start in range(0, len(users), 200):
            names = {f"u{number}": user for number, user in enumerate(users[start : start + 200])}
            rows = await self._database.read(
                "SELECT DISTINCT user_id FROM conversation WHERE tenant = :t AND state IN ('waiting', 'agent') "
                f"AND user_id IN ({', '.join(f':{name}' for name in names)})",
                t=tenant, **names,
            )  # fmt: skip
            found |= {UserId(row["user_id"]) for row in rows}
        return found

    async def page(
        self, tenant: TenantId, limit: int, state: str = "", starting_after: str = ""
    ) -> list[Conversation]:
        """Return conversations for agents, newest first."""
        conditions = "tenant = :t"
        params: dict[str, Any] = {"t": tenant, "n": limit}
        if state:
            conditions += " AND state = :s"
            params["s"] = state
        if starting_after:
            conditions += " AND id < :a"
            params["a"] = starting_after
        rows = await self._database.read(
            f"SELECT * FROM conversation WHERE {conditions} ORDER BY id DESC LIMIT :n", **params
        )
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        return [self.rows.conversation(row) for row in rows]

    async def turns(self, conversation: Conversation, limit: int = 200) -> list[Turn]:
        """Return the last turns, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM turn WHERE tenant = :t AND conversation = :c ORDER BY id DESC LIMIT :n",
            t=conversation.tenant, c=conversation.id, n=limit,
        )  # fmt: skip
        await self._vault.ready(conversation.tenant, conversation.user)
        return [self.rows.turn(conversation.tenant, conversation.user, row) for row in reversed(rows)]

    async def token(self, conversation: Conversation) -> str:
        """Return the token with which its user subscribes to the conversation's channel."""
        issued = self._issue_subscription(conversation.tenant, conversation.user, conversation.channel)
        return issued if isinstance(issued, str) else await issued

    async def unread(self, conversation: Conversation, *, for_agent: bool = False) -> int:
        """Return how many turns of the other side were not read yet."""
        mine = "said_by NOT IN ('agent', 'assistant', 'system')" if for_agent else "said_by <> 'user'"
        rows = await self._database.read(
            f"SELECT COUNT(*) AS n FROM turn WHERE tenant = :t AND conversation = :c AND id > :r AND {mine}",
            t=conversation.tenant, c=conversation.id,
            r=conversation.agent_read if for_agent else conversation.user_read,
        )  # fmt: skip
        count: int = rows[0]["n"]
        return count

    async def read(self, conversation: Conversation, *, by_agent: bool = False, turn: str = "") -> None:
        """Note that everything up to a turn, or up to now, was read; it never becomes less.

        Raises:
            NotFound: there is no such turn in this conversation.
        """
        column = "agent_read" if by_agent else "user_read"
        where = {"t": conversation.tenant, "c": conversation.id}

        def note(tx: Transaction) -> str:
            known = "SELECT id FROM turn WHERE tenant = :t AND conversation = :c AND id = :i"
            if turn and not tx.query(known, **where, i=turn):
                raise NotFound(f"no turn {turn!r} in this conversation")
            upto = ":i" if turn else "last_turn"
            rows = tx.query(
                f"UPDATE conversation SET {column} = {upto} WHERE tenant = :t AND id = :c"
                f" AND {column} < {upto} RETURNING {column} AS upto",
                **where, **({"i": turn} if turn else {}),
            )  # fmt: skip
            return rows[0]["upto"] if rows else ""

        upto = await self._database.write(note)
        if upto:
            by = Speaker.AGENT if by_agent else Speaker.USER
            await self.announcing.publish(
                conversation, {"type": "read", "by": by, "turn": upto}, f"read:{by}:{upto}"
            )
            await self.announcing.hint(await self.get(conversation.tenant, conversation.id), "")

    async def typing(self, conversation: Conversation, by: Speaker, name: str = "") -> None:
        """Show that somebody is writing, to whoever looks now; no history keeps it."""
        payload: dict[str, Any] = {"type": "typing", "by": by, **({"name": name} if name else {})}
        await self._publisher.publish(
            conversation.tenant, conversation.channel, payload, skip_history=True
        )  # fmt: skip
        await self._publisher.publish(
            conversation.tenant, ACTIVITY, {**payload, "conversation": conversation.id}, skip_history=True
        )

    async def ask(
        self,
        conversation: Conversation,
        text: str,
        language: str,
        client_id: str | None = None,
        attach: Attach | None = None,
    ) -> tuple[Turn, bool]:
        """Take in what the user says; the same client id is taken in once.

        ``attach`` sends files with it. Returns the turn and whether the assistant is due to answer it;
        files without a word are none of its business.

        Raises:
            InvalidInput: there is nothing in it.
        """
        text = text.strip()
        if not text and attach is None:
            raise InvalidInput("say something", param="text")
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)

        def take_in(tx: Transaction) -> tuple[Row, bool]:
            if client_id and (before := self.rows.said_before(tx, conversation, client_id)):
                return before, False
            state = self.rows.locked_state(tx, conversation)
            reopened = state is ConversationState.CLOSED
            if reopened:
                state = ConversationState.ASSISTANT
            turn = TurnId(new_id("trn"))
            saying = Saying(
                Speaker.USER, text, turn=turn, attachments=attach(tx, turn) if attach is not None else ()
            )
            due = state is ConversationState.ASSISTANT and bool(text)
            row = self.rows.store(tx, tenant, user, conversation.id, saying, due=due, client_id=client_id)
            tx.execute(
                "UPDATE conversation SET state = :s, revision = revision + :o, language = :l, user_read = :r "
                "WHERE tenant = :t AND id = :c",
                s=state, o=int(reopened), l=language, r=row["id"], t=tenant, c=conversation.id,
            )  # fmt: skip
            return row, due

        row, due = await self._database.write(take_in)
        turn = self.rows.turn(tenant, user, row)
        await self.announcing.turn(conversation, turn)
        last = text or ", ".join(one["name"] for one in turn.attachments)
        await self._tell(conversation, last)
        return turn, due

    async def due(self, conversation: Conversation) -> list[Turn]:
        """Return the user's turns that wait for the assistant, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM turn WHERE due = 1 AND tenant = :t AND conversation = :c ORDER BY id",
            t=conversation.tenant, c=conversation.id,
        )  # fmt: skip
        return [self.rows.turn(conversation.tenant, conversation.user, row) for row in rows]

    async def all_due(self) -> list[tuple[TenantId, ConversationId]]:
        """Return every conversation in which the assistant owes an answer."""
        rows = await self._database.read("SELECT DISTINCT tenant, conversation FROM turn WHERE due = 1")
        return [(TenantId(row["tenant"]), ConversationId(row["conversation"])) for row in rows]

    async def still_with_assistant(
        self, places: Sequence[tuple[TenantId, ConversationId]]
    ) -> set[tuple[TenantId, ConversationId]]:
        """Return which of these conversations the assistant has this moment."""
        found: set[tuple[TenantId, ConversationId]] = set()
        for start in range(0, len(places), PLACES_AT_ONCE):
            part = set(places[start : start + PLACES_AT_ONCE])
            names, params = among(id_ for _, id_ in part)
            rows = await self._database.read(
                f"SELECT tenant, id FROM conversation WHERE state = 'assistant' AND id IN {names}", **params
            )
            found |= part & {(TenantId(row["tenant"]), ConversationId(row["id"])) for row in rows}
        return found

    async def answer_id(self, conversation: Conversation, asked: TurnId) -> TurnId | None:
        """Return the id the answer to a turn will have, the same one after a restart.

        None if the assistant owes it no answer any more.
        """
        fresh = new_id("trn")
        rows = await self._database.write(
            lambda tx: tx.query(
                "UPDATE turn SET answer = COALESCE(answer, :f) "
                "WHERE tenant = :t AND conversation = :c AND id = :i AND due = 1 RETURNING answer",
                f=fresh, t=conversation.tenant, c=conversation.id, i=asked,
            )
        )  # fmt: skip
        return TurnId(rows[0]["answer"]) if rows else None

    async def say(
        self,
        conversation: Conversation,
        saying: Saying,
        change: Change | None = None,
        *,
        only_in: Sequence[ConversationState] = (),
        answers: TurnId | None = None,
        unchanged: bool = False,
        also: Callable[[Transaction], object] | None = None,
        client_id: str | None = None,
    ) -> Turn | None:
        """Say a turn and change the conversation with it (and do ``also``), all or nothing.

        Returns None, having done nothing, if the conversation is in none of
        ``only_in``, the turn it ``answers`` is already answered, or it must be
        ``unchanged`` and its state or agent was set since it was read; the turn
        that was said before, if this ``client_id`` has spoken already.
        """
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)

        def speak(tx: Transaction) -> Row | None:
            state, revision = self.rows.locked(tx, conversation)
            if client_id and (before := self.rows.said_before(tx, conversation, client_id)):
                return before
            if (only_in and state not in only_in) or (unchanged and revision != conversation.revision):
                return None
            said = saying
            if answers is not None:
                asked = tx.query(
                    "UPDATE turn SET due = 0 WHERE tenant = :t AND conversation = :c AND id = :i AND due = 1 "
                    "RETURNING answer",
                    t=tenant, c=conversation.id, i=answers,
                )  # fmt: skip
                if not asked:
                    return None
                # A stream that a crash has cut off is replaced, not followed, by its answer.
                said = replace(saying, turn=saying.turn or asked[0]["answer"])
            row = self.rows.store(tx, tenant, user, conversation.id, said, client_id=client_id)
            if change is not None:
                self.rows.change(tx, conversation, change)
            if also is not None:
                also(tx)
            return row

        row = await self._database.write(speak)
        if row is None:
            return None
        turn = self.rows.turn(tenant, user, row)
        await self.announce(conversation, turn)
        return turn

    async def change(
        self, conversation: Conversation, change: Change, *, only_in: Sequence[ConversationState] = ()
    ) -> Conversation:
        """Change a conversation without a word.

        Raises:
            Conflict: it is in none of ``only_in``.
        """
        await self._vault.ready(conversation.tenant, conversation.user)

        def apply(tx: Transaction) -> None:
            state = self.rows.locked_state(tx, conversation)
            if only_in and state not in only_in:
                raise Conflict(f"the conversation is {state}; this needs {' or '.join(only_in)}")
            self.rows.change(tx, conversation, change)

        await self._database.write(apply)
        return await self.get(conversation.tenant, conversation.id)

    async def announce(self, conversation: Conversation, turn: Turn) -> None:
        """Publish a stored turn and what changed with it; doing it twice shows once."""
        await self.announcing.turn(conversation, turn)
        await self._tell(conversation, turn.text)

    async def tell_state(self, tenant: TenantId, conversation: ConversationId) -> Conversation:
        """Publish the state of a conversation, and return it.

        Two who change it may tell of it in the other order; so whoever has told
        looks again, and whoever tells last tells what holds.
        """
        now = await self.get(tenant, conversation)
        while True:
            await self.announcing.state(now)
            told, now = now.revision, await self.get(tenant, conversation)
            if now.revision == told:
                return now

    async def _tell(self, conversation: Conversation, last: str) -> None:
        now = await self.get(conversation.tenant, conversation.id)
        if now.revision != conversation.revision:
            now = await self.tell_state(conversation.tenant, conversation.id)
        await self.announcing.hint(now, last)
