"""Start the training of a head in a process of its own, so that the event loop never waits for it.

The process is ended when nobody waits any more; that training failed or took
too long is told in the log, and the head before goes on serving.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import structlog

from chatpush.support.retrieval.head import Example
from chatpush.support.retrieval.head_storing import order_of
from chatpush.support.retrieval.head_vectors import Compared

log = structlog.get_logger(__name__)
SECONDS = 1800.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


async def in_a_process(examples: Sequence[Example], vectors: Compared | None = None) -> bytes | None:
    """Return a trained head as bytes, or None if it could not be trained."""
    asked = await asyncio.to_thread(order_of, examples, vectors)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chatpush.support.retrieval.head_process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            stored, said = await process.communicate(asked)
    except TimeoutError:
        log.warning("training takes too long; given up", examples=len(examples))
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.warning("training failed", error=said.decode(errors="replace")[-2000:])
        return None
    return stored or None
