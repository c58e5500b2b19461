"""``chatpush init``: a configuration, a master key, a first key pair, an administrator."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path

import click

from chatpush.app import Chatpush
from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Role
from chatpush.errors import InvalidSettings
from chatpush.settings import Settings
from chatpush.store.vault import create_master_key

TEMPLATE = """\
# chatpush's configuration. Every setting: docs/reference/settings.md
# Any of them can be a variable instead: client.allowed_origins is CHATPUSH_CLIENT_ALLOWED_ORIGINS.

data_dir = "data"
log_json = false

[server]
host = "127.0.0.1"
port = 8000

[client]
# The pages that may connect, exactly: scheme://host:port
allowed_origins = {origins}

[client.token]
# Your backend signs user tokens (JWT, HS256) with this. Keep it off the browser.
hmac_secret_key = "{secret}"

# [writer]            # a language model for the assistant; without one the embedded assistant answers
# base_url = "https://…/v1"
# api_key = "…"
# model = "…"

# [plugins]
# enabled = ["order_lookup", "content_filter", "promotion_strategy"]
# directory = "plugins"
"""

HERE = Path(".")


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """What init shows once and never again."""

    secret: str
    publishable: str
    email: str
    password: str


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=".")
@click.option("--email", default="admin@example.com", show_default=True, help="The administrator's address.")
@click.option("--origin", "origins", multiple=True, help="A page that may connect; may be repeated.")
def init(directory: Path, email: str, origins: tuple[str, ...]) -> None:
    """Write a configuration, a master key, a first key pair and an administrator."""
    keys = asyncio.run(create(directory, email, origins))
    path = directory / "chatpush.toml"
    # Plain lines, no table: a terminal of 80 columns must not cut a key that is shown this once.
    click.echo(f"wrote {path} and {directory / 'data'}")
    click.echo("shown once; keep them safe:")
    click.echo(f"  secret key, for your backend:     {keys.secret}")
    click.echo(f"  publishable key, for your pages:  {keys.publishable}")
    click.echo(f"  console sign-in:                  {keys.email}  {keys.password}")
    click.echo(f"start with: chatpush {'' if directory == HERE else f'--config {path} '}serve")


async def create(directory: Path, email: str, origins: tuple[str, ...] = ()) -> FirstKeys:
    """Write everything below a directory and return what is shown once.

    Raises:
        InvalidSettings: there is a configuration already; it is never replaced.
    """
    settings = _write_files(directory, origins)
    password = secrets.token_urlsafe(12)
    async with Chatpush(settings).records() as chatpush:
        secret = await chatpush.keys.issue(DEFAULT_TENANT, "first secret key", scopes=["*"])
        publishable = await chatpush.keys.issue(DEFAULT_TENANT, "first publishable key", kind="pk")
        await chatpush.people.add(DEFAULT_TENANT, email, "Administrator", password, Role.ADMIN)
    return FirstKeys(secret.plaintext, publishable.plaintext, email, password)


def _write_files(directory: Path, origins: tuple[str, ...]) -> Settings:
    path = directory / "chatpush.toml"
    if path.exists():
        raise InvalidSettings(f"{path} exists already; remove it or choose another directory")
    directory.mkdir(parents=True, exist_ok=True)
    quoted = "[" + ", ".join(f'"{origin}"' for origin in origins) + "]"
    path.touch(mode=0o600)
    path.write_text(TEMPLATE.format(origins=quoted, secret=secrets.token_urlsafe(32)), encoding="utf-8")
    settings = load(path, {})
    master = settings.path(settings.store.master_key_file)
    if not master.exists():
        create_master_key(master)
    return settings
