"""``chatpush plugins``: list what is loaded, check files, write a new one."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from chatpush.cli.tables import show, table
from chatpush.configuration import load as load_settings
from chatpush.errors import PluginFailed
from chatpush.plugins import skeleton
from chatpush.plugins.examples import Examples, run_examples
from chatpush.plugins.host import Plugins
from chatpush.plugins.loader import (
    FIRST_PARTY,
    Found,
    files,
    found,
    found_in,
    know_all_settings,
    load,
    load_file,
)
from chatpush.plugins.states import HookState, PluginState
from chatpush.settings import Settings

PLACE = "plugins"
UNNAMED = Path("chatpush.toml")


@click.group()
def plugins() -> None:
    """List, check and write plugins."""


@plugins.command("list")
@click.pass_obj
def list_plugins(config: Path) -> None:
    """List loaded plugins in the order they are called, and the first-party ones that are off.

    Behind a hook stands its budget, and "closed" if what it can't look at is dropped.
    """
    settings = _settings(config)
    states = load(settings).states()
    rows = table("plugin", "order", "hooks", "what it does")
    for state in states:
        rows.add_row(state.name, str(state.position), "\n".join(_terms(state)), state.description)
    loaded = {state.name for state in states}
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

    Each is imported, its hooks and settings are compared with what they may be,
    and the examples in its docstrings are run. Mistakes are told one a line,
    with file, line and remedy, and the exit code is 2.
    """
    settings = _settings(config)
    named = [found_in(path) for path in paths] or found(settings)
    host = Plugins(settings=settings.plugins)
    problems: list[str] = []
    for one in named:
        try:
            seen = _checked(one, host, settings)
        except PluginFailed as error:
            problems += error.message.splitlines()
            continue
        problems += seen.failures
        if not seen.failures:
            state = next(state for state in host.states() if state.name == one.name)
            _say_fine(state, seen, [other.name for other in named])
    if not paths and not problems:
        know_all_settings({one.name for one in named}, settings)
    if problems:
        raise PluginFailed("\n".join(problems))
    if not named:
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
    click.echo(f"check it:  chatpush plugins check {plugin}")
    if not configured:
        click.echo(f'load it:   [plugins]\n           directory = "{place.absolute()}"')


def _checked(one: Found, host: Plugins, settings: Settings) -> Examples:
    """Return what a plugin's examples say; it is in the host then.

    Raises:
        PluginFailed: it can't be loaded or taken in.
    """
    host.add(one.name, one.load())
    # A plugin may keep what it saw: its examples get one that has seen nothing.
    return run_examples(one.name, one.load(), settings.plugins.settings.get(one.name))


def _say_fine(state: PluginState, seen: Examples, loaded: Sequence[str]) -> None:
    ran = f" (examples: {seen.run})" if seen.run else ""
    click.echo(f"ok {state.name}: {', '.join(state.hooks)}{ran}")
    for other in (*state.before, *state.after):
        if other not in loaded:
            click.echo(f"   {state.name} asks for a place beside {other}, which isn't loaded")


def _terms(state: PluginState) -> Iterator[str]:
    """Yield each hook with its terms."""
    called = {one.name: one for one in state.called}
    for name in state.hooks:
        yield f"{name} {_term(called[name])}" if name in called else name


def _term(hook: HookState) -> str:
    return f"{hook.budget_milliseconds:g} ms" + (", closed" if hook.fail_closed else "")


def _settings(config: Path) -> Settings:
    """Return the configuration, or the defaults where ``chatpush init`` has not been yet."""
    started = config.exists() or config != UNNAMED
    return load_settings(config if started else None, os.environ)
