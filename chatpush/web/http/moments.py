"""Times as the API writes and reads them: RFC 3339, and nothing that only looks like it."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
WALL_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?")


def _instant(value: Any) -> Any:
    if isinstance(value, str) and not INSTANT.fullmatch(value):
        raise ValueError("a time is written with its offset: 2026-12-01T09:00:00+01:00")
    return _read(value)


def _wall_time(value: Any) -> Any:
    if isinstance(value, str) and not WALL_TIME.fullmatch(value):
        raise ValueError("a time is written 2026-12-01T09:00, or 2026-12-01T09:00:00+01:00")
    return _read(value)


def _read(value: Any) -> Any:
    return datetime.fromisoformat(value.upper()) if isinstance(value, str) else value


Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""When something was or will be, in an answer: in UTC with milliseconds."""
Instant = Annotated[
    datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""A time in a request, with its offset."""
WallTime = Annotated[
    datetime,
    BeforeValidator(_wall_time),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{WALL_TIME.pattern}$", "examples": ["2026-12-01T09:00"]},
    ),
]
"""A time in a request; without an offset, a clock on some wall shows it. Seconds may be left out."""
