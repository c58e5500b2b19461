"""``chatpush token``: a user token to try things out; your backend signs the real ones."""

from datetime import timedelta
from pathlib import Path

import click

from chatpush.cli.keys import on_records, tenant_option
from chatpush.domain import TenantId, UserId


@click.command()
@click.argument("user")
@click.option(
    "--hours", type=click.IntRange(1, 24 * 365), default=24, show_default=True, help="How long it is good."
)
@tenant_option
@click.pass_obj
def token(config: Path, user: str, hours: int, tenant: str) -> None:
    """Print a token that proves to be USER."""
    click.echo(
        on_records(
            config,
            lambda chatpush: chatpush.tokens.issue_connection(
                TenantId(tenant), UserId(user), timedelta(hours=hours)
            ),
        )
    )
