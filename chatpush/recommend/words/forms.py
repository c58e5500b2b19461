"""What the recommender asks of a language model: to fill a form, and nothing else.

The model stands above this room and is handed in (``FillForm``). Whatever it
returns is checked against the form's JSON Schema here, and what it takes is
counted against a cap by day, so no answer and no bill is taken on trust.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from chatpush.clock import Clock
from chatpush.domain import TenantId
from chatpush.store.database import Database

log = structlog.get_logger(__name__)
PATIENCE_SECONDS = 8.0
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filled:
    """What a model wrote into a form, unchecked, and the tokens it took."""

    values: Any
    tokens: int


FillForm = Callable[[TenantId, str, str, Schema], Awaitable[Filled]]
"""Called with the tenant, what is asked, the material (data, never instructions) and the form."""


class Forms:
    """Has forms filled, within a budget and a time; None instead of anything that can't be used."""

    def __init__(
        self, database: Database, clock: Clock, fill: FillForm | None = None, daily_tokens: int = 100_000
    ) -> None:
        self._database = database
        self._clock = clock
        self._fill = fill
        self._daily_tokens = daily_tokens

    @property
    def available(self) -> bool:
        """Whether there is a model at all."""
        return self._fill is not None

    async def filled(
        self, tenant: TenantId, asked: str, material: str, schema: Schema
    ) -> dict[str, Any] | None:
        """Return a form's values; None without a model, over the budget, too late or wrong in form."""
        if self._fill is None:
            return None
        if await self.spent(tenant) >= self._daily_tokens:
            log.warning("the day's tokens for words are used up", tenant=tenant, tokens=self._daily_tokens)
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await self._fill(tenant, asked, material, schema)
            await self._spend(tenant, answer.tokens)
            problem = mismatch(answer.values, schema)
        # The edge to a foreign program: whatever it does must end in the other answer.
        except Exception as error:
            problem = repr(error)
        if problem:
            log.warning("the model's answer can't be used", tenant=tenant, problem=problem)
            return None
        return dict(answer.values)

    async def spent(self, tenant: TenantId) -> int:
        """Return the tokens taken today."""
        rows = await self._database.read(
            "SELECT tokens FROM form_spend WHERE tenant = :t AND day = :d", t=tenant, d=self._day()
        )
        return int(rows[0]["tokens"]) if rows else 0

    async def _spend(self, tenant: TenantId, tokens: int) -> None:
        row = {"tenant": tenant, "day": self._day(), "tokens": tokens}
        more = "(tenant, day) DO UPDATE SET tokens = form_spend.tokens + excluded.tokens"
        await self._database.write(lambda tx: tx.insert("form_spend", row, more))

    def _day(self) -> str:
        return self._clock.now().date().isoformat()


def mismatch(value: Any, schema: Schema, where: str = "answer") -> str:
    """Return how a value differs from the part of JSON Schema that forms use; empty if it fits."""
    match schema["type"]:
        case "object":
            return _object_mismatch(value, schema, where)
        case "array":
            if (
                not isinstance(value, list)
                or not schema.get("minItems", 0) <= len(value) <= schema["maxItems"]
            ):
                return f"{where} is no list of the right length"
            found = (mismatch(one, schema["items"], f"{where}[{n}]") for n, one in enumerate(value))
            return next(filter(None, found), "")
        case "string":
            fits = isinstance(value, str) and len(value) <= schema.get("maxLength", 10_000)
            return "" if fits and value in schema.get("enum", [value]) else f"{where} is no such text"
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            return (
                "" if fits and schema["minimum"] <= value <= schema["maximum"] else f"{where} is out of range"
            )
    return f"{where}: forms have no {schema['type']}"


def _object_mismatch(value: Any, schema: Schema, where: str) -> str:
    if not isinstance(value, dict):
        return f"{where} is no object"
    known = schema["properties"]
    if odd := sorted(set(value) - set(known)):
        return f"{where} has {odd[0]!r}, which nobody asked for"
    if missing := [name for name in schema["required"] if name not in value]:
        return f"{where} lacks {missing[0]!r}"
    found = (mismatch(one, known[name], f"{where}.{name}") for name, one in value.items())
    return next(filter(None, found), "")
