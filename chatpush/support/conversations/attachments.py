"""Keep the files users send in conversations: checked, sealed, and gone with their user.

A file is uploaded first and sent with a turn second; one that is never sent is
forgotten after a day. It is known by what is in it (``file_kinds``); a name
that says otherwise is refused. It is sealed with the user's own key, and opens
only together with a conversation of that user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

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
from chatpush.errors import InvalidInput, NotFound, TooLarge
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Attach, Conversations
from chatpush.support.conversations.file_kinds import goes_by, kind_of
from chatpush.support.conversations.turns import Conversation, Saying
from chatpush.support.retrieval.language import pick
from chatpush.support_settings import Attachments as Rules

UNSENT_KEPT = timedelta(days=1)
LONGEST_NAME = 120
RECEIVED = {
    "en": "Thank you, your file is here. I can't look into files: tell me what it is about, or ask for a person.",
    "zh": "文件已收到，谢谢。我看不了文件内容：请告诉我是关于什么的，或者转人工客服。",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is known of a file without opening it. ``size`` is in bytes."""

    id: str
    conversation: ConversationId
    name: str
    type: str
    size: int


class Attachments:
    """The files of all tenants' conversations."""

    def __init__(
        self, database: Database, vault: Vault, conversations: Conversations, rules: Rules, clock: Clock
    ) -> None:
        self._database = database
        self._vault = vault
        self._conversations = conversations
        self._clock = clock
        self.rules = rules

    async def add(self, conversation: Conversation, name: str, body: bytes) -> Attachment:
        """Take in a file for a conversation, to be sent with a turn.

        Raises:
            TooLarge: it has more bytes than the settings allow.
            InvalidInput: uploads are off, its kind is not allowed, its name lies, or there are too many.
        """
        rules, tenant, user = self.rules, conversation.tenant, conversation.user
        if not rules.enabled:
            raise InvalidInput("files are not taken here; attachments.enabled turns them on", param="file")
        if len(body) > rules.max_bytes:
            raise TooLarge(f"a file has at most {rules.max_bytes} bytes")
        name = clean(name)
        kind = kind_of(body, max_pixels=rules.max_pixels)
        if kind not in rules.types:
            raise InvalidInput(f"files of type {kind} are not taken here", param="file")
        if not goes_by(name, kind):
            raise InvalidInput(f"{name!r} is a file of type {kind}, whatever its name says", param="name")
        made = Attachment(new_id("att"), conversation.id, name, kind, len(body))
        await self._vault.ready(tenant, user)
        row = {
            "tenant": tenant, "id": made.id, "conversation": conversation.id, "user_id": user,
            "kind": kind, "size": made.size, "created_at": to_ms(self._clock.now()),
            "name_sealed": self._vault.seal_text(tenant, user, "attachment", "name_sealed", made.id, name),
            "body_sealed": self._vault.seal(tenant, user, "attachment", "body_sealed", made.id, body),
        }  # fmt: skip

        def store(tx: Transaction) -> None:
            [count] = tx.query(
                "SELECT COUNT(*) AS n FROM attachment WHERE tenant = :t AND conversation = :c",
                t=tenant, c=conversation.id,
            )  # fmt: skip
            if count["n"] >= rules.per_conversation:
                raise InvalidInput(f"a conversation has at most {rules.per_conversation} files", param="file")
            tx.insert("attachment", row)

        await self._database.write(store)
        return made

    async def read(self, conversation: Conversation, attachment: str) -> tuple[Attachment, bytes]:
        """Return a file of this conversation's user.

        Raises:
            NotFound: there is none, or it is another user's.
        """
        tenant, user = conversation.tenant, conversation.user
        rows = await self._database.read(
            "SELECT * FROM attachment WHERE tenant = :t AND id = :i AND user_id = :u",
            t=tenant, i=attachment, u=user,
        )  # fmt: skip
        if not rows:
            raise NotFound(f"no attachment {attachment!r}")
        await self._vault.ready(tenant, user)
        body = self._vault.open(tenant, user, "attachment", "body_sealed", attachment, rows[0]["body_sealed"])
        return self._attachment(rows[0]), body

    async def drop(self, conversation: Conversation, attachment: str) -> None:
        """Forget a file that has not been sent.

        Raises:
            NotFound: there is none, or it has been sent.
        """
        gone = await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM attachment WHERE tenant = :t AND id = :i AND user_id = :u AND turn = ''",
                t=conversation.tenant, i=attachment, u=conversation.user,
            )
        )  # fmt: skip
        if not gone:
            raise NotFound(f"no attachment {attachment!r} waits to be sent")

    def attaching(self, conversation: Conversation, attachments: Sequence[str]) -> Attach:
        """Return what sends these files with a turn.

        Raises (when called): InvalidInput, as one of them is not there, was sent before, or there are too many.
        """

        def attach(tx: Transaction, turn: TurnId) -> tuple[dict[str, Any], ...]:
            return tuple(
                {"id": one.id, "name": one.name, "type": one.type, "size": one.size}
                for one in self._claim(tx, conversation, turn, attachments)
            )

        return attach

    def _claim(
        self, tx: Transaction, conversation: Conversation, turn: TurnId, attachments: Sequence[str]
    ) -> tuple[Attachment, ...]:
        if len(attachments) > self.rules.per_turn:
            raise InvalidInput(f"at most {self.rules.per_turn} files at once", param="attachments")
        found = []
        for attachment in dict.fromkeys(attachments):
            rows = tx.query(
                "UPDATE attachment SET turn = :n WHERE tenant = :t AND id = :i AND user_id = :u "
                "AND conversation = :c AND turn = '' RETURNING *",
                n=turn, t=conversation.tenant, i=attachment, u=conversation.user, c=conversation.id,
            )  # fmt: skip
            if not rows:
                raise InvalidInput(f"no attachment {attachment!r} waits to be sent", param="attachments")
            found.append(self._attachment(rows[0]))
        return tuple(found)

    async def acknowledge(self, conversation: Conversation, turn: Turn) -> None:
        """Say, where the assistant answers, that a file without a word has come but is not read; once a turn."""
        own = TurnId(f"{turn.id}_ack")
        if any(one.id == own for one in await self._conversations.turns(conversation)):
            return
        saying = Saying(Speaker.ASSISTANT, pick(RECEIVED, conversation.language), turn=own)
        await self._conversations.say(conversation, saying, only_in=(ConversationState.ASSISTANT,))

    async def forget_unsent(self) -> None:
        """Delete what was uploaded but never sent."""
        oldest = to_ms(self._clock.now() - UNSENT_KEPT)
        await self._database.write(
            lambda tx: tx.execute("DELETE FROM attachment WHERE turn = '' AND created_at < :o", o=oldest)
        )

    async def erase(self, tenant: TenantId, user: UserId) -> None:
        """Delete all files of a user."""
        await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM attachment WHERE tenant = :t AND user_id = :u", t=tenant, u=user
            )
        )

    def _attachment(self, row: Row) -> Attachment:
        name = self._vault.open_text(
            row["tenant"], row["user_id"], "attachment", "name_sealed", row["id"], row["name_sealed"]
        )
        return Attachment(row["id"], ConversationId(row["conversation"]), name, row["kind"], row["size"])


def clean(name: str) -> str:
    """Return a file's name without its folders and what could confuse a reader or a header."""
    plain = "".join(char for char in name.replace("\\", "/").rsplit("/", 1)[-1] if char.isprintable())
    stripped = "".join(char for char in plain if char not in '"<>|:*?\u202e\u202d').strip(" .")
    return stripped[-LONGEST_NAME:] or "file"
