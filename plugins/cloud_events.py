"""Export usage, audit entries and deliveries as CloudEvents 1.0, to an address or a file.

To an address they go as JSON batches (``application/cloudevents-batch+json``)
and come again until it answers 2xx; to a file they are appended, one a line,
and are on the disk before they count as told. An event told twice has the same
``source`` and ``id``, so whoever drops those it knows counts exactly.

    [plugins.settings.cloud_events]
    url = "https://events.example.com/in"
    token = "sent as a bearer token"
    # file = "/var/log/chatpush/events.jsonl"
    types = ["usage", "audit", "delivery", "message"]

>>> [exporter] = plugins.exporters()
>>> sample = Record("default/messages/2026-11-24/7", "usage.messages", TENANT, TENANT, MOMENT, {"quantity": 7})
>>> made = exporter.event(sample)
>>> made["specversion"], made["type"], made["source"], made["time"]
('1.0', 'com.chatpush.usage.messages', '/chatpush/default', '2026-11-24T12:00:00.000Z')
"""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chatpush.domain import iso
from chatpush.errors import Unavailable
from chatpush.plugins.contracts import Exporter, Record
from chatpush.plugins.hooks import hook

SECONDS = 15
BATCH = "application/cloudevents-batch+json"


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.cloud_events]``."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field("", description="Where batches are posted; empty: nowhere.")
    token: str = Field("", description="Sent as a bearer token; empty: none.", repr=False)
    file: str = Field("", description="A file that events are appended to; empty: none.")
    types: list[str] = Field(
        ["usage", "audit"], description="Beginnings of the types to tell: also delivery, message."
    )
    type_prefix: str = Field("com.chatpush", description="What stands before each type.")
    source: str = Field("/chatpush", description="The source, before the tenant.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Settings":
        if self.url and urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"url {self.url!r} is not http:// or https://")
        return self


class CloudEvents:
    """The exporter."""

    name = "cloud_events"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.deliveries = any(start.split(".")[0] in ("delivery", "message") for start in settings.types)

    async def export(self, records: Sequence[Record]) -> None:
        """Tell all records whose type is asked for.

        Raises:
            Unavailable: the address did not take them; they come again.
        """
        own = [one for one in records if any(_within(one.type, start) for start in self._settings.types)]
        events = [self.event(record) for record in own]
        if events and self._settings.file:
            await asyncio.to_thread(_append, Path(self._settings.file), events)
        if events and self._settings.url:
            await self._post(events)

    def event(self, record: Record) -> dict[str, Any]:
        """Return a record as a CloudEvent."""
        return {
            "specversion": "1.0",
            "id": record.id,
            "source": f"{self._settings.source}/{quote(record.tenant)}",
            "type": f"{self._settings.type_prefix}.{record.type}",
            "subject": record.subject,
            "time": iso(record.at),
            "datacontenttype": "application/json",
            "data": dict(record.data),
        }

    async def _post(self, events: list[dict[str, Any]]) -> None:
        headers = {"Content-Type": BATCH}
        if self._settings.token:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        body = json.dumps(events, ensure_ascii=False).encode()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
                session.post(self._settings.url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"events can't be posted: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise Unavailable(f"the address of events answered {status}")


def _within(kind: str, start: str) -> bool:
    return kind == start or kind.startswith(f"{start}.")


def _append(file: Path, events: list[dict[str, Any]]) -> None:
    """Append events; they are on the disk when this returns."""
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as opened:
        opened.write(lines)
        opened.flush()
        os.fsync(opened.fileno())


@hook
def register_exporters(settings: dict[str, Any]) -> list[Exporter]:
    """Return the exporter."""
    return [CloudEvents(Settings(**settings))]
