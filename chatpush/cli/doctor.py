"""``chatpush doctor``: check what a start would need, and say what to mend."""

import asyncio
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from chatpush.app import Chatpush
from chatpush.configuration import load
from chatpush.errors import ChatpushError
from chatpush.settings import Settings
from chatpush.store.vault import read_master_key

Check = tuple[str, Callable[[Settings], str]]
FEW_FILES = 4096


@click.command()
@click.pass_obj
def doctor(config: Path) -> None:
    """Check the configuration, keys, database, plugins and limits."""
    console = Console()
    settings = load(config, os.environ)
    console.print(f"[green]ok[/]    settings: {config}")
    failed = False
    for name, check in CHECKS:
        try:
            found = check(settings)
        except (ChatpushError, OSError) as error:
            failed = True
            console.print(f"[red]wrong[/] {name}: {error}")
        else:
            mark = "[yellow]look[/] " if found.startswith("!") else "[green]ok[/]   "
            console.print(f"{mark} {name}: {found.lstrip('!')}")
    sys.exit(2 if failed else 0)


def _master_key(settings: Settings) -> str:
    path = settings.path(settings.store.master_key_file)
    read_master_key(path)
    return str(path)


def _records(settings: Settings) -> str:
    async def look() -> str:
        async with Chatpush(settings).records() as chatpush:
            tenants = await chatpush.tenants.list()
            people = [person for tenant in tenants for person in await chatpush.people.list(tenant.id)]
        return f"{len(tenants)} tenant(s), {len(people)} console person(s)"

    return asyncio.run(look())


def _plugins(settings: Settings) -> str:
    names = [state.name for state in Chatpush(settings).plugins.states()]
    return ", ".join(names) or "none"


def _origins(settings: Settings) -> str:
    origins = settings.client.allowed_origins
    if "*" in origins:
        return "!any page may connect; name your origins in client.allowed_origins"
    return ", ".join(origins) or "!none: only pages of this server's own origin can connect"


def _model(settings: Settings) -> str:
    if not settings.writer.enabled:
        return "none; the embedded assistant answers"
    return f"{settings.writer.model} at {settings.writer.base_url or 'the default address'}"


def _files(_settings: Settings) -> str:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"{'!' if soft < FEW_FILES else ''}{soft} open files allowed, so about {soft - 100} connections"


CHECKS: list[Check] = [
    ("master key", _master_key),
    ("records", _records),
    ("plugins", _plugins),
    ("allowed origins", _origins),
    ("language model", _model),
    ("open files", _files),
]
