"""Let the language model fill a form: one tool whose arguments are the form.

Servers that take no tools, or models that talk instead of calling, may answer
with a JSON object in their text. What comes back is not checked here.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from chatpush.domain import TenantId, UserId
from chatpush.errors import WriterUnavailable
from chatpush.recommend.words.forms import Filled, Schema
from chatpush.support.model.budget import estimate
from chatpush.support.model.toolcalls import ToolCall
from chatpush.support.model.writer import Writer

TOOL = "fill"
NOBODY = UserId("")
"""Forms are filled for the business, not for a user."""
OBJECT = re.compile(r"\{.*\}", re.DOTALL)


class FormFiller:
    """The writer as one that fills forms."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def __call__(self, tenant: TenantId, asked: str, material: str, schema: Schema) -> Filled:
        """Return what the model wrote into the form.

        Raises:
            WriterUnavailable: there is no answer, or it has no object in it.
        """
        messages = [
            {"role": "system", "content": f"{asked}\n\nAnswer by calling {TOOL} once."},
            {"role": "user", "content": material},
        ]
        tool = {"name": TOOL, "description": "Hand in the answer.", "parameters": dict(schema)}
        finished: Any = None
        async for piece in self._writer.stream(
            tenant, NOBODY, messages, [{"type": "function", "function": tool}]
        ):
            finished = piece
        if finished is None or isinstance(finished, str):
            raise WriterUnavailable("the model's answer was cut off")
        tokens = finished.tokens or estimate(asked) + estimate(material) + estimate(finished.text)
        return Filled(_values(finished.calls, finished.text), tokens)


def _values(calls: Sequence[ToolCall], text: str) -> Any:
    for call in calls:
        if call.name == TOOL and call.arguments is not None:
            return call.arguments
    found = OBJECT.search(text)
    try:
        return json.loads(found[0]) if found else None
    except (ValueError, RecursionError) as error:
        raise WriterUnavailable("the model wrote no JSON object") from error
