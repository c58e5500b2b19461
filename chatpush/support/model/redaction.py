"""Show a model only what plugins let it see, and people the real thing again.

One ``Exchange`` per answer: what a plugin hides in the question is the same
placeholder in the history, in tool results and in the answer. A plugin that
says ``Drop`` means that the model is not asked.
"""

from chatpush.domain import TenantId, UserId
from chatpush.errors import PluginFailed, WriterUnavailable
from chatpush.plugins.contracts import Drop
from chatpush.plugins.exchange import Exchange
from chatpush.plugins.host import Plugins


class Redaction:
    """The plugins that stand between us and a model; without any, texts pass as they are."""

    def __init__(self, plugins: Plugins | None = None) -> None:
        self._plugins = plugins

    def open(self, tenant: TenantId, user: UserId, purpose: str = "answer") -> Exchange:
        """Return a new exchange."""
        return Exchange(tenant, user, purpose)

    @property
    def holds_answers(self) -> bool:
        """Whether an answer must be whole before anybody sees it."""
        return self._plugins is not None and self._plugins.has("filter_answer")

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
        if not self.holds_answers or self._plugins is None:
            return text
        try:
            told = await self._plugins.filter_answer(text, exchange)
        except PluginFailed as error:
            raise WriterUnavailable(f"a plugin could not look at the answer: {error.message}") from error
        if isinstance(told, Drop):
            raise WriterUnavailable(f"a plugin keeps this answer back: {told.reason}")
        return told
