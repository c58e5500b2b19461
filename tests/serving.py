"""The whole chatpush in this process, on a free loopback port, with keys and tokens at hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import ClientResponse, ClientSession

from chatpush.app import Chatpush
from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT, Role
from chatpush.settings import Settings
from chatpush.store.vault import create_master_key

SECRET = "a secret of thirty-two bytes or more, for tests"
PASSWORD = "correct horse battery staple"
EMAIL = "ada@example.com"


@dataclass(slots=True)
class Served:
    """A running chatpush and what its callers know."""

    chatpush: Chatpush
    url: str
    secret: str
    publishable: str
    http: ClientSession
    wire: str = field(init=False)

    def __post_init__(self) -> None:
        self.wire = self.url.replace("http://", "ws://") + "/connection/websocket"

    def token(self, user: str, **claims: Any) -> str:
        """Return a user token as the app's backend signs it."""
        return jwt.encode({"sub": user, **claims}, SECRET, algorithm="HS256")

    async def ask(
        self, method: str, path: str, body: Any = None, *, user: str = "", **more: Any
    ) -> ClientResponse:
        """Send a request with the secret key, or as a user."""
        credentials = self.token(user) if user else self.secret
        headers = {"Authorization": f"Bearer {credentials}", **more.pop("headers", {})}
        return await self.http.request(method, self.url + path, json=body, headers=headers, **more)

    async def told(self, method: str, path: str, body: Any = None, *, user: str = "", status: int = 0) -> Any:
        """Send a request that must succeed (or end with ``status``) and return its JSON."""
        answer = await self.ask(method, path, body, user=user)
        text = await answer.text()
        assert answer.status == status or (not status and answer.status < 300), f"{answer.status}: {text}"
        return await answer.json(content_type=None) if text else None


def settings_for(directory: Path, **tree: Any) -> Settings:
    """Return settings of a fresh installation in a directory, with the master key written."""
    merged: dict[str, Any] = {
        "data_dir": str(directory),
        "store": {"synchronous": "NORMAL"},
        "client": {"token": {"hmac_secret_key": SECRET}, "allowed_origins": ["*"]},
        "server": {"port": 0, "drain_seconds": 1.0},
        "http_api": {"key": "server-api-key"},
    }
    for name, value in tree.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    settings = Settings.model_validate(merged)
    master = settings.path(settings.store.master_key_file)
    if not master.exists():
        create_master_key(master)
    return settings


@asynccontextmanager
async def serving(
    directory: Path, *, clock: Clock | None = None, plugins: dict[str, object] | None = None, **tree: Any
) -> AsyncIterator[Served]:
    """Serve until the block ends; the same directory again is a restart."""
    chatpush = Chatpush(settings_for(directory, **tree), clock=clock, plugins=plugins)
    async with chatpush.serving(), ClientSession() as http:
        secret = await chatpush.keys.issue(DEFAULT_TENANT, "tests", scopes=["*"])
        publishable = await chatpush.keys.issue(DEFAULT_TENANT, "pages", kind="pk")
        if not await chatpush.people.list(DEFAULT_TENANT):
            await chatpush.people.add(DEFAULT_TENANT, EMAIL, "Ada", PASSWORD, Role.ADMIN)
        url = f"http://127.0.0.1:{chatpush.port}"
        yield Served(chatpush, url, secret.plaintext, publishable.plaintext, http)
