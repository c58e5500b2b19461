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
@click.pass_obj
def serve(default: Path, config: Path | None, host: str | None, port: int | None) -> None:
    """Serve until SIGTERM or Ctrl-C, then let clients go gently."""
    settings = load(config or default, os.environ)
    run(_override(settings, host, port))


def _override(settings: Settings, host: str | None, port: int | None) -> Settings:
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update={"server": settings.server.model_copy(update=chosen)})
