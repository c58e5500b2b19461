"""The broker's books: accounts, orders and the margin they need. No network and no clock.

An account may hold four times its own money in shares. When its own money falls
below a fifth of what it holds, a margin call is due, once until it has
recovered to a quarter.
"""

import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from examples.trading.market import CENT, Market

OPENING_CASH = Decimal(10_000)
INITIAL_MARGIN = Decimal("0.25")
CALL_BELOW = Decimal("0.20")
RECOVERED_AT = Decimal("0.25")
MOST_SHARES = 100_000
TRADES_SHOWN = 8


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "buy"
    SELL = "sell"


class Refused(Exception):
    """The desk does not take an order; ``code`` names the reason for the page to say."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Trade:
    """An order that was filled."""

    id: str
    user: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal

    @property
    def amount(self) -> Decimal:
        """What changed hands."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: its own money, what it holds, and their ratio (1 without holdings)."""

    equity: Decimal
    exposure: Decimal
    cash: Decimal
    positions: dict[str, int]

    @property
    def ratio(self) -> Decimal:
        """Own money by holdings."""
        return self.equity / self.exposure if self.exposure else Decimal(1)

    @property
    def missing(self) -> Decimal:
        """What would have to be paid in to recover."""
        return max(Decimal(0), (self.exposure * RECOVERED_AT - self.equity).quantize(CENT))


@dataclass(slots=True)
class _Account:
    cash: Decimal = OPENING_CASH
    positions: dict[str, int] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    called: bool = False


class Desk:
    """All accounts, over one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._accounts: dict[str, _Account] = {}

    def order(self, user: str, symbol: str, side: Side, quantity: int) -> Trade:
        """Fill an order at the market's price.

        Raises:
            Refused: ``quantity``, ``symbol``, ``holdings`` or ``margin``.
        """
        if not 1 <= quantity <= MOST_SHARES:
            raise Refused("quantity")
        try:
            price = self._market.price(symbol)
        except KeyError as error:
            raise Refused("symbol") from error
        account = self._account(user)
        if side is Side.SELL and account.positions.get(symbol, 0) < quantity:
            raise Refused("holdings")
        before = self.standing(user)
        if side is Side.BUY and before.equity < (before.exposure + price * quantity) * INITIAL_MARGIN:
            raise Refused("margin")
        trade = Trade(f"T-{secrets.token_hex(5).upper()}", user, symbol, side, quantity, price)
        sign = 1 if side is Side.BUY else -1
        account.cash -= sign * trade.amount
        account.positions[symbol] = account.positions.get(symbol, 0) + sign * quantity
        if not account.positions[symbol]:
            del account.positions[symbol]
        account.trades = [trade, *account.trades][:TRADES_SHOWN]
        return trade

    def standing(self, user: str) -> Standing:
        """Return how an account stands at the market's prices."""
        account = self._account(user)
        exposure = sum(
            (self._market.price(symbol) * held for symbol, held in account.positions.items()), Decimal(0)
        )
        return Standing(account.cash + exposure, exposure, account.cash, dict(account.positions))

    def trades(self, user: str) -> list[Trade]:
        """Return an account's last trades, newest first."""
        return self._account(user).trades

    def margin_calls(self) -> list[tuple[str, Standing]]:
        """Return accounts whose margin has just become too small; each once until it recovers."""
        due = []
        for user, account in self._accounts.items():
            standing = self.standing(user)
            if account.called:
                account.called = standing.ratio < RECOVERED_AT
            elif standing.ratio < CALL_BELOW:
                account.called = True
                due.append((user, standing))
        return due

    def _account(self, user: str) -> _Account:
        return self._accounts.setdefault(user, _Account())
