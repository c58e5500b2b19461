"""``chatpush serve``: run the server until it is told to stop."""

import os
from pathlib import Path

import click

from chatpush.configuration import load
from chatpush.process import run
from chatpush.settings import Settings


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=None, help="The configuration file.")
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port to listen on.")
@click.option("--reload-plugins", is_flag=True, help="Take changed plugin files in; for development.")
@click.pass_obj
def serve(
    default: Path, config: Path | None, host: str | None, port: int | None, reload_plugins: bool
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let clients go gently."""
    settings = load(config or default, os.environ)
    run(_override(settings, host, port, reload_plugins))


def _override(settings: Settings, host: str | None, port: int | None, reload_plugins: bool) -> Settings:
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    plugins = settings.plugins
    if reload_plugins:
        plugins = plugins.model_copy(update={"reload": True})
    return settings.model_copy(
        update={"server": settings.server.model_copy(update=chosen), "plugins": plugins}
    )
