"""``chatpush campaigns``: plan, try, run, pause and watch campaigns of a running chatpush."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from rich.table import Table

from chatpush.cli.remote import Remote, remote_options
from chatpush.cli.tables import show, table
from chatpush.errors import InvalidInput


@click.group()
def campaigns() -> None:
    """Scheduled and event-triggered messages."""


@campaigns.command("list")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="Rows to show.")
@remote_options
def list_campaigns(limit: int, url: str, key: str) -> None:
    """List campaigns, newest first."""
    page = _get(url, key, "/v1/campaigns", limit=limit)
    rows = table("id", "name", "state", "when", "next firing (UTC)")
    for one in page["data"]:
        rows.add_row(one["id"], one["name"], one["state"], _when(one["trigger"]), one["next_at"] or "")
    _print(rows, page, "no campaigns yet; `chatpush campaigns create FILE` makes one")


@campaigns.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@remote_options
def create(file: Path, url: str, key: str) -> None:
    """Make a campaign from a JSON FILE (or - for standard input), as POST /v1/campaigns takes it."""
    made = _post(url, key, "/v1/campaigns", _json(file))
    click.echo(f"{made['id']} {made['name']}: {made['state']}, next firing {made['next_at'] or 'none'}")


@campaigns.command()
@click.argument("campaign")
@click.option("--count", type=click.IntRange(1, 50), default=10, show_default=True, help="Firings to show.")
@remote_options
def preview(campaign: str, count: int, url: str, key: str) -> None:
    """Show the next firings."""
    page = _get(url, key, f"/v1/campaigns/{campaign}/preview", count=count)
    rows = table("UTC", "there")
    for one in page["data"]:
        rows.add_row(one["at"], one["local"])
    _print(rows, page, "it will not fire by the clock")


@campaigns.command("dry-run")
@click.argument("campaign")
@click.option("--samples", type=click.IntRange(0, 10), default=3, show_default=True, help="Messages to show.")
@click.option("--user", default="", help="Show this user's message.")
@remote_options
def dry_run(campaign: str, samples: int, user: str, url: str, key: str) -> None:
    """Say whom a run would reach now, and show a few messages; nothing is sent."""
    query = urlencode({"samples": samples, "user": user})
    dry = _post(url, key, f"/v1/campaigns/{campaign}/dry-run?{query}")
    click.echo(f"{dry['users']} users in the audience, before consent, quiet hours and caps")
    for sample in dry["samples"]:
        click.echo(f"\n{sample['user']} ({sample['locale'] or '-'})")
        if sample["problem"]:
            click.echo(f"  ! {sample['problem']}")
            continue
        click.echo(f"  {sample['title']}\n  {sample['body']}")
        for item in sample["items"]:
            click.echo(f"  - {item['title']}: {item['reason']}")


@campaigns.command()
@click.argument("campaign")
@remote_options
def run(campaign: str, url: str, key: str) -> None:
    """Run a campaign now, out of turn."""
    started = _post(url, key, f"/v1/campaigns/{campaign}/run")
    click.echo(f"{started['id']}: {started['state']} {started['error']}".rstrip())


@campaigns.command()
@click.argument("campaign")
@remote_options
def pause(campaign: str, url: str, key: str) -> None:
    """Stop firing; a run under way waits."""
    click.echo(_state(_post(url, key, f"/v1/campaigns/{campaign}/pause")))


@campaigns.command()
@click.argument("campaign")
@remote_options
def resume(campaign: str, url: str, key: str) -> None:
    """Fire again, from the next slot on."""
    click.echo(_state(_post(url, key, f"/v1/campaigns/{campaign}/resume")))


@campaigns.command()
@click.argument("campaign")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Rows to show.")
@remote_options
def runs(campaign: str, limit: int, url: str, key: str) -> None:
    """List a campaign's runs, newest first."""
    page = _get(url, key, f"/v1/campaigns/{campaign}/runs", limit=limit)
    rows = table("id", "due", "state", "users", "messages", "nothing to say", "error")
    for one in page["data"]:
        numbers = (str(one["users"]), str(one["accepted"]), str(one["skipped"]))
        rows.add_row(one["id"], one["due_at"], one["state"], *numbers, one["error"])
    _print(rows, page, "no runs yet")


def _get(url: str, key: str, path: str, **query: Any) -> Any:
    with Remote(url, key) as remote:
        return remote.get(path, **query)


def _post(url: str, key: str, path: str, body: Any = None) -> Any:
    with Remote(url, key) as remote:
        return remote.post(path, body)


def _print(rows: Table, page: Any, empty: str) -> None:
    if not page["data"]:
        click.echo(empty)
        return
    show(rows)
    if page.get("has_more"):
        click.echo("… there are more; raise --limit")


def _state(campaign: Any) -> str:
    return f"{campaign['id']} {campaign['name']}: {campaign['state']}, next firing {campaign['next_at'] or 'none'}"


def _when(trigger: Any) -> str:
    """Say a trigger in few words."""
    match trigger["kind"]:
        case "cron":
            return f"{trigger['cron']} {trigger.get('timezone', 'UTC')}"
        case "interval":
            return f"every {trigger['every']} {trigger['unit']}"
        case "date":
            return f"{trigger['at']} {trigger.get('timezone', 'UTC')}"
        case _:
            return f"on {trigger['type']}"


def _json(file: Path) -> Any:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file}: {error}") from error
