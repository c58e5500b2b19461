"""What agents look at: who waits for a person, who is with whom, what was said last.

Waiting ones stand first, the longest wait on top; then whatever moved last. The
list has no end that matters: it is read from a place on, and a place is that of
a line when it was read, wherever the line has gone since. Reading only: people
act through ``desk.py``.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.domain import ConversationState, TenantId, Turn, from_ms, to_ms
from chatpush.errors import InvalidInput
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation

OPEN = (ConversationState.WAITING, ConversationState.AGENT, ConversationState.ASSISTANT)
LONGEST = 250
"""So many lines are read at once at most; more are read from the last one's place on."""
_PLACE = re.compile(r"([01])\.(-?\d{1,16})\.(cnv_[a-z0-9]{1,40})")
_GROUP = "CASE WHEN state = 'waiting' THEN 0 ELSE 1 END"
_RANK = "CASE WHEN state = 'waiting' THEN waiting_at ELSE -updated_at END"


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many conversations are in which state, and since when the first one waits."""

    by_state: dict[ConversationState, int]
    mine: int
    waiting_since: datetime | None

    def of(self, *states: ConversationState) -> int:
        """Return how many are in these states."""
        return sum(self.by_state.get(state, 0) for state in states)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A conversation with its last turn."""

    conversation: Conversation
    last: Turn | None

    @property
    def place(self) -> str:
        """Where it stands, to read on from; opaque to whoever keeps it."""
        now = self.conversation
        if now.state is ConversationState.WAITING and now.waiting_at is not None:
            return f"0.{to_ms(now.waiting_at)}.{now.id}"
        return f"1.{-to_ms(now.updated_at)}.{now.id}"


class Queue:
    """The agents' list of every tenant."""

    def __init__(self, database: Database, vault: Vault, conversations: Conversations) -> None:
        self._database = database
        self._vault = vault
        self._rows = conversations.rows

    async def counts(self, tenant: TenantId, agent: str = "") -> QueueCounts:
        """Return the numbers above the list; ``agent`` is whose own are counted."""
        rows = await self._database.read(
            "SELECT state, COUNT(*) AS n, MIN(waiting_at) AS since,"
            " SUM(CASE WHEN state = 'agent' AND agent = :a THEN 1 ELSE 0 END) AS mine"
            " FROM conversation WHERE tenant = :t GROUP BY state",
            t=tenant, a=agent,
        )  # fmt: skip
        since = min((row["since"] for row in rows if row["since"] is not None), default=None)
        return QueueCounts(
            {ConversationState(row["state"]): row["n"] for row in rows},
            sum(int(row["mine"]) for row in rows),
            from_ms(since) if since is not None else None,
        )

    async def lines(
        self,
        tenant: TenantId,
        states: tuple[ConversationState, ...] = OPEN,
        *,
        agent: str = "",
        after: str = "",
        limit: int = 100,
    ) -> list[QueueLine]:
        """Return conversations in these states behind a place, only an agent's own if one is given.

        Raises:
            InvalidInput: the place is none.
        """
        names = {f"s{index}": state for index, state in enumerate(states)}
        params: dict[str, Any] = {"t": tenant, "n": min(limit, LONGEST), **names}
        condition = f"tenant = :t AND state IN ({', '.join(f':{name}' for name in names)})"
        if agent:
            condition += " AND agent = :a"
            params["a"] = agent
        if after:
            condition += f" AND ({_GROUP}, {_RANK}, id) > (:g, :k, :i)"
            params |= _place(after)
        # Sorted by ids alone first: the rest, and the last turns, are read of those that are shown.
        rows = await self._database.read(
            "SELECT c.*, t.id AS turn_id, t.said_by, t.content_sealed, t.client_id, t.said_at"
            f" FROM (SELECT id AS shown, {_GROUP} AS part, {_RANK} AS place FROM conversation"
            f" WHERE {condition} ORDER BY part, place, id LIMIT :n) q"
            " JOIN conversation c ON c.tenant = :t AND c.id = q.shown"
            " LEFT JOIN turn t ON t.tenant = c.tenant AND t.conversation = c.id AND t.id = c.last_turn"
            " ORDER BY q.part, q.place, c.id",
            **params,
        )
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        return [QueueLine(self._rows.conversation(row), self._last(tenant, row)) for row in rows]

    def _last(self, tenant: TenantId, row: dict[str, Any]) -> Turn | None:
        if row["turn_id"] is None:
            return None
        turn = {**row, "id": row["turn_id"], "conversation": row["id"]}
        return self._rows.turn(tenant, row["user_id"], turn)


def _place(after: str) -> dict[str, Any]:
    found = _PLACE.fullmatch(after)
    if found is None:
        raise InvalidInput("this is no place of the list; read it from the beginning", param="after")
    return {"g": int(found[1]), "k": int(found[2]), "i": found[3]}
