"""Talk to worker processes over their pipes: frames of four bytes of length, then JSON.

Workers do what may hang, crash or be led astray: render strangers' templates,
call strangers' addresses. They get neither our environment variables nor our
files, and whoever asked can always kill them.
"""

import asyncio
import json
import os
import struct
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

HEADER = struct.Struct(">I")
LARGEST_FRAME = 64 * 1024 * 1024
START_SECONDS = 20.0


def frame(value: Any) -> bytes:
    """Return a value as it goes over the pipe."""
    data = json.dumps(value, ensure_ascii=False).encode()
    return HEADER.pack(len(data)) + data


def read_frame(stream: BinaryIO) -> Any | None:
    """Return the next frame, or None at the end."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    return json.loads(stream.read(HEADER.unpack(header)[0]))


class WorkerProcess:
    """One process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._fresh = True

    @classmethod
    async def start(cls, module: str) -> "WorkerProcess":
        """Run a module of this installation as a worker."""
        environment = {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=environment, limit=LARGEST_FRAME,
        )  # fmt: skip
        return cls(process)

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send a request."""
        assert self.process.stdin is not None
        self.process.stdin.write(frame(request))

    async def answer(self, seconds: float) -> Any:
        """Return the next reply; the first one may take a start longer.

        Raises:
            TimeoutError: it hangs.
            EOFError: it died, or says too much.
        """
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(seconds + (START_SECONDS if self._fresh else 0)):
                header = await self.process.stdout.readexactly(HEADER.size)
                size = HEADER.unpack(header)[0]
                if size > LARGEST_FRAME:
                    raise EOFError
                body = await self.process.stdout.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise EOFError from error
        self._fresh = False
        return json.loads(body)

    async def kill(self) -> None:
        """End it now."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
