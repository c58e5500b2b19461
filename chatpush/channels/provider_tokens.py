"""Prove to Google and Apple who we are, with tokens that are signed here and used for most of their life.

Google wants an RS256 assertion of a service account (RFC 7523), which it
changes for an access token of an hour. Apple wants an ES256 token of ours that
is at most an hour old, and no more than one new one in twenty minutes.
"""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt

from chatpush.channels.outgoing import Outgoing, retry_after_seconds
from chatpush.clock import Clock
from chatpush.errors import InvalidSettings, Unavailable

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3600
EARLY_SECONDS = 300
NEEDED = ("project_id", "client_email", "private_key", "token_uri")
APPLE_SECONDS = 50 * 60
APPLE_AT_LEAST_SECONDS = 20 * 60


class ServiceAccount:
    """A Google service account and the access token it has now."""

    def __init__(self, key_file: Path, outgoing: Outgoing, clock: Clock, *, token_endpoint: str = "") -> None:
        """Read the account's key.

        Raises:
            InvalidSettings: there is no such file, or it is no service account's key.
        """
        key = _account(key_file)
        self.project: str = key["project_id"]
        self._email: str = key["client_email"]
        self._private: str = key["private_key"]
        self._key_id: str = key.get("private_key_id", "")
        self._endpoint = token_endpoint or key["token_uri"]
        self._outgoing = outgoing
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()
        self._signed("check")

    async def token(self) -> str:
        """Return an access token that holds for minutes at least.

        Raises:
            Unavailable: Google gives none now.
        """
        async with self._asking:
            if not self._token or self._clock.now().timestamp() > self._until - EARLY_SECONDS:
                await self._ask()
            return self._token

    def forget(self, token: str) -> None:
        """Say that a token was refused; the next caller gets another."""
        if token == self._token:
            self._token = ""

    def _signed(self, audience: str) -> str:
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self._email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + ASSERTION_SECONDS
        }  # fmt: skip
        try:
            return jwt.encode(claims, self._private, algorithm="RS256", headers={"kid": self._key_id})
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise InvalidSettings("channels.fcm.credentials_file: its private_key can't sign") from error

    async def _ask(self) -> None:
        body = urlencode({"grant_type": GRANT, "assertion": self._signed(self._endpoint)}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            status, answered, said = await self._outgoing.post(self._endpoint, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"no access token: {type(error).__name__}") from error
        if status != 200:
            wait = retry_after_seconds(answered)
            raise Unavailable(f"no access token: the endpoint answered {status}", retry_after_seconds=wait)
        try:
            granted = json.loads(said)
            token, seconds = str(granted["access_token"]), float(granted.get("expires_in", ASSERTION_SECONDS))
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable("no access token: the endpoint's answer has none") from error
        self._token, self._until = token, self._clock.now().timestamp() + seconds


class AppleKey:
    """An Apple signing key and the provider token it made last."""

    def __init__(self, key_file: Path, key_id: str, team: str, clock: Clock) -> None:
        """Read the key.

        Raises:
            InvalidSettings: there is no such file, or it is no such key.
        """
        self._private = _text(key_file, "channels.apns.key_file")
        self._key_id, self._team = key_id, team
        self._clock = clock
        self._token = ""
        self._made = 0.0
        self._make()

    def token(self) -> str:
        """Return a provider token that Apple takes."""
        if self._clock.now().timestamp() - self._made > APPLE_SECONDS:
            self._make()
        return self._token

    def renew(self, refused: str) -> bool:
        """Make another in place of one that was refused; False: that would be too soon for Apple."""
        if refused != self._token:
            return True
        if self._clock.now().timestamp() - self._made < APPLE_AT_LEAST_SECONDS:
            return False
        self._make()
        return True

    def _make(self) -> None:
        now = self._clock.now().timestamp()
        try:
            self._token = jwt.encode(
                {"iss": self._team, "iat": int(now)},
                self._private,
                algorithm="ES256",
                headers={"kid": self._key_id},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise InvalidSettings("channels.apns.key_file: no EC private key in PEM (.p8)") from error
        self._made = now


def _account(key_file: Path) -> dict[str, Any]:
    text = _text(key_file, "channels.fcm.credentials_file")
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in NEEDED):
        raise InvalidSettings(
            f"channels.fcm.credentials_file: not a service account's JSON key ({', '.join(NEEDED)})"
        )
    return key


def _text(file: Path, setting: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{setting}: {file} can't be read") from error
