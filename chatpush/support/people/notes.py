"""Keep what agents write for each other. No channel and no answer to a user carries a note.

Notes have a table of their own rather than a kind of turn: nothing that reads
turns for a user can forget to leave them out.
"""

from dataclasses import dataclass
from datetime import datetime

from chatpush.clock import Clock
from chatpush.domain import Json, from_ms, new_id, to_ms
from chatpush.errors import Conflict, InvalidInput, NotFound, VaultError
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.announcing import ACTIVITY
from chatpush.support.conversations.turns import Conversation
from chatpush.support.ports import Publisher

LONGEST = 5000
MOST = 200


@dataclass(frozen=True, slots=True)
class Note:
    """One remark of one agent."""

    id: str
    person: str
    name: str
    text: str
    at: datetime


class Notes:
    """The private notes of every tenant."""

    def __init__(self, database: Database, vault: Vault, publisher: Publisher, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._publisher = publisher
        self._clock = clock

    async def write(self, conversation: Conversation, person: str, name: str, text: str) -> Note:
        """Leave a note for colleagues.

        Raises:
            InvalidInput: it is empty or too long.
            Conflict: there are too many.
        """
        text = text.strip()
        if not text or len(text) > LONGEST:
            raise InvalidInput(f"a note has 1 to {LONGEST} characters", param="text")
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)
        note = Note(new_id("not"), person, name, text, self._clock.now())
        sealed = self._vault.seal_json(
            tenant, user, "conversation_note", "content_sealed", note.id, {"text": text, "name": name}
        )
        where = {"t": tenant, "c": conversation.id}

        def insert(tx: Transaction) -> None:
            counted = "SELECT COUNT(*) AS n FROM conversation_note WHERE tenant = :t AND conversation = :c"
            if tx.query(counted, **where)[0]["n"] >= MOST:
                raise Conflict(f"a conversation has at most {MOST} notes; delete one")
            tx.insert(
                "conversation_note",
                {
                    "tenant": tenant, "conversation": conversation.id, "id": note.id, "person": person,
                    "content_sealed": sealed, "written_at": to_ms(note.at),
                },
            )  # fmt: skip

        await self._database.write(insert)
        await self._hint(conversation)
        return note

    async def of(self, conversation: Conversation) -> list[Note]:
        """Return a conversation's notes, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM conversation_note WHERE tenant = :t AND conversation = :c ORDER BY id",
            t=conversation.tenant, c=conversation.id,
        )  # fmt: skip
        await self._vault.ready(conversation.tenant, conversation.user)
        return [note for row in rows if (note := self._note(conversation, row)) is not None]

    async def delete(self, conversation: Conversation, note: str) -> None:
        """Take a note away.

        Raises:
            NotFound: this conversation has no such note.
        """
        gone = await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM conversation_note WHERE tenant = :t AND conversation = :c AND id = :i",
                t=conversation.tenant, c=conversation.id, i=note,
            )
        )  # fmt: skip
        if not gone:
            raise NotFound(f"no note {note!r}")
        await self._hint(conversation)

    def _note(self, conversation: Conversation, row: Row) -> Note | None:
        try:
            content = self._vault.open_json(
                conversation.tenant, conversation.user, "conversation_note", "content_sealed", row["id"],
                row["content_sealed"],
            )  # fmt: skip
        except VaultError:
            return None  # the user was erased
        return Note(row["id"], row["person"], content["name"], content["text"], from_ms(row["written_at"]))

    async def _hint(self, conversation: Conversation) -> None:
        payload: Json = {"type": "note", "conversation": conversation.id}
        await self._publisher.publish(conversation.tenant, ACTIVITY, payload, skip_history=True)
