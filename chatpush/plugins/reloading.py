"""Take changed plugin files in while chatpush runs; for development.

Twice a second the files of ``plugins.directory`` and the first-party ones that
are on are looked at. A changed file is run anew and put in the old one's place:
its hooks at once, and what it registered too, as far as names stay. A file that
is broken changes nothing and is told in one line, once. New files come in, and
deleted ones go.
"""

import asyncio
import contextlib
from pathlib import Path

import structlog

from chatpush.errors import PluginFailed
from chatpush.plugins.loader import files, first_party, load_file
from chatpush.plugins.roster import Roster
from chatpush.settings import Settings

log = structlog.get_logger(__name__)
LOOK_SECONDS = 0.5
Signature = tuple[int, int]


class Reloading:
    """Watches plugin files; does nothing unless ``plugins.reload`` says so."""

    def __init__(self, plugins: Roster, settings: Settings) -> None:
        self._plugins = plugins
        self._settings = settings
        self._seen = _signatures(self._watched())
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        if self._settings.plugins.reload:
            self._loop = asyncio.create_task(self._look_on())

    async def stop(self) -> None:
        """Stop watching."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop

    async def look(self) -> list[str]:
        """Take in what changed since the last look; return the names of what is new."""
        found = await asyncio.to_thread(lambda: _signatures(self._watched()))
        before, self._seen = self._seen, found
        taken = [path for path in found if before.get(path) != found[path] and await self._take_in(path)]
        for path in before.keys() - found.keys():
            if path.stem in self._names():
                self._plugins.remove(path.stem)
                log.info("plugin gone with its file", plugin=path.stem)
        return [path.stem for path in taken]

    async def _take_in(self, path: Path) -> bool:
        name = path.stem
        try:
            plugin = await asyncio.to_thread(load_file, path)
            if name in self._names():
                self._plugins.replace(name, plugin)
            else:
                self._plugins.add(name, plugin)
        except PluginFailed as error:
            log.error("plugin not reloaded; what was there stays", plugin=name, problem=_line(error))
            return False
        log.info("plugin reloaded", plugin=name)
        return True

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:
                log.error("looking at plugin files failed", error=repr(error))

    def _names(self) -> set[str]:
        return {state.name for state in self._plugins.states()}

    def _watched(self) -> list[Path]:
        own = self._settings.plugins
        directory = self._settings.path(own.directory) if own.directory else None
        mine = files(directory) if directory is not None and directory.is_dir() else []
        return [*(first_party(name) for name in own.enabled), *mine]


def _signatures(paths: list[Path]) -> dict[Path, Signature]:
    """Return time and size of each file that is there."""
    found: dict[Path, Signature] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = status.st_mtime_ns, status.st_size
    return found


def _line(error: PluginFailed) -> str:
    return " ".join(error.message.split())
