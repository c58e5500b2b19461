"""Ask users what they thought of it (CSAT), and count what they said.

A conversation can be rated once for each time it ended: when it was closed, or
when a person gave it back. The comment is sealed with the user's own key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chatpush.clock import Clock
from chatpush.domain import ConversationState, Json, TenantId, from_ms, to_ms
from chatpush.errors import Conflict, InvalidInput, VaultError
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation

WORST, BEST = 1, 5
SATISFIED = 4
LONGEST_COMMENT = 2000
ENDED = (ConversationState.CLOSED, ConversationState.ASSISTANT)


@dataclass(frozen=True, slots=True)
class Rating:
    """What a user thought: 1 to 5, and why."""

    conversation: str
    score: int
    comment: str
    agent: str
    at: datetime

    def payload(self) -> dict[str, Json]:
        """Return it as the user sees it."""
        return {"score": self.score, "comment": self.comment}


class Ratings:
    """The ratings of every tenant."""

    def __init__(self, database: Database, vault: Vault, conversations: Conversations, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._conversations = conversations
        self._clock = clock

    async def rate(self, conversation: Conversation, score: int, comment: str = "") -> Rating:
        """Take in what the user thinks; saying it again before the next time replaces it.

        Raises:
            InvalidInput: the score is none, or the comment is too long.
            Conflict: it has not ended yet.
        """
        comment = comment.strip()
        if not WORST <= score <= BEST:
            raise InvalidInput(f"a score is {WORST} to {BEST}", param="score")
        if len(comment) > LONGEST_COMMENT:
            raise InvalidInput(f"a comment has at most {LONGEST_COMMENT} characters", param="comment")
        if conversation.ended_at is None or conversation.state not in ENDED:
            raise Conflict("the conversation goes on; it can be rated when it has ended")
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)
        now, ended = self._clock.now(), to_ms(conversation.ended_at)
        place = f"{conversation.id}:{ended}"
        sealed = self._vault.seal_text(tenant, user, "rating", "comment_sealed", place, comment)

        def write(tx: Transaction) -> str:
            # The agent's turn is the last word on whom it was about; who gave it back is no longer its agent.
            rows = tx.query(
                "SELECT agent FROM service_clock WHERE tenant = :t AND conversation = :c AND agent <> ''"
                " ORDER BY started_at DESC LIMIT 1",
                t=tenant, c=conversation.id,
            )  # fmt: skip
            agent = rows[0]["agent"] if rows else ""
            row = {
                "tenant": tenant, "conversation": conversation.id, "ended_at": ended, "user_id": user,
                "score": score, "comment_sealed": sealed if comment else None, "agent": agent,
                "team": conversation.team, "rated_at": to_ms(now),
            }  # fmt: skip
            again = "score = excluded.score, comment_sealed = excluded.comment_sealed, rated_at = excluded.rated_at"
            tx.insert("rating", row, f"(tenant, conversation, ended_at) DO UPDATE SET {again}")
            return agent

        agent = await self._database.write(write)
        await self._conversations.announcing.hint(conversation, "")
        return Rating(conversation.id, score, comment, agent, now)

    async def latest(self, conversation: Conversation) -> Rating | None:
        """Return the newest rating of a conversation."""
        rows = await self._database.read(
            "SELECT * FROM rating WHERE tenant = :t AND conversation = :c ORDER BY ended_at DESC LIMIT 1",
            t=conversation.tenant, c=conversation.id,
        )  # fmt: skip
        await self._vault.ready(conversation.tenant, conversation.user)
        return self._rating(rows[0]) if rows else None

    def may_rate(self, conversation: Conversation, latest: Rating | None) -> bool:
        """Return whether the user is to be asked: it ended, with something said, and is not rated since."""
        ended = conversation.ended_at
        if ended is None or conversation.state not in ENDED:
            return False
        return latest is None or latest.at < ended

    async def recent(self, tenant: TenantId, limit: int = 50) -> Sequence[Rating]:
        """Return the newest ratings of a tenant."""
        rows = await self._database.read(
            "SELECT * FROM rating WHERE tenant = :t ORDER BY rated_at DESC LIMIT :n", t=tenant, n=limit
        )
        await self._vault.ready_many(tenant, [row["user_id"] for row in rows])
        return [self._rating(row) for row in rows]

    def _rating(self, row: Row) -> Rating:
        comment = ""
        if row["comment_sealed"] is not None:
            place = f"{row['conversation']}:{row['ended_at']}"
            try:
                comment = self._vault.open_text(
                    row["tenant"], row["user_id"], "rating", "comment_sealed", place, row["comment_sealed"]
                )
            except VaultError:
                comment = ""  # the user was erased
        return Rating(row["conversation"], row["score"], comment, row["agent"], from_ms(row["rated_at"]))
