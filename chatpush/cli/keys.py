"""``chatpush keys``: issue, list and revoke API keys, on the records themselves.

A running server notices within seconds.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from chatpush.app import Chatpush
from chatpush.cli.tables import show, table
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, TenantId

T = TypeVar("T")
tenant_option = click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose.")


def on_records(config: Path, job: Callable[[Chatpush], Awaitable[T]]) -> T:
    """Run a job on the records of the configuration and return its result."""

    async def run() -> T:
        async with Chatpush(load(config, os.environ)).records() as chatpush:
            return await job(chatpush)

    return asyncio.run(run())


@click.group()
def keys() -> None:
    """Issue, list and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, help="What it may do; may be repeated. Default: everything."
)
@click.option("--publishable", is_flag=True, help="A key for pages: it names the tenant and may do nothing.")
@tenant_option
@click.pass_obj
def issue(config: Path, name: str, scopes: tuple[str, ...], publishable: bool, tenant: str) -> None:
    """Make a key called NAME and show it once."""
    kind, granted = ("pk", ()) if publishable else ("sk", scopes or ("*",))
    made = on_records(
        config, lambda chatpush: chatpush.keys.issue(TenantId(tenant), name, kind=kind, scopes=granted)
    )
    click.echo(made.plaintext)


@keys.command("list")
@tenant_option
@click.pass_obj
def list_(config: Path, tenant: str) -> None:
    """List keys; only their last characters are known."""
    rows = table("id", "kind", "name", "ends in", "scopes", "state")
    for key in on_records(config, lambda chatpush: chatpush.keys.list(TenantId(tenant))):
        state = "revoked" if key.revoked_at else "good"
        rows.add_row(key.id, key.kind, key.name, key.hint, " ".join(key.scopes), state)
    show(rows)


@keys.command()
@click.argument("key")
@tenant_option
@click.pass_obj
def revoke(config: Path, key: str, tenant: str) -> None:
    """Revoke the key with this id."""
    on_records(config, lambda chatpush: chatpush.keys.revoke(TenantId(tenant), key))
    click.echo(f"revoked {key}")
