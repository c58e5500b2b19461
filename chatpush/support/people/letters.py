"""Send mail for conversations: transcripts, and answers to users who left an address.

A letter is stored before it is acknowledged and tried again for about a day;
what the mail server refuses for good is dropped with a line in the log. Once
sent it is gone: what was said is in the conversation.
"""

from datetime import timedelta

import structlog

from chatpush.channels.email import ADDRESS
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, new_id, to_ms
from chatpush.errors import Conflict, InvalidInput, TooMany, Unavailable, VaultError
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault
from chatpush.support.conversations.turns import Conversation
from chatpush.support.ports import Letter, SendLetter

log = structlog.get_logger(__name__)
SCHEDULE = tuple(timedelta(seconds=seconds) for seconds in (30, 300, 1800, 7200, 21_600, 57_600))
LEASE = timedelta(seconds=60)
AT_ONCE = 10
MOST_WAITING = 10
"""Letters of one user that may wait: nobody fills a stranger's mailbox through us."""
LONGEST_ADDRESS = 254


def checked_address(address: str) -> str:
    """Return an email address.

    Raises:
        InvalidInput: it is none.
    """
    address = address.strip()
    if len(address) > LONGEST_ADDRESS or not ADDRESS.fullmatch(address):
        raise InvalidInput("this is not an email address", param="email")
    return address


class Letters(Worker):
    """The mail of every tenant's conversations."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, send: SendLetter | None) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._send = send
        super().__init__("letters", self.turn)

    @property
    def possible(self) -> bool:
        """Whether this installation can send mail."""
        return self._send is not None

    async def post(self, conversation: Conversation, address: str, subject: str, body: str) -> None:
        """Send a letter; it is on its way for good when this returns.

        Raises:
            Conflict: no mail server is configured.
            InvalidInput: the address is none.
            TooMany: too many letters of this user wait already.
        """
        if self._send is None:
            raise Conflict("no mail server is configured; set channels.email.host and channels.email.sender")
        address = checked_address(address)
        tenant, user = conversation.tenant, conversation.user
        await self._vault.ready(tenant, user)
        letter = new_id("ltr")
        content = {"address": address, "subject": subject, "body": body}
        row = {
            "tenant": tenant, "id": letter, "user_id": user, "conversation": conversation.id,
            "content_sealed": self._vault.seal_json(tenant, user, "letter", "content_sealed", letter, content),
            "due_at": to_ms(self._clock.now()),
        }  # fmt: skip

        def insert(tx: Transaction) -> None:
            counted = "SELECT COUNT(*) AS n FROM letter WHERE tenant = :t AND user_id = :u"
            if tx.query(counted, t=tenant, u=user)[0]["n"] >= MOST_WAITING:
                raise TooMany("letters of yours wait for the mail server; try later", retry_after_seconds=300)
            tx.insert("letter", row)

        await self._database.write(insert)
        self.ring()

    async def turn(self) -> float | None:
        """Send what is due; say when the next is."""
        if self._send is None:
            return None
        rows = await self._database.write(self._claim)
        for row in rows:
            await self._try(self._send, row)
        if rows:
            return 0
        found = await self._database.read("SELECT MIN(due_at) AS at FROM letter")
        if found[0]["at"] is None:
            return None
        due: int = found[0]["at"]
        return max(0.01, (due - to_ms(self._clock.now())) / 1000)

    def _claim(self, tx: Transaction) -> list[Row]:
        now = self._clock.now()
        rows = tx.query(
            f"SELECT * FROM letter WHERE due_at <= :n ORDER BY due_at LIMIT :l {tx.lock}",
            n=to_ms(now), l=AT_ONCE,
        )  # fmt: skip
        for row in rows:
            tx.execute(
                "UPDATE letter SET due_at = :u WHERE tenant = :t AND id = :i",
                u=to_ms(now + LEASE), t=row["tenant"], i=row["id"],
            )  # fmt: skip
        return rows

    async def _try(self, send: SendLetter, row: Row) -> None:
        tenant, user = TenantId(row["tenant"]), UserId(row["user_id"])
        await self._vault.ready(tenant, user)
        try:
            content = self._vault.open_json(
                tenant, user, "letter", "content_sealed", row["id"], row["content_sealed"]
            )
            await send(
                Letter(tenant, user, row["id"], content["address"], content["subject"], content["body"])
            )
        except Unavailable as error:
            if row["attempts"] < len(SCHEDULE):
                due = self._clock.now() + SCHEDULE[row["attempts"]]
                await self._later(row, to_ms(due))
                return
            log.warning("a letter was given up", letter=row["id"], reason=error.message)
        except (InvalidInput, VaultError) as error:
            log.warning("a letter was refused", letter=row["id"], reason=error.message)
        await self._database.write(
            lambda tx: tx.execute(
                "DELETE FROM letter WHERE tenant = :t AND id = :i", t=row["tenant"], i=row["id"]
            )
        )

    async def _later(self, row: Row, due: int) -> None:
        await self._database.write(
            lambda tx: tx.execute(
                "UPDATE letter SET due_at = :d, attempts = attempts + 1 WHERE tenant = :t AND id = :i",
                d=due, t=row["tenant"], i=row["id"],
            )
        )  # fmt: skip
