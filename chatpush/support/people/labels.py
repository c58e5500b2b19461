"""Label conversations: tags to sort and route by, a subject to know them by.

A tag asks routing for the skill of the same name. Both are for people; tags
never reach the user, the subject does.
"""

from collections.abc import Sequence

from chatpush.clock import Clock
from chatpush.domain import ConversationId, TenantId
from chatpush.errors import InvalidInput
from chatpush.store.database import Database, Transaction
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Change, Conversation
from chatpush.support.people.teams import checked_words

MOST_TAGS = 20
LONGEST_SUBJECT = 200
MOST_KNOWN = 200


class Labels:
    """The tags and subjects of every tenant's conversations."""

    def __init__(self, database: Database, conversations: Conversations, clock: Clock) -> None:
        self._database = database
        self._conversations = conversations
        self._clock = clock

    async def tags(
        self, tenant: TenantId, conversations: Sequence[ConversationId]
    ) -> dict[str, tuple[str, ...]]:
        """Return the tags of each of these conversations that has any."""
        names = {f"c{number}": one for number, one in enumerate(conversations)}
        if not names:
            return {}
        rows = await self._database.read(
            "SELECT conversation, tag FROM conversation_tag WHERE tenant = :t"
            f" AND conversation IN ({', '.join(f':{name}' for name in names)}) ORDER BY tag",
            t=tenant, **names,
        )  # fmt: skip
        found: dict[str, tuple[str, ...]] = {}
        for row in rows:
            found[row["conversation"]] = (*found.get(row["conversation"], ()), row["tag"])
        return found

    async def tag(self, conversation: Conversation, tags: Sequence[str]) -> tuple[str, ...]:
        """Give a conversation exactly these tags; return them as they are kept.

        Raises:
            InvalidInput: one can't be used, or there are too many.
        """
        kept = tuple(sorted(checked_words(tags, "tags")))
        if len(kept) > MOST_TAGS:
            raise InvalidInput(f"a conversation has at most {MOST_TAGS} tags", param="tags")
        where = {"t": conversation.tenant, "c": conversation.id}

        def write(tx: Transaction) -> None:
            tx.execute("DELETE FROM conversation_tag WHERE tenant = :t AND conversation = :c", **where)
            rows = [{"tenant": where["t"], "conversation": where["c"], "tag": tag} for tag in kept]
            tx.insert_many("conversation_tag", rows)

        await self._database.write(write)
        await self._conversations.announcing.hint(conversation, "")
        return kept

    async def known(self, tenant: TenantId) -> list[str]:
        """Return the tags in use, the most used first."""
        rows = await self._database.read(
            "SELECT tag, COUNT(*) AS n FROM conversation_tag WHERE tenant = :t"
            " GROUP BY tag ORDER BY COUNT(*) DESC, tag LIMIT :l",
            t=tenant, l=MOST_KNOWN,
        )  # fmt: skip
        return [row["tag"] for row in rows]

    async def rename(self, conversation: Conversation, subject: str) -> Conversation:
        """Say in a few words what a conversation is about; empty takes the words away.

        Raises:
            InvalidInput: it is too long.
        """
        subject = " ".join(subject.split())
        if len(subject) > LONGEST_SUBJECT:
            raise InvalidInput(f"a subject has at most {LONGEST_SUBJECT} characters", param="subject")
        rows = self._conversations.rows
        tenant, user, id_ = conversation.tenant, conversation.user, conversation.id
        sealed = rows.seal(tenant, user, id_, "subject_sealed", subject) if subject else None
        await self._conversations.change(conversation, Change(columns={"subject_sealed": sealed}))
        return await self._conversations.tell_state(tenant, id_)
