"""Read pages of the manual as a reader would: type what they say, compare what they show.

- ``sh`` blocks run in one shell session per page, in order (``shell`` ones do not);
  variables and the directory stay from block to block.
- ``python`` blocks run with this Python, in the session's directory and
  environment.
- A block after the words "Save this as `name`" is written to that file.
- A ``text`` block right after one that ran is what it must have printed;
  white space does not count and ``…`` stands for anything. A block that only
  reads is repeated until it shows that, because deliveries take a moment.
- A block that serves (``chatpush serve``, ``http.server``) is another terminal:
  it runs on until the same command is typed again or the page ends.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.waiting import until

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"Save this as `([^`]+)`[^\n]*\s*\Z")
SERVING = re.compile(r"^(chatpush serve|python3? -m http\.server)\b", re.MULTILINE)
READING = re.compile(
    r"curl (?!.* (?:-X|-d|--data)\b).*|chatpush (?:campaigns (?:list|runs|preview)|knowledge (?:list|search)) .*"
)
KEYS = re.compile(r"\b(sk|pk)_[A-Za-z0-9_-]{43}")
PROBLEM = re.compile(r'"request_id": ?"')
BLOCK_SECONDS = 90.0  # every command of the command line takes seconds where many tests run beside it
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page, and what must be printed when it has run."""

    page: Path
    line: int
    language: str
    text: str
    saved_as: str = ""
    shows: str = ""

    @property
    def place(self) -> str:
        """Where it stands, for whoever has to mend it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks in order; expected output belongs to the block before it."""
    source = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in BLOCK.finditer(source):
        language, text = match[1], match[2]
        line = source.count("\n", 0, match.start()) + 1
        before = source[end : match.start()]
        end = match.end()
        if language == "text":
            ran = found.pop()
            found.append(Block(page, ran.line, ran.language, ran.text, ran.saved_as, text))
            continue
        saved = SAVED.search(before)
        found.append(Block(page, line, language, text, saved[1] if saved else ""))
    return found


@dataclass
class Terminal:
    """A reader's shell session. ``replaced`` stands for what differs on the reader's machine."""

    directory: Path
    state: Path
    environment: dict[str, str]
    replaced: dict[str, str] = field(default_factory=dict)
    others: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def typed(self, text: str) -> str:
        """Return a text as this reader types it."""
        for shown, own in self.replaced.items():
            text = text.replace(shown, own)
        return text

    async def follow(self, page: Path) -> None:
        """Do everything a page says."""
        for block in blocks(page):
            await self.do(block)

    async def do(self, block: Block) -> None:
        """Do what one block says and compare what it shows."""
        text = self.typed(block.text)
        if block.saved_as:
            path = self.where() / block.saved_as
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif block.language == "sh" and SERVING.search(text):
            await self.serve(text)
        elif block.language == "sh":
            await self.run(block, text)
        elif block.language == "python":
            program = self.state / "block.py"
            program.write_text(text, encoding="utf-8")
            await self.run(block, f"{shlex.quote(sys.executable)} - < {shlex.quote(str(program))}")

    async def run(self, block: Block, text: str) -> None:
        """Run a block; one that only reads may need a moment to show what it should."""
        expected = self.typed(block.shows)
        lines = text.replace("\\\n", " ").strip().splitlines()
        again = bool(expected) and all(READING.fullmatch(line) for line in lines)
        printed = await self.shell(block, text)

        async def right() -> bool:
            nonlocal printed
            if not matches(expected, printed):
                printed = await self.shell(block, text)
            return matches(expected, printed)

        if again:
            with contextlib.suppress(TimeoutError):
                await until(right, BLOCK_SECONDS)
        for key in KEYS.finditer(printed):
            self.replaced.setdefault(f"{key[1]}_…", key[0])
        if expected:
            assert matches(expected, printed), f"{block.place} shows\n{expected}\nbut it printed\n{printed}"
        else:
            assert not PROBLEM.search(printed), f"{block.place} got a problem:\n{printed}"

    async def shell(self, block: Block, text: str) -> str:
        """Run shell text in the session and return what it printed."""
        kept = shlex.quote(str(self.state / "environment"))
        script = (
            f"set -euo pipefail\n[ ! -f {kept} ] || . {kept}\nset -a\n{text}\nset +a\n"
            f"export -p > {kept}\npwd > {shlex.quote(str(self.state / 'directory'))}\n"
        )
        process = await self.start(script)
        try:
            async with asyncio.timeout(BLOCK_SECONDS):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.communicate()
        printed = output.decode()
        assert process.returncode == 0, f"{block.place} ended with {process.returncode}:\n{printed}"
        return printed

    async def serve(self, text: str) -> None:
        """Serve in another terminal, in place of what served there before."""
        served = SERVING.search(text)
        assert served
        if before := self.others.pop(served[1], None):
            await stop(before)
        process = await self.start(text.rstrip() + "\n", lasting=True)
        self.others[served[1]] = process
        if served[1] == "chatpush serve":
            await until(lambda: self.ready(process), BLOCK_SECONDS)

    async def ready(self, process: asyncio.subprocess.Process) -> bool:
        """Return whether the server answers; one that has ended never will."""
        assert process.returncode is None, f"`chatpush serve` ended:\n{self.log.read_text(encoding='utf-8')}"
        async with aiohttp.ClientSession() as http:
            try:
                async with http.get(self.typed("http://127.0.0.1:8000/readyz")) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

    async def start(self, script: str, *, lasting: bool = False) -> asyncio.subprocess.Process:
        """Start bash on a script."""
        if lasting:
            with self.log.open("ab") as log:
                return await asyncio.create_subprocess_exec(
                    "bash", "-c", f"exec {script}", cwd=self.where(), env=self.environment,
                    stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
        return await asyncio.create_subprocess_exec(
            "bash", "-c", script, cwd=self.where(), env=self.environment, stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    @property
    def log(self) -> Path:
        """What the other terminals printed."""
        return self.state / "log"

    def where(self) -> Path:
        """Return the directory the reader is in."""
        kept = self.state / "directory"
        return Path(kept.read_text(encoding="utf-8").strip()) if kept.exists() else self.directory

    async def value(self, name: str) -> str:
        """Return one of the session's variables."""
        block = Block(ROOT / "tests" / "manual.py", 1, "sh", "")
        return (await self.shell(block, f'printf %s "${name}"')).strip()


@asynccontextmanager
async def terminal(
    directory: Path, replaced: dict[str, str] | None = None, **variables: str
) -> AsyncIterator[Terminal]:
    """Open a session in an empty directory, with nothing of this machine's own settings."""
    state, place = directory / "state", directory / "reader"
    for folder in (state, place):
        folder.mkdir()
    bin_directory = Path(sys.executable).parent
    environment = {
        "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        **variables,
    }
    opened = Terminal(place, state, environment, dict(replaced or {}))
    try:
        yield opened
    finally:
        await asyncio.gather(*map(stop, opened.others.values()))


async def stop(process: asyncio.subprocess.Process) -> None:
    """End it and wait for the end; not by Ctrl-C, which a shell in the background lets nobody hear."""
    if process.returncode is None:
        process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


def matches(expected: str, printed: str) -> bool:
    """Return whether something printed is what a page shows."""
    pattern = ".*?".join(re.escape(squeezed(part)) for part in expected.split("…"))
    return re.fullmatch(pattern, squeezed(printed), re.DOTALL) is not None


def squeezed(text: str) -> str:
    """Return a text without white space."""
    return re.sub(r"\s+", "", text)
