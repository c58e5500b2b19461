"""Compile the C programs of the bench and run the load generator; see bench/crowd.c for what it takes."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.machine import CLIENT_CORE, prefer

HERE = Path(__file__).parent
LONGEST_SECONDS = 120.0
Value = str | int | float


@dataclass(frozen=True, slots=True)
class Report:
    """What the generator measured. Seconds, counts, and milliseconds for the latencies."""

    connecting: float
    took: float
    published: int
    posted: int
    delivered: int
    missing: int
    failed: int
    p50: float
    p99: float


def compiler() -> str | None:
    """Return the machine's C compiler."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@cache
def program(name: str) -> Path:
    """Return the compiled ``bench/<name>.c``.

    Raises:
        FileNotFoundError: there is no C compiler.
    """
    found = compiler()
    if found is None:
        raise FileNotFoundError(
            "the bench's load generator needs a C compiler: apt-get install gcc libc6-dev"
        )
    built = Path(tempfile.mkdtemp(prefix="chatpush-bench-")) / name
    subprocess.run([found, "-O2", "-o", str(built), str(HERE / f"{name}.c")], check=True)
    return built


async def crowd(
    mode: str, *, hellos: Iterable[str] = (), bodies: Iterable[str] = (), **options: Value
) -> Report:
    """Run the generator to its end and return its report.

    Raises:
        RuntimeError: it failed; its words are in the message.
    """
    async with _started(mode, hellos, bodies, options) as process:
        async with asyncio.timeout(LONGEST_SECONDS):
            out, err = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{mode}: {err.decode(errors='replace')}")
        return Report(**json.loads(out.splitlines()[-1]))


@contextlib.asynccontextmanager
async def staying(mode: str, *, hellos: Iterable[str] = (), **options: Value) -> AsyncIterator[None]:
    """Bring the crowd and keep it until the block ends."""
    async with _started(mode, hellos, (), options) as process:
        assert process.stdout is not None
        if (await process.stdout.readline()).strip() != b"ready":
            _, err = await process.communicate()
            raise RuntimeError(f"{mode}: {err.decode(errors='replace')}")
        yield
        await process.communicate(b"\n")


@contextlib.asynccontextmanager
async def _started(
    mode: str, hellos: Iterable[str], bodies: Iterable[str], options: dict[str, Value]
) -> AsyncIterator[asyncio.subprocess.Process]:
    with tempfile.TemporaryDirectory() as name:
        arguments = [f"mode={mode}", *(f"{key}={value}" for key, value in options.items())]
        for kind, texts in (("hellos", list(hellos)), ("bodies", list(bodies))):
            if texts:
                file = Path(name) / kind
                file.write_text("\n".join(texts) + "\n", encoding="utf-8")
                arguments.append(f"{kind}={file}")
        process = await asyncio.create_subprocess_exec(
            str(program("crowd")), *arguments,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: prefer(CLIENT_CORE),
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
