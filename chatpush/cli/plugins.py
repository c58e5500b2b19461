"""``chatpush plugins``: list what is loaded, check a file, write a new one."""

import os
from pathlib import Path

import click

from chatpush.cli.tables import show, table
from chatpush.configuration import load as load_settings
from chatpush.plugins import skeleton
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import FIRST_PARTY, files, load, load_file
from chatpush.settings import Settings

PLACE = "plugins"
UNNAMED = Path("chatpush.toml")


@click.group()
def plugins() -> None:
    """List, check and write plugins."""


@plugins.command("list")
@click.pass_obj
def list_plugins(config: Path) -> None:
    """List loaded plugins and the first-party ones that are off."""
    settings = _settings(config)
    loaded = {state.name: state for state in load(settings).states()}
    rows = table("plugin", "state", "hooks", "what it does")
    for state in loaded.values():
        rows.add_row(state.name, "on", ", ".join(state.hooks), state.description)
    for path in files(FIRST_PARTY):
        if path.stem not in loaded:
            docstring = (load_file(path).__doc__ or "").partition("\n")[0]
            rows.add_row(path.stem, "off", "", docstring)
    show(rows)


@plugins.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.pass_obj
def check(config: Path, paths: tuple[Path, ...]) -> None:
    """Check plugin files, or without any all that the configuration names.

    A mistake is told with its file, line and remedy, and the exit code is 2.
    """
    settings = _settings(config)
    if paths:
        found = Plugins(settings=settings.plugins)
        for path in paths:
            found.add(path.stem, load_file(path))
    else:
        found = load(settings)
    for state in found.states():
        click.echo(f"ok {state.name}: {', '.join(state.hooks)}")
    if not found.states():
        click.echo("no plugins are configured; see plugins.enabled and plugins.directory")


@plugins.command()
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write; without it plugins.directory, or plugins/ beside the configuration.",
)
@click.pass_obj
def new(config: Path, name: str, directory: Path | None) -> None:
    """Write a working plugin NAME and its passing test."""
    settings = _settings(config)
    configured = settings.plugins.directory
    place = directory or (settings.path(configured) if configured else config.parent / PLACE)
    plugin, test = skeleton.write(name, place)
    click.echo(f"wrote {plugin}\nwrote {test}\ntest it:   python -m pytest {test}")
    if not configured:
        click.echo(f'load it:   [plugins]\n           directory = "{place.absolute()}"')


def _settings(config: Path) -> Settings:
    """Return the configuration, or the defaults where ``chatpush init`` has not been yet."""
    started = config.exists() or config != UNNAMED
    return load_settings(config if started else None, os.environ)
