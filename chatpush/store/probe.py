"""Find out whether the database and the log take writes, as a message would be written, before anybody sends one.

A page of noise is written durably and removed again, with what a node that was
killed in between has left, so the disk must have room for more than a counter;
then the log does the same to its file. Asked often, it answers from what it
found within ``EVERY_SECONDS``; asked by many at once, it writes once.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from chatpush.domain import new_id
from chatpush.errors import Unavailable
from chatpush.store.database import Database, Transaction

EVERY_SECONDS = 10.0
PATIENCE_SECONDS = 5.0
BYTES = 16_384


class WriteProbe:
    """Asks one database, and then what else has to write (``also``)."""

    def __init__(self, database: Database, also: Callable[[], Awaitable[None]] | None = None) -> None:
        self._database = database
        self._also = also
        self._asked_at = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Return if writes are taken.

        Raises:
            StorageFull: the disk is full. Unavailable: they are not, for another reason.
        """
        now = asyncio.get_running_loop().time()
        if self._running is None or (self._running.done() and now - self._asked_at >= EVERY_SECONDS):
            self._asked_at = now
            self._running = asyncio.create_task(self._write())
            self._running.add_done_callback(_seen)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.shield(self._running)
        except TimeoutError as error:
            raise Unavailable(
                f"the database, or the log, has not written for {PATIENCE_SECONDS:g} seconds"
            ) from error

    async def stop(self) -> None:
        """Wait for what is being written."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _write(self) -> None:
        row = {"tenant": "", "id": new_id("probe"), "noise": secrets.token_bytes(BYTES)}

        def put(tx: Transaction) -> None:
            _remove_in(tx)
            tx.insert("write_probe", row)

        await self._database.write(put)
        await self._database.write(_remove_in)
        if self._also is not None:
            await self._also()


def _remove_in(tx: Transaction) -> int:
    return tx.execute("DELETE FROM write_probe WHERE tenant = ''")


def _seen(task: asyncio.Task[None]) -> None:
    """Who asked may have gone; then nobody else looks at what came of it."""
    if not task.cancelled():
        task.exception()
