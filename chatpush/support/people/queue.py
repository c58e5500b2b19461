"""What agents look at: who waits for a person, who is with whom, what was said last.

Waiting ones stand first, the longest wait on top; then whatever moved last.
Reading only: people act through ``desk.py``.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.domain import ConversationState, TenantId, Turn, from_ms
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation

OPEN = (ConversationState.WAITING, ConversationState.AGENT, ConversationState.ASSISTANT)
LONGEST = 1000


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
        limit: int = 100,
    ) -> list[QueueLine]:
        """Return conversations in these states, only an agent's own if one is given."""
        names = {f"s{index}": state for index, state in enumerate(states)}
        params: dict[str, Any] = {"t": tenant, "n": min(limit, LONGEST), **names}
        condition = f"c.state IN ({', '.join(f':{name}' for name in names)})"
        if agent:
            condition += " AND c.agent = :a"
            params["a"] = agent
        rows = await self._database.read(
            "SELECT c.*, t.id AS turn_id, t.said_by, t.content_sealed, t.client_id, t.said_at"
            " FROM conversation c LEFT JOIN turn t"
            " ON t.tenant = c.tenant AND t.conversation = c.id AND t.id = c.last_turn"
            f" WHERE c.tenant = :t AND {condition}"
            " ORDER BY CASE WHEN c.state = 'waiting' THEN 0 ELSE 1 END,"
            " CASE WHEN c.state = 'waiting' THEN c.waiting_at ELSE -c.updated_at END, c.id LIMIT :n",
            **params,
        )
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        return [QueueLine(self._rows.conversation(row), self._last(tenant, row)) for row in rows]

    def _last(self, tenant: TenantId, row: dict[str, Any]) -> Turn | None:
        if row["turn_id"] is None:
            return None
        turn = {**row, "id": row["turn_id"], "conversation": row["id"]}
        return self._rows.turn(tenant, row["user_id"], turn)
