"""Send to users that are listed in files: ``to: [{"audience": "listed", "arguments": {"file": "vip"}}]``.

A list is ``<directory>/<tenant>/<name>.txt``, one user id a line, written by
another system (an export, a script). It is read anew when it has changed.
Names are letters, digits, dashes and underscores, so nothing else of the
machine, and of no other tenant, is read.

    [plugins.settings.listed_audience]
    directory = "lists"

>>> [listed] = plugins.audiences()
>>> run(listed.page(TenantId("default"), {"file": "../secret"}, UserId(""), 10))
Traceback (most recent call last):
chatpush.errors.InvalidInput: file is a name of letters, digits, - and _
>>> run(listed.page(TenantId("default"), {"file": "nobody"}, UserId(""), 10))
Traceback (most recent call last):
chatpush.errors.InvalidInput: there is no list nobody.txt
"""

import asyncio
import re
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chatpush.domain import TenantId, UserId
from chatpush.errors import InvalidInput
from chatpush.plugins.contracts import Audience
from chatpush.plugins.hooks import hook

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LARGEST_BYTES = 64 * 1024 * 1024


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.listed_audience]``."""

    model_config = ConfigDict(extra="forbid")

    directory: str = Field("lists", description="Where the tenants' lists are.")


class Listed:
    """The audience of files."""

    name = "listed"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[Path, tuple[int, list[UserId]]] = {}

    async def page(
        self, tenant: TenantId, arguments: Mapping[str, Any], after: UserId, limit: int
    ) -> list[UserId]:
        """Return the next ids of a list."""
        name = str(arguments.get("file", ""))
        if not NAME.fullmatch(name) or not NAME.fullmatch(tenant):
            raise InvalidInput("file is a name of letters, digits, - and _", param="to.arguments.file")
        users = await asyncio.to_thread(self._read, self._directory / tenant / f"{name}.txt")
        start = bisect_right(users, after)
        return users[start : start + limit]

    def _read(self, file: Path) -> list[UserId]:
        try:
            changed = file.stat()
        except OSError as error:
            raise InvalidInput(f"there is no list {file.name}", param="to.arguments.file") from error
        if changed.st_size > LARGEST_BYTES:
            raise InvalidInput(f"{file.name} has over {LARGEST_BYTES} bytes", param="to.arguments.file")
        known = self._known.get(file)
        if known is None or known[0] != changed.st_mtime_ns:
            lines = file.read_text(encoding="utf-8").split()
            known = self._known[file] = (changed.st_mtime_ns, sorted({UserId(line) for line in lines}))
        return known[1]


@hook
def register_audiences(settings: dict[str, Any]) -> list[Audience]:
    """Return the audience."""
    return [Listed(Path(settings["directory"]))]
