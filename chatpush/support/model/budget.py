"""Count what a language model takes, by user, tenant and UTC day, and say when the day's share is used up.

Tokens are counted for every model; money where ``writer.prices`` names what it
costs. A price for a million tokens is a millionth of it for one, so sums are
whole millionths and never drift. Over a limit the model is not asked: the
embedded assistant answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from chatpush import writer_settings
from chatpush.account.metering import Meter
from chatpush.account.plans import Kind
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId, new_id
from chatpush.errors import WriterUnavailable
from chatpush.store.database import Database, Row, Transaction
from chatpush.support.assistant.trail import note

BYTES_PER_TOKEN = 3
MILLION = Decimal(1_000_000)
EVERYBODY = UserId("")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one question: what went in and what came out."""

    input: int
    output: int

    @property
    def all(self) -> int:
        """Both together."""
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Spent:
    """What was taken: tokens, and money in the currency of the prices."""

    input_tokens: int = 0
    output_tokens: int = 0
    micros: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.input_tokens + self.output_tokens

    @property
    def money(self) -> Decimal:
        """The amount, exact to a millionth."""
        return Decimal(self.micros) / MILLION


@dataclass(frozen=True, slots=True)
class DaySpent:
    """What a tenant took of one model on one day."""

    day: str
    model: str
    spent: Spent


class Budget:
    """The daily limits of every tenant and user (0 is none), and the tenant's bill for tokens."""

    def __init__(
        self, database: Database, clock: Clock, settings: writer_settings.Writer, meter: Meter | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._meter = meter
        self.limits = settings
        self._prices = {one.model: one for one in settings.prices}

    async def check(self, tenant: TenantId, user: UserId) -> None:
        """Let a user ask the model.

        Raises:
            WriterUnavailable: today's tokens or money of the user or the tenant are used up.
        """
        limits = self.limits
        bounds: tuple[tuple[str, UserId, int, Decimal], ...] = (
            ("user's", user, limits.daily_tokens_per_user, limits.daily_money_per_user),
            ("tenant's", EVERYBODY, limits.daily_tokens_per_tenant, limits.daily_money_per_tenant),
        )
        if user == EVERYBODY:
            bounds = bounds[1:]  # asked by nobody in particular, such as an import
        if not any(tokens or money for _, _, tokens, money in bounds):
            return
        rows = await self._rows(tenant, (user, EVERYBODY))
        for whose, owner, tokens, money in bounds:
            spent = _sum(row for row in rows if row["user_id"] == owner)
            if tokens and spent.tokens >= tokens:
                raise WriterUnavailable(f"the {whose} {tokens} tokens of today are used up")
            if money and spent.money >= money:
                raise WriterUnavailable(f"the {whose} {money} {limits.currency} of today are used up")

    async def spent(self, tenant: TenantId, user: UserId = EVERYBODY) -> Spent:
        """Return what a user, or the whole tenant, took today."""
        return _sum(await self._rows(tenant, (user,)))

    async def by_day(self, tenant: TenantId, first: date, last: date) -> list[DaySpent]:
        """Return what a tenant took by day and model within two days, both included."""
        rows = await self._database.read(
            "SELECT * FROM writer_spend WHERE tenant = :t AND user_id = '' AND day >= :f AND day <= :l "
            "ORDER BY day, model",
            t=tenant, f=first.isoformat(), l=last.isoformat(),
        )  # fmt: skip
        return [DaySpent(row["day"], row["model"], _sum([row])) for row in rows]

    async def spend(self, tenant: TenantId, user: UserId, model: str, tokens: Tokens) -> None:
        """Count the tokens of one question, for the user and for the tenant."""
        day = self._clock.now().date().isoformat()
        taken = {
            "tenant": tenant, "day": day, "model": model, "input_tokens": tokens.input,
            "output_tokens": tokens.output, "micros": self._price(model, tokens),
        }  # fmt: skip
        columns = ("input_tokens", "output_tokens", "micros")
        added = ", ".join(f"{name} = writer_spend.{name} + excluded.{name}" for name in columns)
        use = new_id("tok")
        cost = f"{Decimal(self._price(model, tokens)) / MILLION} {self.limits.currency}"
        note("model", model=model, input=tokens.input, output=tokens.output, cost=cost)

        def count(tx: Transaction) -> None:
            for owner in dict.fromkeys((user, EVERYBODY)):
                row = {**taken, "user_id": owner}
                tx.insert("writer_spend", row, f"(tenant, day, user_id, model) DO UPDATE SET {added}")
            if self._meter is not None:
                self._meter.record_in(tx, tenant, Kind.MODEL_TOKENS, tokens.all, use, user)

        await self._database.write(count)

    def _price(self, model: str, tokens: Tokens) -> int:
        price = self._prices.get(model)
        if price is None:
            return 0
        exact = price.input_per_million * tokens.input + price.output_per_million * tokens.output
        return int(exact.to_integral_value(ROUND_HALF_UP))

    async def _rows(self, tenant: TenantId, owners: Iterable[str]) -> list[Row]:
        names = {f"u{number}": owner for number, owner in enumerate(dict.fromkeys(owners))}
        return await self._database.read(
            "SELECT user_id, input_tokens, output_tokens, micros FROM writer_spend "
            f"WHERE tenant = :t AND day = :d AND user_id IN ({', '.join(f':{name}' for name in names)})",
            t=tenant, d=self._clock.now().date().isoformat(), **names,
        )  # fmt: skip


def _sum(rows: Iterable[Row]) -> Spent:
    several = list(rows)
    return Spent(*(sum(row[name] for row in several) for name in ("input_tokens", "output_tokens", "micros")))


def estimate(text: str) -> int:
    """Return about how many tokens a text is, for servers that don't say."""
    return len(text.encode()) // BYTES_PER_TOKEN + 1
