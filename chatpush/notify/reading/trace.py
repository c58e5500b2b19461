"""Remember why a delivery went the way it went, for whoever asks "why did I get this?"."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatpush.domain import DeliveryId, TenantId, from_ms, new_id, to_ms
from chatpush.store.database import Database, Row


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One step: what decided, how, and on what grounds."""

    step: str
    verdict: str
    detail: Mapping[str, Any]
    at: datetime


def entry(tenant: TenantId, delivery: str, step: str, verdict: str, at: datetime, **detail: Any) -> Row:
    """Return a step as a row of table ``trace_entry``. No personal data belongs into it."""
    return {
        "tenant": tenant,
        "delivery": delivery,
        "id": new_id("trc"),
        "step": step,
        "verdict": verdict,
        "detail": json.dumps(detail, ensure_ascii=False),
        "at": to_ms(at),
    }


class Trace:
    """The steps of every delivery."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant: TenantId, delivery: DeliveryId) -> list[TraceEntry]:
        """Return a delivery's steps, oldest first."""
        rows = await self._database.read(
            "SELECT * FROM trace_entry WHERE tenant = :t AND delivery = :d ORDER BY id", t=tenant, d=delivery
        )
        return [entry_of(row) for row in rows]


def entry_of(row: Row) -> TraceEntry:
    """Return a row of table ``trace_entry``."""
    return TraceEntry(row["step"], row["verdict"], json.loads(row["detail"]), from_ms(row["at"]))
