"""Reach people through any service that apprise knows; the address is an apprise URL.

Sends run in a few worker processes (``apprise_worker.py``), one at a time in
each, so a service that blocks or hangs costs its own worker and nothing else.
The address holds a service's credentials: it is sealed at rest and is never
part of an error.
"""

import asyncio
from importlib.util import find_spec
from typing import Any

import structlog

from chatpush.domain import OutgoingMessage
from chatpush.errors import Forbidden, InvalidInput, InvalidSettings, Unavailable
from chatpush.notify.templates.pipes import WorkerProcess
from chatpush.plugins.contracts import Sent

log = structlog.get_logger(__name__)

NAME = "apprise"
WORKER = "chatpush.channels.apprise_worker"
LONGEST_ADDRESS = 2048
LONGEST_BODY = 20_000


class AppriseChannel:
    """The channel of apprise URLs."""

    name = NAME

    def __init__(self, *, workers: int, seconds: float, allow_private: bool) -> None:
        """Start nothing yet.

        Raises:
            InvalidSettings: the ``apprise`` extra is not installed.
        """
        if find_spec("apprise") is None:
            raise InvalidSettings(
                'channels.apprise.enabled: `pip install "chatpush[apprise]"` brings apprise'
            )
        self.concurrency = workers
        self._seconds = seconds
        self._allow_private = allow_private
        self._workers: set[WorkerProcess] = set()
        self._free: asyncio.LifoQueue[WorkerProcess | None] = asyncio.LifoQueue()
        for _ in range(workers):
            self._free.put_nowait(None)

    async def check(self, address: str) -> None:
        """Look at an address before it is kept.

        Raises:
            InvalidInput: apprise knows no such address.
            Forbidden: it leads to this server itself.
            Unavailable: nobody could look.
        """
        if not 1 <= len(address) <= LONGEST_ADDRESS or "://" not in address:
            raise InvalidInput(
                f"an apprise URL, scheme://…, of at most {LONGEST_ADDRESS} characters", param="address"
            )
        await self._ask({"address": address, "only_check": True})

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        """Hand one message to a service.

        Raises:
            Forbidden: the address leads into a private network.
            InvalidInput: it is none, or the service refused the message.
            Unavailable: the service can't be reached now.
        """
        content = message.content
        words = "\n\n".join(filter(None, [content.body[:LONGEST_BODY], content.url])) or content.title
        await self._ask({
            "address": address, "title": content.title, "body": words, "urgent": message.priority == "high"
        })  # fmt: skip
        return Sent()

    async def close(self) -> None:
        """End every worker; a later send starts new ones."""
        workers, self._workers = self._workers, set()
        for worker in workers:
            await worker.kill()

    async def _ask(self, request: dict[str, Any]) -> None:
        worker = await self._free.get()
        try:
            if worker is None or worker not in self._workers:
                worker = await WorkerProcess.start(WORKER)
                self._workers.add(worker)
            worker.ask({"allow_private": self._allow_private, **request})
            reply = await worker.answer(self._seconds)
        except (TimeoutError, EOFError, OSError) as error:
            await self._discard(worker)
            raise Unavailable(f"the service did not answer within {self._seconds:g} s") from error
        except BaseException:
            # Cancelled while it was at work: its pipe is out of step with us.
            await self._discard(worker)
            raise
        finally:
            self._free.put_nowait(worker if worker in self._workers else None)
        match reply["outcome"]:
            case "sent":
                return
            case "forbidden":
                raise Forbidden(reply["words"], param="address")
            case "failed":
                raise Unavailable(reply["words"])
            case _:
                raise InvalidInput(reply["words"], param="address")

    async def _discard(self, worker: WorkerProcess | None) -> None:
        if worker is not None:
            log.warning("apprise worker discarded", pid=worker.process.pid)
            self._workers.discard(worker)
            await worker.kill()
