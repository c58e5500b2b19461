"""Report usage to a billing system: OpenMeter or Lago, in the shape each ingests.

OpenMeter takes CloudEvents whose ``subject`` is the customer and drops those
whose ``id`` and ``source`` it knows; Lago takes events with a
``transaction_id`` that does the same. A refusal leaves the usage here; it comes
again. Customers are named after tenants unless ``customers`` says otherwise.

    [plugins.settings.usage_export]
    system = "lago"
    url = "https://api.getlago.com"
    token = "the system's API key"
    customers = { acme = "sub_1234" }

>>> usage = Record("acme/messages/2026-11-24/7", "usage.messages", TENANT, "acme", MOMENT, {"quantity": 7})
>>> lago_event(usage, "sub_1")["properties"], lago_event(usage, "sub_1")["transaction_id"]
({'quantity': 7}, 'acme/messages/2026-11-24/7')
>>> openmeter_event(usage, "sub_1")["data"], openmeter_event(usage, "sub_1")["subject"]
({'quantity': 7}, 'sub_1')
"""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, field_validator

from chatpush.domain import iso
from chatpush.errors import Unavailable
from chatpush.plugins.contracts import Exporter, Record
from chatpush.plugins.hooks import hook

SECONDS = 15
USAGE = "usage."


class Settings(BaseModel):
    """What may be set in ``[plugins.settings.usage_export]``."""

    model_config = ConfigDict(extra="forbid")

    system: Literal["openmeter", "lago"] = Field("openmeter", description="Who is told.")
    url: str = Field("", description="Its address, without a path; empty: nobody is told.")
    token: str = Field("", description="Its API key.", repr=False)
    customers: dict[str, str] = Field({}, description="Its customer (Lago: subscription) of each tenant.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is not http:// or https://")
        return url.rstrip("/")


class UsageExport:
    """The exporter."""

    name = "usage_export"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def export(self, records: Sequence[Record]) -> None:
        """Report the usage among the records.

        Raises:
            Unavailable: the system did not take it; it comes again.
        """
        usage = [record for record in records if record.type.startswith(USAGE)]
        if not usage or not self._settings.url:
            return
        customers = self._settings.customers
        made = [SHAPES[self._settings.system](one, customers.get(one.tenant, one.tenant)) for one in usage]
        if self._settings.system == "lago":
            await self._post("/api/v1/events/batch", {"events": made}, "application/json")
        else:
            await self._post("/api/v1/events", made, "application/cloudevents-batch+json")

    async def _post(self, path: str, body: Any, content_type: str) -> None:
        headers = {"Authorization": f"Bearer {self._settings.token}", "Content-Type": content_type}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
                session.post(
                    self._settings.url + path, json=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"usage can't be reported: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise Unavailable(f"the billing system answered {status}")


def openmeter_event(record: Record, customer: str) -> dict[str, Any]:
    """Return usage as OpenMeter ingests it; a meter sums ``$.quantity`` of this type."""
    return {
        "specversion": "1.0",
        "id": record.id,
        "source": "chatpush",
        "type": record.type.removeprefix(USAGE),
        "subject": customer,
        "time": iso(record.at),
        "data": {"quantity": record.data["quantity"]},
    }


def lago_event(record: Record, customer: str) -> dict[str, Any]:
    """Return usage as Lago ingests it; a billable metric of this code sums ``quantity``."""
    return {
        "transaction_id": record.id,
        "external_subscription_id": customer,
        "code": record.type.removeprefix(USAGE),
        "timestamp": int(record.at.timestamp()),
        "properties": {"quantity": record.data["quantity"]},
    }


SHAPES = {"openmeter": openmeter_event, "lago": lago_event}


@hook
def register_exporters(settings: dict[str, Any]) -> list[Exporter]:
    """Return the exporter."""
    return [UsageExport(Settings(**settings))]
