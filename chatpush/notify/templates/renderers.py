"""Keep a few worker processes that render templates nobody has reason to trust.

Workers start when first needed, live on for the next batch, and get neither
our environment variables nor our files. One that hangs or dies costs only the
text it was at: the rest of the batch goes on in a fresh one.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from chatpush.errors import InvalidTemplate
from chatpush.notify.templates.pipes import WorkerProcess

log = structlog.get_logger(__name__)

WORKER = "chatpush.notify.templates.sandbox"
GRACE_SECONDS = 1.0

Texts = dict[str, str]


class Renderers:
    """A pool of rendering processes.

    ``render`` may be called by many at once: each call takes a free worker and
    the others wait their turn.
    """

    def __init__(self, *, seconds: float = 2.0, max_bytes: int = 65_536, workers: int = 1) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._free: asyncio.Queue[WorkerProcess | None] = asyncio.Queue()
        for _ in range(workers):
            self._free.put_nowait(None)
        self._workers: set[WorkerProcess] = set()

    async def stop(self) -> None:
        """End every worker; a later call starts new ones."""
        workers, self._workers = self._workers, set()
        for worker in workers:
            await worker.kill()

    async def check(
        self, parts: Mapping[str, str], where: str, includes: Mapping[str, str] | None = None
    ) -> None:
        """Compile the texts.

        Raises:
            InvalidTemplate: they don't compile; the message has the line.
        """
        (answer,) = await self._run(parts, "", [None], where, includes or {})
        if isinstance(answer, InvalidTemplate):
            raise answer

    async def render(
        self, parts: Mapping[str, str], fingerprint: str, contexts: Sequence[Mapping[str, Any]], where: str,
        includes: Mapping[str, str] | None = None,
    ) -> list[Texts | InvalidTemplate]:  # fmt: skip
        """Return each context's texts, or what went wrong with it, in order.

        ``fingerprint`` names the source, so that a worker compiles it once.
        """
        return await self._run(parts, fingerprint, list(contexts), where, includes or {})

    async def _run(
        self, parts: Mapping[str, str], fingerprint: str, contexts: list[Any], where: str,
        includes: Mapping[str, str],
    ) -> list[Texts | InvalidTemplate]:  # fmt: skip
        answers: list[Texts | InvalidTemplate] = []
        worker = await self._free.get()
        try:
            while len(answers) < len(contexts):
                if worker is None or worker not in self._workers:
                    worker = await self._start()
                rest = contexts[len(answers) :]
                worker.ask(self._request(parts, fingerprint, rest, where) | {"includes": dict(includes)})
                finished, problem = await self._collect(worker, len(rest), answers)
                if not finished:
                    await self._discard(worker)
                    answers.append(InvalidTemplate(f"{where}: {problem}", param=f"locales.{where}"))
        except BaseException:
            # Cancelled in the middle of a reply: the pipe is out of step with us.
            if worker is not None:
                await self._discard(worker)
            raise
        finally:
            self._free.put_nowait(worker)
        return answers

    def _request(
        self, parts: Mapping[str, str], fingerprint: str, contexts: list[Any], where: str
    ) -> dict[str, Any]:
        return {
            "parts": dict(parts),
            "fingerprint": fingerprint or f"check {json.dumps(dict(parts), sort_keys=True)}",
            "contexts": contexts,
            "where": where,
            "seconds": self._seconds,
            "max_bytes": self._max_bytes,
        }

    async def _collect(
        self, worker: WorkerProcess, expected: int, answers: list[Texts | InvalidTemplate]
    ) -> tuple[bool, str]:
        """Append replies; return (all came, what went wrong)."""
        try:
            for _ in range(expected):
                reply = await worker.answer(self._seconds + GRACE_SECONDS)
                if "error" in reply:
                    answers.append(InvalidTemplate(reply["error"], param=reply["param"]))
                else:
                    answers.append(reply["texts"])
        except TimeoutError:
            return False, f"rendering took longer than {self._seconds:g} s"
        except EOFError:
            return False, "rendering crashed; does it need too much memory?"
        return True, ""

    async def _start(self) -> WorkerProcess:
        worker = await WorkerProcess.start(WORKER)
        self._workers.add(worker)
        return worker

    async def _discard(self, worker: WorkerProcess) -> None:
        log.warning("rendering worker discarded", pid=worker.process.pid)
        self._workers.discard(worker)
        await worker.kill()
