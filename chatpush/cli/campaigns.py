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
from chatpush.cli.what_if import WHAT_IF_USERS, assigned, hours_of, replayed, told
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
    _print(rows, page, "no campaigns yet; `chatpush campaigns create FILE` or `preset NAME` makes one")


@campaigns.command("show")
@click.argument("campaign")
@remote_options
def show_campaign(campaign: str, url: str, key: str) -> None:
    """Show a campaign: what was written, its next firings, its newest runs."""
    with Remote(url, key) as remote:
        found = remote.get(f"/v1/campaigns/{campaign}")
        firings = remote.get(f"/v1/campaigns/{campaign}/preview", count=3)["data"]
        newest = remote.get(f"/v1/campaigns/{campaign}/runs", limit=3)["data"]
    own = ("id", "state", "next_at", "created_at", "updated_at")
    click.echo(_state(found))
    click.echo(
        json.dumps({name: found[name] for name in found if name not in own}, ensure_ascii=False, indent=2)
    )
    for one in firings:
        click.echo(f"fires {one['at']} ({one['local']} there)")
    for one in newest:
        click.echo(f"{one['id']} {one['state']}: {one['accepted']} messages to {one['users']} users")


@campaigns.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@remote_options
def create(file: Path, url: str, key: str) -> None:
    """Make a campaign from a JSON FILE (or - for standard input), as POST /v1/campaigns takes it."""
    click.echo(_state(_post(url, key, "/v1/campaigns", _json(file))))


@campaigns.command()
@click.argument("name", required=False)
@click.option("--timezone", default="", help="The zone of its clock, such as Europe/London.")
@remote_options
def preset(name: str | None, timezone: str, url: str, key: str) -> None:
    """Make a campaign that is ready to be made, with its template; without NAME, list them."""
    with Remote(url, key) as remote:
        ready = {one["name"]: one for one in remote.get("/v1/campaigns/presets")["data"]}
        if name is None:
            rows = table("name", "what it does")
            for one in ready.values():
                rows.add_row(one["name"], one["about"])
            show(rows)
            return
        if name not in ready:
            raise InvalidInput(f"no preset {name!r}; there are {', '.join(ready)}")
        spec = ready[name]["campaign"]
        if timezone:
            spec["trigger"] = {**spec["trigger"], "timezone": timezone}
        words = {"locales": ready[name]["locales"], "category": spec.get("category", "marketing")}
        saved = remote.put(f"/v1/templates/{spec['template']}", words)
        click.echo(f"template {saved['name']}@{saved['version']}")
        click.echo(_state(remote.post("/v1/campaigns", spec)))


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


@campaigns.command("what-if")
@click.argument("campaign")
@click.option(
    "--since", "hours", default="24h", show_default=True, help="How far back: 24h, 7d; at most 31d."
)
@click.option("--set", "changes", multiple=True, metavar="FIELD=JSON", help="Another value of a field of it.")
@click.option("--policy", multiple=True, metavar="NAME=JSON", help="Another setting of [notify].")
@click.option("--plugin", multiple=True, metavar="PLUGIN.NAME=JSON", help="Another setting of a plugin.")
@remote_options
def what_if(
    campaign: str, hours: str, changes: tuple[str, ...], policy: tuple[str, ...], plugin: tuple[str, ...],
    url: str, key: str,
) -> None:  # fmt: skip
    """Replay the past through a CAMPAIGN (an id, or a JSON file) as it would be changed; nothing is sent."""
    question: dict[str, Any] = {
        "hours": hours_of(hours), "users": WHAT_IF_USERS, "policy": dict(map(assigned, policy)),
        "plugins": _by_plugin(plugin),
    }  # fmt: skip
    own = dict(map(assigned, changes))
    if campaign.startswith("cmp_"):
        path, question["changes"] = f"/v1/campaigns/{campaign}/what-if", own
    else:
        path, question["campaign"] = "/v1/campaigns/what-if", {**_json(Path(campaign)), **own}
    click.echo(told(replayed(url, key, path, question)))


@campaigns.command()
@click.argument("campaign")
@remote_options
def run(campaign: str, url: str, key: str) -> None:
    """Run a campaign now, out of turn."""
    started = _post(url, key, f"/v1/campaigns/{campaign}/run")
    click.echo(f"{started['id']}: {started['state']} {started['error']}".rstrip())


@campaigns.command()
@click.argument("campaign")
@click.option("--run", "run_id", default="", help="Hold only this run; the campaign goes on firing.")
@remote_options
def pause(campaign: str, run_id: str, url: str, key: str) -> None:
    """Stop firing; a run under way waits."""
    _turn(url, key, campaign, run_id, "pause")


@campaigns.command()
@click.argument("campaign")
@click.option("--run", "run_id", default="", help="Let only this run go on.")
@remote_options
def resume(campaign: str, run_id: str, url: str, key: str) -> None:
    """Fire again, from the next slot on."""
    _turn(url, key, campaign, run_id, "resume")


@campaigns.command()
@click.argument("campaign")
@click.option("--run", "run_id", default="", help="The run; default: the newest.")
@remote_options
def cancel(campaign: str, run_id: str, url: str, key: str) -> None:
    """End a run, and stop those of its messages that have not reached their users."""
    with Remote(url, key) as remote:
        if not run_id:
            newest = remote.get(f"/v1/campaigns/{campaign}/runs", limit=1)["data"]
            if not newest:
                raise InvalidInput("this campaign has no run to cancel")
            run_id = newest[0]["id"]
        ended = remote.post(f"/v1/campaigns/{campaign}/runs/{run_id}/cancel")
    click.echo(
        f"{ended['id']}: cancelled after {ended['users']} users, {ended['cancelled']} messages stopped"
    )


@campaigns.command()
@click.argument("campaign")
@click.option("--conversion", default="purchase", show_default=True, help="The event that counts as success.")
@click.option(
    "--window-hours", type=click.IntRange(1, 2160), default=168, show_default=True, help="For so long."
)
@remote_options
def results(campaign: str, conversion: str, window_hours: int, url: str, key: str) -> None:
    """Say how far its messages came, what users did then, and how its variants compare."""
    found = _get(
        url, key, f"/v1/campaigns/{campaign}/results", conversion=conversion, window_hours=window_hours
    )
    rows = table(
        "",
        "users",
        "sent",
        "delivered",
        "seen",
        "clicked",
        "replied",
        "converted",
        "p clicks",
        "p conversions",
    )
    for one in [{**found["total"], "name": "all"}, *found["variants"]]:
        numbers = [
            str(one[name])
            for name in ("users", "sent", "delivered", "seen", "clicked", "replied", "converted")
        ]
        chances = [_chance(one.get(name)) for name in ("click_p_value", "conversion_p_value")]
        rows.add_row(one["name"], *numbers, *chances)
    show(rows)
    if (holdout := found["holdout"]) is not None:
        lift = f"{holdout['lift']:+.1%}" if holdout["lift"] is not None else "unknown"
        click.echo(
            f"held out: {holdout['held']['users']} users, {holdout['held']['converted']} converted;"
            f" lift {lift}, p {_chance(holdout['p_value'])}"
        )
    for reason, count in found["suppressed"].items():
        click.echo(f"not sent, {reason}: {count}")


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


def _turn(url: str, key: str, campaign: str, run_id: str, act: str) -> None:
    if not run_id:
        click.echo(_state(_post(url, key, f"/v1/campaigns/{campaign}/{act}")))
        return
    held = _post(url, key, f"/v1/campaigns/{campaign}/runs/{run_id}/{act}")
    click.echo(f"{held['id']}: {held['state']} after {held['users']} users")


def _by_plugin(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in map(assigned, settings):
        plugin, dot, setting = name.partition(".")
        if not dot:
            raise InvalidInput(f"{name!r}: write --plugin PLUGIN.SETTING=VALUE")
        found.setdefault(plugin, {})[setting] = value
    return found


def _chance(p: float | None) -> str:
    return "" if p is None else f"{p:.3f}"


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
