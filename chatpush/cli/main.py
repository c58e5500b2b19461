"""The ``chatpush`` command.

A mistake of the operator ends with one helpful line and exit code 2; a
surprise keeps its traceback.
"""

import os
import sys
from pathlib import Path

import click

from chatpush import __version__
from chatpush.cli.campaigns import campaigns
from chatpush.cli.doctor import doctor
from chatpush.cli.init import init
from chatpush.cli.items import events, items
from chatpush.cli.knowledge import knowledge
from chatpush.cli.plugins import plugins
from chatpush.cli.serve import serve
from chatpush.errors import ChatpushError

MISTAKE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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


for command in (init, serve, doctor, knowledge, items, events, campaigns, plugins):
    cli.add_command(command)


def main() -> None:
    """Run the command; tell mistakes in one line."""
    try:
        cli.main(prog_name="chatpush")
    except ChatpushError as error:
        click.echo(f"chatpush: {error.message}", err=True)
        sys.exit(MISTAKE)
