"""Show a model only what plugins let it see, and people the real thing again.

One ``Exchange`` per answer: what a plugin hides in the question is the same
placeholder in the history, in tool results and in the answer. A plugin that
says ``Drop`` means that the model is not asked.
"""

import re

from chatpush.domain import TenantId, UserId
from chatpush.errors import PluginFailed, WriterUnavailable
from chatpush.plugins.contracts import Drop
from chatpush.plugins.exchange import Exchange
from chatpush.plugins.host import Plugins

_SENTENCE_ENDS = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+[”’）]*|\n+")


class Redaction:
    """The plugins that stand between us and a model; without any, texts pass as they are."""

    def __init__(self, plugins: Plugins | None = None) -> None:
        self._plugins = plugins

    def open(self, tenant: TenantId, user: UserId, purpose: str = "answer") -> Exchange:
        """Return a new exchange."""
        return Exchange(tenant, user, purpose)

    def screen(self, exchange: Exchange) -> "Screen":
        """Return what stands between an answer that is being written and whoever reads along."""
        return Screen(self, exchange)

    @property
    def looks_at_answers(self) -> bool:
        """Whether plugins look at an answer before anybody sees it."""
        return self._plugins is not None and self._plugins.has("filter_answer")

    @property
    def is_quick(self) -> bool:
        """Whether they are quick enough to look at each sentence as it is written."""
        return self._plugins is not None and self._plugins.is_quick("filter_answer")

    async def hidden(self, text: str, exchange: Exchange) -> str:
        """Return a text as the model may read it.

        Raises:
            WriterUnavailable: a plugin refuses, or could not look.
        """
        if self._plugins is None or not text or not self._plugins.has("filter_prompt"):
            return text
        try:
            told = await self._plugins.filter_prompt(text, exchange)
        except PluginFailed as error:
            raise WriterUnavailable(f"a plugin could not look at the question: {error.message}") from error
        if isinstance(told, Drop):
            raise WriterUnavailable(f"a plugin keeps this from the model: {told.reason}")
        return told

    async def released(self, text: str, exchange: Exchange) -> str:
        """Return a whole answer as people may read it.

        Raises:
            WriterUnavailable: a plugin refuses it.
        """
        if not self.looks_at_answers or self._plugins is None:
            return text
        try:
            told = await self._plugins.filter_answer(text, exchange)
        except PluginFailed as error:
            raise WriterUnavailable(f"a plugin could not look at the answer: {error.message}") from error
        if isinstance(told, Drop):
            raise WriterUnavailable(f"a plugin keeps this answer back: {told.reason}")
        return told


class Screen:
    """Lets through what may be seen of an answer so far.

    Without plugins that look at answers, all of it at once; with quick ones each
    sentence once they have seen it; with others nothing before the whole.
    """

    def __init__(self, redaction: Redaction, exchange: Exchange) -> None:
        self._redaction = redaction
        self._exchange = exchange
        self._held = ""

    async def feed(self, text: str) -> str:
        """Take in a further piece; return what may be shown now.

        Raises:
            WriterUnavailable: a plugin refuses it.
        """
        if not self._redaction.looks_at_answers:
            return text
        if not self._redaction.is_quick:
            return ""
        self._held += text
        ends = [found.end() for found in _SENTENCE_ENDS.finditer(self._held)]
        if not ends:
            return ""
        ready, self._held = self._held[: ends[-1]], self._held[ends[-1] :]
        return await self._redaction.released(ready, self._exchange)
