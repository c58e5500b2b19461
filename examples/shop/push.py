"""The shop's side of chatpush's HTTP API: the five calls that a shop needs.

Every call answers or raises ``PushError`` within its time limit, so that the
shop stays quick and open when chatpush is not.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import aiohttp
import jwt

log = logging.getLogger(__name__)
Json = dict[str, Any]
_TOKEN_HOURS = 12


class PushError(Exception):
    """chatpush did not do what it was asked."""


class Push:
    """A client with the shop's secret key."""

    def __init__(self, session: aiohttp.ClientSession, address: str, secret_key: str) -> None:
        self._session = session
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {secret_key}"}

    async def events(self, events: Sequence[Json]) -> None:
        """Report what customers did."""
        await self.call("POST", "/v1/events", {"events": list(events)}, seconds=20)

    async def picks(self, user: str | None, limit: int, locale: str) -> list[Json]:
        """Return what to show a customer: item ids with their reasons."""
        query = {"limit": str(limit), "locale": locale} | ({"user": user} if user else {})
        answer = await self.call("GET", "/v1/recommendations", query=query, seconds=0.8)
        picks: list[Json] = answer.get("picks", [])
        return picks

    async def message(self, body: Json, idempotency_key: str) -> str:
        """Send a message; the same key never sends twice."""
        answer = await self.call("POST", "/v1/messages", body, headers={"Idempotency-Key": idempotency_key})
        return str(answer.get("id", ""))

    async def campaign_named(self, name: str) -> str | None:
        """Return the id of a campaign."""
        answer = await self.call("GET", "/v1/campaigns")
        return next((str(one["id"]) for one in answer.get("data", []) if one.get("name") == name), None)

    async def run_campaign(self, campaign: str) -> None:
        """Let a campaign run now."""
        await self.call("POST", f"/v1/campaigns/{campaign}/run", {})

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = 5,
    ) -> Json:
        """Make one call and return its answer.

        Raises:
            PushError: no answer in time, or a refusal; its text says which.
        """
        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(
                method,
                self._address + path,
                json=body,
                params=query,
                headers=self._headers | (headers or {}),
                timeout=limit,
            ) as response:
                answer = (
                    await response.json(content_type=None) if response.status != HTTPStatus.NO_CONTENT else {}
                )
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise PushError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            said = answer.get("detail") or answer.get("title") if isinstance(answer, dict) else answer
            raise PushError(f"{method} {path}: {response.status} {said}")
        return answer if isinstance(answer, dict) else {"data": answer}


def customer_token(user: str, name: str, secret: str) -> str:
    """Sign the token by which a customer's browser is known to chatpush."""
    expires = datetime.now(UTC) + timedelta(hours=_TOKEN_HOURS)
    return jwt.encode({"sub": user, "name": name, "exp": expires}, secret, algorithm="HS256")
