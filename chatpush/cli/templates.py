"""``chatpush templates``: see what a template of a running chatpush makes, and send it to somebody as a test."""

import json
from typing import Any
from urllib.parse import quote

import click

from chatpush.cli.remote import Remote, remote_options
from chatpush.cli.tables import show, table
from chatpush.errors import InvalidInput


@click.group()
def templates() -> None:
    """Message templates."""


@templates.command("list")
@remote_options
def list_templates(url: str, key: str) -> None:
    """List templates in the version in use."""
    with Remote(url, key) as remote:
        page = remote.get("/v1/templates", limit=100)
    rows = table("name", "version", "state", "category", "languages")
    for one in page["data"]:
        rows.add_row(
            one["name"], str(one["version"]), one["state"], one["category"], ", ".join(one["locales"])
        )
    show(rows) if page["data"] else click.echo("no templates yet; PUT /v1/templates/NAME makes one")


@templates.command()
@click.argument("name")
@click.option("--locale", default=None, help="The reader's language; their own if left out.")
@click.option("--user", default=None, help="A real user to preview for.")
@click.option("--data", default="{}", help="What the template speaks of, as JSON.")
@remote_options
def preview(name: str, locale: str | None, user: str | None, data: str, url: str, key: str) -> None:
    """Show what a reader of NAME (or NAME@VERSION, drafts too) would see."""
    with Remote(url, key) as remote:
        shown = remote.post(_path(name, "preview"), _body(data, locale=locale, user=user))
    click.echo(f"[{shown['locale']}] {shown['title']}")
    for text in (shown["body"], shown["url"], *(one["label"] for one in shown["actions"])):
        if text:
            click.echo(text)
    for cut in shown["cuts"]:
        click.echo(f"{cut['channel']} cuts the {cut['part']} after {cut['limit']} of {cut['bytes']} bytes")


@templates.command("test-send")
@click.argument("name")
@click.option("--user", required=True, help="Who gets it.")
@click.option("--locale", default=None, help="Their language; their own if left out.")
@click.option("--data", default="{}", help="What the template speaks of, as JSON.")
@click.option("--channel", "channels", multiple=True, help="By which channels; the inbox if left out.")
@remote_options
def test_send(
    name: str, user: str, locale: str | None, data: str, channels: tuple[str, ...], url: str, key: str
) -> None:
    """Send NAME (or NAME@VERSION, drafts too) to one user."""
    body = _body(data, locale=locale, user=user, channels=list(channels) or None)
    with Remote(url, key) as remote:
        click.echo(remote.post(_path(name, "test-send"), body)["id"])


def _path(name: str, what: str) -> str:
    return f"/v1/templates/{quote(name, safe='@')}/{what}"


def _body(data: str, **more: Any) -> dict[str, Any]:
    try:
        given = json.loads(data)
    except ValueError as error:
        raise InvalidInput(f"--data is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidInput('--data is a JSON object: {"order": "42"}')
    return {"data": given} | {name: value for name, value in more.items() if value is not None}
