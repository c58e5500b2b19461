"""Call webhooks: signed per Standard Webhooks, again and again for three days, each attempt on record.

``webhook-id`` stays the same over all attempts, so a receiver can tell a
repetition. Anything but 2xx is a failure, redirects too; 410 switches the
webhook off; ``Retry-After`` is honoured.
"""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import structlog
from standardwebhooks import Webhook as Signer

from chatpush.channels.outgoing import Outgoing, retry_after_seconds
from chatpush.clock import Clock
from chatpush.domain import TenantId, to_ms
from chatpush.errors import ChatpushError, VaultError
from chatpush.rounds import Worker
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

log = structlog.get_logger(__name__)

SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long to wait after the first, second … failed attempt; after the last it has failed."""
AT_ONCE = 32
LEASE = timedelta(seconds=30)
"""After so long a claimed call comes due again; longer than any call may take (20 s)."""
GONE = 410
LONGEST_WAIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: a status or an error, how long it took, and when the receiver wants the next."""

    status: int | None
    error: str
    milliseconds: int
    wait: timedelta | None = None

    @property
    def worked(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


class WebhookCalls(Worker):
    """The worker that makes the calls."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, outgoing: Outgoing) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._outgoing = outgoing
        super().__init__("channels.webhooks", self.turn)

    async def turn(self) -> float | None:
        """Make the calls that are due; say when the next ones are."""
        rows = await self._database.write(self._claim)
        await asyncio.gather(*(self._call(row) for row in rows))
        if rows:
            return 0
        found = await self._database.read(
            "SELECT MIN(due_at) AS at FROM webhook_call WHERE state = 'pending'"
        )
        if found[0]["at"] is None:
            return None
        due: int = found[0]["at"]
        return max(0.01, (due - to_ms(self._clock.now())) / 1000)

    def _claim(self, tx: Transaction) -> list[Row]:
        now = self._clock.now()
        rows = tx.query(
            "SELECT * FROM webhook_call WHERE state = 'pending' AND due_at <= :now"
            f" ORDER BY due_at LIMIT :n {tx.lock}",
            now=to_ms(now), n=AT_ONCE,
        )  # fmt: skip
        for row in rows:
            tx.execute(
                "UPDATE webhook_call SET due_at = :until WHERE tenant = :t AND id = :id",
                until=to_ms(now + LEASE), t=row["tenant"], id=row["id"],
            )  # fmt: skip
        return rows

    async def _call(self, row: Row) -> None:
        found = await self._database.read(
            "SELECT * FROM webhook WHERE tenant = :t AND id = :w AND enabled = 1",
            t=row["tenant"], w=row["webhook"],
        )  # fmt: skip
        if not found:
            await self._record(row, Attempt(None, "the webhook is switched off", 0), final=True)
            return
        tenant = TenantId(row["tenant"])
        await self._vault.ready(tenant, row["user_id"])
        try:
            body: str = self._vault.open_text(
                tenant, row["user_id"], "webhook_call", "body", row["id"], row["body_sealed"]
            )
        except VaultError:
            # Written down while its user was being erased, it came too late to be erased along.
            if not await self._forgotten(row):
                await self._record(row, Attempt(None, "what was written down can't be opened", 0), final=True)
            return
        secrets = self._vault.open_json(
            tenant, "", "webhook", "secrets", row["webhook"], found[0]["secrets_sealed"]
        )
        now = self._clock.now()
        holding = [one["secret"] for one in secrets if one["until"] is None or one["until"] > to_ms(now)]
        headers = signed(row["id"], body, now, holding)
        await self._record(row, await self._attempt(found[0]["url"], body, headers))

    async def _forgotten(self, row: Row) -> bool:
        """Forget a call about a user who is not there any more; return whether it is one."""
        if not row["user_id"]:
            return False

        def write(tx: Transaction) -> bool:
            place = {"t": row["tenant"], "id": row["id"]}
            if tx.query(
                "SELECT 1 FROM app_user WHERE tenant = :t AND id = :u", t=row["tenant"], u=row["user_id"]
            ):
                return False
            tx.execute("DELETE FROM webhook_attempt WHERE tenant = :t AND call = :id", **place)
            return bool(tx.execute("DELETE FROM webhook_call WHERE tenant = :t AND id = :id", **place))

        return await self._database.write(write)

    async def _attempt(self, url: str, body: str, headers: dict[str, str]) -> Attempt:
        began = self._clock.monotonic()
        try:
            status, answered, _ = await self._outgoing.post(url, body.encode(), headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ChatpushError) as error:
            return Attempt(None, f"{type(error).__name__}: {error}"[:300], self._since(began))
        asked = retry_after_seconds(answered)
        return Attempt(status, "", self._since(began), None if asked is None else timedelta(seconds=asked))

    def _since(self, began: float) -> int:
        return round((self._clock.monotonic() - began) * 1000)

    async def _record(self, row: Row, attempt: Attempt, *, final: bool = False) -> None:
        now, number = self._clock.now(), row["attempts"] + 1
        state, due = "delivered", now
        if not attempt.worked:
            over = final or attempt.status == GONE or number > len(SCHEDULE)
            state = "failed" if over else "pending"
            due = now if over else now + _wait(number, attempt.wait)
        place = {"t": row["tenant"], "id": row["id"]}

        def write(tx: Transaction) -> None:
            tx.execute(
                "UPDATE webhook_call SET state = :state, attempts = :n, due_at = :due WHERE tenant = :t AND id = :id",
                state=state, n=number, due=to_ms(due), **place,
            )  # fmt: skip
            tx.insert(
                "webhook_attempt",
                {
                    "tenant": row["tenant"], "call": row["id"], "number": number, "at": to_ms(now),
                    "status": attempt.status, "error": attempt.error, "milliseconds": attempt.milliseconds,
                },
                "(tenant, call, number) DO NOTHING",
            )  # fmt: skip
            if attempt.status == GONE:
                tx.execute(
                    "UPDATE webhook SET enabled = 0, problem = 'the receiver answered 410 Gone'"
                    " WHERE tenant = :t AND id = :w",
                    t=row["tenant"], w=row["webhook"],
                )  # fmt: skip

        await self._database.write(write)


def signed(call: str, body: str, at: datetime, secrets: list[str]) -> dict[str, str]:
    """Return the headers of an attempt; a signature for each secret that holds."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "chatpush-webhooks",
        "webhook-id": call,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(call, at, body) for secret in secrets),
    }


def _wait(number: int, asked: timedelta | None) -> timedelta:
    planned = SCHEDULE[number - 1] * random.uniform(1.0, 1.1)
    return min(max(planned, asked), LONGEST_WAIT) if asked is not None else planned
