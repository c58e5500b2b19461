"""Count attempts before they are made, and say when the next one is welcome.

Counters live in the store, so neither parallel tries, nor another node, nor a
restart give a guesser more.
"""

from collections.abc import Mapping
from datetime import timedelta

from chatpush.clock import Clock
from chatpush.domain import TenantId, to_ms
from chatpush.errors import TooMany
from chatpush.store.database import Database, Transaction

WINDOW = timedelta(minutes=15)
WINDOW_MS = round(WINDOW.total_seconds() * 1000)

COUNT = """
INSERT INTO sign_in_attempt (tenant, subject, attempts, since_at) VALUES (:t, :subject, 1, :now)
ON CONFLICT (tenant, subject) DO UPDATE SET
    attempts = CASE WHEN sign_in_attempt.since_at <= :begin THEN 1 ELSE sign_in_attempt.attempts + 1 END,
    since_at = CASE WHEN sign_in_attempt.since_at <= :begin THEN :now ELSE sign_in_attempt.since_at END
RETURNING attempts, since_at
"""


class Attempts:
    """Attempts by subject, in windows that begin with the first one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def count(self, tenant: TenantId, limits: Mapping[str, int]) -> None:
        """Count one attempt on each subject, with how many a window allows.

        Raises:
            TooMany: a limit is passed; the attempt must not be made.
        """
        now = to_ms(self._clock.now())

        def count(tx: Transaction) -> int:
            wait = 0
            for subject in sorted(limits):
                row = tx.query(COUNT, t=tenant, subject=subject, now=now, begin=now - WINDOW_MS)[0]
                if row["attempts"] > limits[subject]:
                    wait = max(wait, row["since_at"] + WINDOW_MS - now)
            return wait

        if wait := await self._database.write(count):
            seconds = max(1, -(-wait // 1000))
            raise TooMany(
                f"too many attempts; try again in {-(-seconds // 60)} minutes", retry_after_seconds=seconds
            )

    def forgive_in(self, tx: Transaction, tenant: TenantId, subject: str) -> None:
        """Start a subject's window anew, in the caller's transaction."""
        tx.execute(
            "DELETE FROM sign_in_attempt WHERE tenant = :t AND subject = :subject", t=tenant, subject=subject
        )

    async def sweep(self) -> int:
        """Delete counters of windows that are over; return how many."""
        begin = to_ms(self._clock.now() - WINDOW)
        return await self._database.write(
            lambda tx: tx.execute("DELETE FROM sign_in_attempt WHERE since_at <= :begin", begin=begin)
        )
