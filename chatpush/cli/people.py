"""``chatpush people``: who may sign in at the console, and a new password for who forgot theirs."""

import secrets
from pathlib import Path

import click

from chatpush.account.people import Person
from chatpush.app import Chatpush
from chatpush.cli.keys import on_records, tenant_option
from chatpush.cli.tables import show, table
from chatpush.domain import Role, TenantId
from chatpush.errors import NotFound

PASSWORD_BYTES = 12


@click.group()
def people() -> None:
    """Add console people, list them, give new passwords, remove them."""


@people.command()
@click.argument("email")
@click.option("--name", default="", help="What to call them; default: the address.")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    default=Role.AGENT,
    show_default=True,
    help="What they may do.",
)
@tenant_option
@click.pass_obj
def add(config: Path, email: str, name: str, role: str, tenant: str) -> None:
    """Add somebody and show their first password once."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    on_records(
        config,
        lambda chatpush: chatpush.people.add(TenantId(tenant), email, name or email, password, Role(role)),
    )
    click.echo(password)


@people.command("list")
@tenant_option
@click.pass_obj
def list_(config: Path, tenant: str) -> None:
    """List who may sign in."""
    rows = table("email", "name", "role")
    for person in on_records(config, lambda chatpush: chatpush.people.list(TenantId(tenant))):
        rows.add_row(person.email, person.name, person.role)
    show(rows)


@people.command()
@click.argument("email")
@tenant_option
@click.pass_obj
def password(config: Path, email: str, tenant: str) -> None:
    """Give somebody a new password, show it once, and end their sessions."""
    fresh = secrets.token_urlsafe(PASSWORD_BYTES)

    async def change(chatpush: Chatpush) -> None:
        person = await _find(chatpush, TenantId(tenant), email)
        await chatpush.people.change_password(TenantId(tenant), person.id, fresh)

    on_records(config, change)
    click.echo(fresh)


@people.command()
@click.argument("email")
@tenant_option
@click.pass_obj
def remove(config: Path, email: str, tenant: str) -> None:
    """Remove somebody and end their sessions."""

    async def forget(chatpush: Chatpush) -> None:
        person = await _find(chatpush, TenantId(tenant), email)
        await chatpush.people.remove(TenantId(tenant), person.id)

    on_records(config, forget)
    click.echo(f"removed {email}")


async def _find(chatpush: Chatpush, tenant: TenantId, email: str) -> Person:
    for person in await chatpush.people.list(tenant):
        if person.email.lower() == email.lower():
            return person
    raise NotFound(f"nobody signs in as {email}; `chatpush people list` shows who does")
