"""Know the formats a message may have: the built-in ones, and those that plugins bring.

A built-in format is drawn by the widget. A plugin's format looks at a content
when it is accepted or rendered, and may fill in its ``data``; the page that
knows the format draws it, any other shows title and body.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace

from chatpush.domain import Content
from chatpush.errors import ChatpushError, InvalidTemplate, TooLarge
from chatpush.plugins.contracts import Format

BUILT_IN = ("plain", "card", "recommendation", "quote", "chat")
LARGEST_DATA = 32_768
SHAPE_SECONDS = 1.0


class MessageFormats:
    """The formats of one installation."""

    def __init__(self, offered: Iterable[Format] = ()) -> None:
        self._offered = {one.name: one for one in offered}

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, the built-in ones first."""
        return (*BUILT_IN, *(name for name in self._offered if name not in BUILT_IN))

    async def shape(self, content: Content) -> Content:
        """Return a content as its format wants it.

        Raises:
            InvalidTemplate: the format can't show it; the message is the plugin's.
            TooLarge: the format made too much of it.
        """
        offered = self._offered.get(content.format)
        if offered is None:
            return content
        try:
            async with asyncio.timeout(SHAPE_SECONDS):
                shaped = await offered.shape(content)
        except ChatpushError as error:
            raise InvalidTemplate(f"format {content.format}: {error.message}", param="format") from error
        # A format is a plugin: whatever it raises is about this content alone.
        except Exception as error:
            raise InvalidTemplate(
                f"format {content.format} failed: {type(error).__name__}", param="format"
            ) from error
        if not isinstance(shaped, Content):
            raise InvalidTemplate(f"format {content.format} returned no content", param="format")
        if len(json.dumps(shaped.data, default=str)) > LARGEST_DATA:
            raise TooLarge(
                f"format {content.format}: data takes at most {LARGEST_DATA} bytes", param="format"
            )
        return replace(content, title=shaped.title, body=shaped.body, data=shaped.data)
