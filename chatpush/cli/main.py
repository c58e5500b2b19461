"""The ``chatpush`` command.

A command's module is imported when the command is used, so that asking a
running server something does not wait for the whole server to be imported. A
mistake of the operator ends with one helpful line and exit code 2; a surprise
keeps its traceback.
"""

import importlib
import os
import sys
from pathlib import Path

import click

from chatpush import __version__
from chatpush.errors import ChatpushError

MISTAKE = 2
PLACES = {
    "init": "chatpush.cli.init",
    "serve": "chatpush.cli.serve",
    "doctor": "chatpush.cli.doctor",
    "keys": "chatpush.cli.keys",
    "people": "chatpush.cli.people",
    "token": "chatpush.cli.token",
    "knowledge": "chatpush.cli.knowledge",
    "support": "chatpush.cli.support",
    "items": "chatpush.cli.items",
    "events": "chatpush.cli.items",
    "recommend": "chatpush.cli.recommend",
    "campaigns": "chatpush.cli.campaigns",
    "templates": "chatpush.cli.templates",
    "dead-letters": "chatpush.cli.dead_letters",
    "plugins": "chatpush.cli.plugins",
}
"""Command → the module that has it under the same name, with _ for -."""


class Commands(click.Group):
    """The commands of ``PLACES``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks so
        """Return the names, in the order of ``PLACES``."""
        return list(PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, importing where it lives."""
        if cmd_name not in PLACES:
            return None
        command: click.Command = getattr(
            importlib.import_module(PLACES[cmd_name]), cmd_name.replace("-", "_")
        )
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chatpush")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=lambda: os.environ.get("CHATPUSH_CONFIG", "chatpush.toml"),
    show_default="chatpush.toml or $CHATPUSH_CONFIG",
    help="The configuration file.",
)
@click.pass_context
def cli(context: click.Context, config: Path) -> None:
    """Push, inbox, support and recommendations in one process."""
    context.obj = config


def main() -> None:
    """Run the command; tell mistakes in one line."""
    try:
        cli.main(prog_name="chatpush")
    except ChatpushError as error:
        click.echo(f"chatpush: {error.message}", err=True)
        sys.exit(MISTAKE)
