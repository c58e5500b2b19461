"""``chatpush dead-letters``: look at what could not be sent, send it again or give it up."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from chatpush.cli.remote import Remote, remote_options
from chatpush.cli.tables import show, table
from chatpush.errors import InvalidInput

AT_ONCE = 500  # as many as the API takes
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group()
def dead_letters() -> None:
    """Deliveries that failed for good, by their channels."""


def which_options(command: Command) -> Command:
    """Add what names dead letters: their channel, message or user."""
    command = click.option("--user", default="", help="Only of this user.")(command)
    command = click.option("--message", default="", help="Only of this message, msg_….")(command)
    return click.option("--channel", default="", help="Only of this channel, such as email.")(command)


@dead_letters.command("list")
@which_options
@click.option("--redriven", is_flag=True, help="Also those that were sent again.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="Rows to show.")
@remote_options
def list_letters(
    channel: str, message: str, user: str, redriven: bool, limit: int, url: str, key: str
) -> None:  # fmt: skip
    """List dead letters, newest first."""
    query = {"limit": limit, "channel": channel, "message": message, "user": user, "redriven": redriven}
    with Remote(url, key) as remote:
        page = remote.get("/v1/dead-letters", **_named(query))
    if not page["data"]:
        click.echo("no dead letters" + (" that fit" if channel or message or user else ""))
        return
    rows = table("id", "at (UTC)", "channel", "user", "attempts", "reason", "sent again")
    for one in page["data"]:
        again = one["redriven_at"] or ""
        rows.add_row(
            one["id"], one["at"], one["channel"], one["user"], str(one["attempts"]), one["reason"], again
        )
    show(rows)
    if page["has_more"]:
        click.echo("… there are more; raise --limit, or narrow by --channel, --message or --user")


@dead_letters.command("show")
@click.argument("letter")
@remote_options
def show_letter(letter: str, url: str, key: str) -> None:
    """Show one LETTER: whom it was for, each attempt, and what the provider said last."""
    with Remote(url, key) as remote:
        one = remote.get(f"/v1/dead-letters/{_id(letter)}")
    click.echo(f"{one['id']}: {one['channel']} to {one['user']}, failed {one['at']}")
    click.echo(f"message {one['message']}, delivery {one['delivery']}")
    click.echo(
        f"sent again {one['redriven_at']}" if one["redriven_at"] else "waits to be sent again or dropped"
    )
    click.echo(f"{one['attempts']} attempts; last answer: {one['reason']}")
    rows = table("at (UTC)", "verdict", "answer")
    for each in one["tries"]:
        rows.add_row(each["at"], each["verdict"], each["said"])
    if one["tries"]:
        show(rows)


@dead_letters.command()
@click.argument("letters", nargs=-1)
@which_options
@remote_options
def redrive(
    letters: tuple[str, ...], channel: str, message: str, user: str, url: str, key: str
) -> None:  # fmt: skip
    """Send LETTERS again, or all of a channel, a message or a user."""
    which = _which(letters, channel, message, user)
    with Remote(url, key) as remote:
        done = remote.post("/v1/dead-letters/redrive", which)
    click.echo(f"{done['redriven']} sent again")


@dead_letters.command()
@click.argument("letters", nargs=-1)
@which_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@remote_options
def drop(
    letters: tuple[str, ...], channel: str, message: str, user: str, yes: bool, url: str, key: str
) -> None:  # fmt: skip
    """Give LETTERS up, or all of a channel, a message or a user; they can't be sent again then."""
    which = _which(letters, channel, message, user)
    if not yes and not letters:
        click.confirm("give all of them up?", abort=True, err=True)
    with Remote(url, key) as remote:
        done = remote.post("/v1/dead-letters/drop", which)
    click.echo(f"{done['dropped']} dropped")


def _which(letters: tuple[str, ...], channel: str, message: str, user: str) -> dict[str, Any]:
    """Return what a command is about.

    Raises:
        InvalidInput: nothing is named, too much is, or what is named is no dead letter.
    """
    which = _named({"channel": channel, "message": message, "user": user})
    if letters:
        which["ids"] = [_id(one) for one in letters]
    if not which:
        raise InvalidInput(
            "name dead letters (`chatpush dead-letters list` shows them), or --channel, --message or --user"
        )
    if len(letters) > AT_ONCE:
        raise InvalidInput(f"at most {AT_ONCE} dead letters at once; --channel, --message or --user take all")
    return which


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _id(letter: str) -> str:
    if not letter.startswith("dead_") or not letter.replace("_", "").isalnum():
        raise InvalidInput(
            f"{letter[:64]!r} is not the id of a dead letter, dead_…; `chatpush dead-letters list` shows them"
        )
    return letter
