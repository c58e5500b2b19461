"""Make the demo's configuration and keys, once.

``chatpush init`` writes a configuration, a master key, API keys and an
administrator; the shop's own settings then take the place of the written ones.
What init shows once is kept in ``keys.json``, readable by its owner alone, so
that the second start can show the password again. Only a demo does that.
"""

import json
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

from chatpush.cli.init import create
from chatpush.configuration import load

HERE = Path(__file__).parent
MARK = "DEMO"
EMAIL = "admin@hearth-and-lantern.example"


@dataclass(frozen=True)
class Prepared:
    """What the two servers and the visitor need to know."""

    config: Path
    secret_key: str
    public_key: str
    token_secret: str
    internal_token: str
    email: str
    password: str


async def prepare(folder: Path, port: int, shop: str) -> Prepared:
    """Return the demo's keys, making everything at the first start.

    The configuration is written at every start, because the ports may differ.
    """
    config, kept = folder / "chatpush.toml", folder / "keys.json"
    if kept.exists():
        prepared = Prepared(config=config, **json.loads(kept.read_text(encoding="utf-8")))
    else:
        prepared = await _first(folder, config, shop)
        kept.touch(mode=0o600)
        told = {name: value for name, value in asdict(prepared).items() if name != "config"}
        kept.write_text(json.dumps(told, indent=2), encoding="utf-8")
    template = Template((HERE / "chatpush.toml").read_text(encoding="utf-8"))
    text = template.substitute(
        port=port,
        shop=shop,
        shop_localhost=shop.replace("127.0.0.1", "localhost"),
        token_secret=prepared.token_secret,
        internal_token=prepared.internal_token,
        templates=(HERE / "templates").as_posix(),
    )
    config.touch(mode=0o600)
    config.write_text(text, encoding="utf-8")
    load(config, {})  # a mistake in the template shows here, not in a log
    return prepared


async def _first(folder: Path, config: Path, shop: str) -> Prepared:
    """Let ``chatpush init`` write everything; what an interrupted start left half done is removed."""
    _make_room(folder)
    keys = await create(folder, EMAIL, (shop,))
    return Prepared(
        config=config,
        secret_key=keys.secret,
        public_key=keys.publishable,
        token_secret=load(config, {}).client.token.hmac_secret_key,
        internal_token=secrets.token_urlsafe(24),
        email=keys.email,
        password=keys.password,
    )


def _make_room(folder: Path) -> None:
    if (folder / MARK).exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by examples/shop/demo.py; may be deleted.\n", encoding="utf-8")
