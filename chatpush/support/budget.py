"""Count a model's tokens by user and UTC day, and say when the day's are used up."""

from chatpush.account.metering import Meter
from chatpush.account.plans import Kind
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, new_id
from chatpush.errors import WriterUnavailable
from chatpush.store.database import Database, Transaction

BYTES_PER_TOKEN = 3


class Budget:
    """The daily token budget of every user (0 is none), and the tenant's bill for tokens."""

    def __init__(
        self, database: Database, clock: Clock, daily_tokens: int, meter: Meter | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._daily = daily_tokens
        self._meter = meter

    async def check(self, tenant: TenantId, user: UserId) -> None:
        """Let a user ask the model.

        Raises:
            WriterUnavailable: today's tokens are used up.
        """
        if self._daily and await self.spent(tenant, user) >= self._daily:
            raise WriterUnavailable(f"the user's {self._daily} tokens of today are used up")

    async def spent(self, tenant: TenantId, user: UserId) -> int:
        """Return the tokens of a user today."""
        rows = await self._database.read(
            "SELECT tokens FROM writer_usage WHERE tenant = :t AND user_id = :u AND day = :d",
            t=tenant, u=user, d=self._day(),
        )  # fmt: skip
        return rows[0]["tokens"] if rows else 0

    async def spend(self, tenant: TenantId, user: UserId, tokens: int) -> None:
        """Count tokens."""
        row = {"tenant": tenant, "user_id": user, "day": self._day(), "tokens": tokens}
        conflict = "(tenant, user_id, day) DO UPDATE SET tokens = writer_usage.tokens + excluded.tokens"
        use = new_id("tok")

        def count(tx: Transaction) -> None:
            tx.insert("writer_usage", row, conflict)
            if self._meter is not None:
                self._meter.record_in(tx, tenant, Kind.MODEL_TOKENS, tokens, use, user)

        await self._database.write(count)

    def _day(self) -> str:
        return self._clock.now().date().isoformat()


def estimate(text: str) -> int:
    """Return about how many tokens a text is, for servers that don't say."""
    return len(text.encode()) // BYTES_PER_TOKEN + 1
