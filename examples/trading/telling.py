"""What the broker tells chatpush: quotes, confirmations and margin calls.

Quotes are worth a moment: each is published once and the next replaces it. A
confirmation or a margin call must arrive: it waits here until chatpush has
acknowledged it, under a key that makes sending it twice impossible, and chatpush
goes from the open page to the trader's pager (a warning: to their browsers and
phones) when no receipt comes in time, and from there to a letter.
"""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

from examples.shop.push import Push, PushError
from examples.trading.desk import Standing, Trade
from examples.trading.market import INSTRUMENTS, Market
from examples.trading.traders import TRADERS

log = logging.getLogger(__name__)
BOARD = "quotes:board"
CONFIRMED_BY = ["ws", "chat_webhook", "email"]
WARNED_BY = ["ws", "webpush", "email"]
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
MOST_WAITING = 10_000
NAMES = {one.symbol: one.name for one in INSTRUMENTS}


class Telling:
    """A line to chatpush that loses nothing it was asked to deliver."""

    def __init__(self, push: Push, escalate_seconds: int) -> None:
        self._push = push
        self._escalate_seconds = escalate_seconds
        self._waiting: deque[tuple[dict[str, Any], str]] = deque(maxlen=MOST_WAITING)
        self._bell = asyncio.Event()
        self._calls = 0
        self._task: asyncio.Task[None] | None = None

    async def introduce(self, pager: str) -> None:
        """Tell chatpush who the traders are, where their pagers listen and where their letters go."""
        for trader in TRADERS.values():
            profile = {
                "locale": trader.locale,
                "timezone": trader.timezone,
                "attributes": {"name": trader.name},
                "endpoints": {"chat_webhook": [f"{pager}/{trader.id}"], "email": [trader.email]},
            }
            await self._push.call("PUT", f"/v1/users/{trader.id}", profile)

    async def quotes(self, market: Market) -> None:
        """Publish the board; one that can't be published is stale a moment later."""
        publication = {"channel": BOARD, "data": {"quotes": market.board()}}
        with contextlib.suppress(PushError):
            await self._push.call("POST", "/api/publish", publication, seconds=2)

    def trade(self, trade: Trade) -> None:
        """Have a trade confirmed."""
        name = NAMES[trade.symbol]
        data = {
            "id": trade.id, "symbol": trade.symbol, "name": name["en"], "name_zh": name["zh-CN"],
            "side": trade.side.value, "quantity": trade.quantity,
            "price": f"{trade.price}", "amount": f"{trade.amount}",
        }  # fmt: skip
        self._send("trade_confirmed", trade.user, data, f"trade:{trade.id}", {})

    def margin_call(self, user: str, standing: Standing) -> None:
        """Warn an account's owner, whatever the hour; a newer warning takes the place of an older one.

        The template's category is what lets it through the night and past every cap: it is about
        the owner's own account, and no setting of theirs or ours may hold it back.
        """
        self._calls += 1
        data = {
            "percent": f"{standing.ratio * 100:.1f}", "equity": f"{standing.equity:.2f}",
            "exposure": f"{standing.exposure:.2f}", "missing": f"{standing.missing:.2f}",
        }  # fmt: skip
        urgent = {"priority": "high", "collapse_key": "margin", "channels": WARNED_BY}
        self._send("margin_call", user, data, f"margin:{user}:{self._calls}:{standing.equity}", urgent)

    async def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._send_on())

    async def stop(self) -> None:
        """Stop sending."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _send(self, template: str, user: str, data: dict[str, Any], key: str, more: dict[str, Any]) -> None:
        message = {
            "to": [{"user": user}], "template": template, "data": data, "channels": CONFIRMED_BY,
            "escalate_after": self._escalate_seconds, **more,
        }  # fmt: skip
        self._waiting.append((message, key))
        self._bell.set()

    async def _send_on(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            if not self._waiting:
                self._bell.clear()
                await self._bell.wait()
            message, key = self._waiting[0]
            try:
                await self._push.message(message, key)
            except PushError as error:
                log.warning("chatpush does not answer, trying again: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            self._waiting.popleft()
