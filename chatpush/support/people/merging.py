"""Merge two conversations of one user: the one goes on in the other.

Turns, files, promises, notes, tags and search words move in one transaction; turns
keep their ids, so they stand where their time puts them. What was merged is
closed and points to where it went on; a page that still has it open follows.
"""

from chatpush.domain import ConversationId, ConversationState, Speaker, TenantId
from chatpush.errors import Conflict, InvalidInput
from chatpush.store.database import Database, Transaction
from chatpush.support.assistant.phrases import words
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Change, Conversation, Saying


class Merging:
    """Makes one conversation of two."""

    def __init__(self, database: Database, conversations: Conversations) -> None:
        self._database = database
        self._conversations = conversations

    async def merge(self, tenant: TenantId, source: ConversationId, into: ConversationId) -> Conversation:
        """Move everything of one conversation into another of the same user; return that.

        Raises:
            InvalidInput: they are one and the same, or of two users.
            Conflict: one of them was merged away already.
        """
        if source == into:
            raise InvalidInput("a conversation can't be merged into itself", param="into")
        old = await self._conversations.get(tenant, source)
        kept = await self._conversations.get(tenant, into)
        if old.user != kept.user:
            raise InvalidInput("these are conversations of two users", param="into")
        if old.merged_into or kept.merged_into:
            raise Conflict("it was merged already; merge the one it went into")

        def move(tx: Transaction) -> None:
            for conversation in sorted((old, kept), key=lambda one: one.id):
                self._conversations.rows.locked_state(tx, conversation)
            _move(tx, tenant, source, into)
            closing = Change(state=ConversationState.CLOSED, pending={}, agent=("", ""))
            self._conversations.rows.change(tx, old, closing)
            tx.execute(
                "UPDATE conversation SET merged_into = :i WHERE tenant = :t AND id = :s",
                i=into, t=tenant, s=source,
            )  # fmt: skip

        await self._database.write(move)
        await self._conversations.announcing.publish(
            old, {"type": "merged", "into": into}, f"merged:{source}"
        )
        await self._conversations.tell_state(tenant, source)
        await self._conversations.say(kept, Saying(Speaker.SYSTEM, words("merged", kept.language)))
        return await self._conversations.get(tenant, into)


def _move(tx: Transaction, tenant: TenantId, source: ConversationId, into: ConversationId) -> None:
    places = {"t": tenant, "s": source, "i": into}
    # A client id is one utterance's in one conversation; what has moved is never said again.
    tx.execute(
        "UPDATE turn SET conversation = :i, client_id = NULL, due = 0 WHERE tenant = :t AND conversation = :s",
        **places,
    )
    for table in ("promise", "conversation_note", "attachment"):
        tx.execute(f"UPDATE {table} SET conversation = :i WHERE tenant = :t AND conversation = :s", **places)
    for table, column in (("conversation_tag", "tag"), ("conversation_word", "word")):
        tx.execute(
            f"INSERT INTO {table} (tenant, conversation, {column})"
            f" SELECT tenant, :i, {column} FROM {table} WHERE tenant = :t AND conversation = :s"
            f" ON CONFLICT (tenant, {'conversation, tag' if column == 'tag' else 'word, conversation'}) DO NOTHING",
            **places,
        )
        tx.execute(f"DELETE FROM {table} WHERE tenant = :t AND conversation = :s", t=tenant, s=source)
