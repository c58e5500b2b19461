"""The parts of the room that a language model needs, built around a scripted one."""

from dataclasses import dataclass

from chatpush.notify.templates.renderers import Renderers
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.assistant.embedded import EmbeddedAssistant
from chatpush.support.assistant.tools import Toolbox
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.model.answer_cache import AnswerCache
from chatpush.support.model.budget import Budget
from chatpush.support.model.memory import Memory
from chatpush.support.model.model_tools import ModelTools
from chatpush.support.model.modelled import ModelledAssistant, summarising
from chatpush.support.model.prompts import Prompts
from chatpush.support.model.redaction import Redaction
from chatpush.support.model.writer import Writer
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support_settings import Support
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock


@dataclass
class Modelling:
    """What stands behind an assistant with a model."""

    writer: Writer
    budget: Budget
    prompts: Prompts
    memory: Memory
    assistant: ModelledAssistant

    async def close(self) -> None:
        """Close connections and processes."""
        await self.writer.close()
        await self.prompts.stop()


def build_modelling(
    database: Database,
    vault: Vault,
    clock: StillClock,
    settings: Support,
    model: WriterSettings,
    conversations: Conversations,
    retrieval: Retrieval,
    toolbox: Toolbox,
    embedded: EmbeddedAssistant,
    plugins: Plugins | None = None,
) -> Modelling:
    """Build it."""
    budget, redaction = Budget(database, clock, model), Redaction(plugins)
    writer = Writer(model, budget, clock, pause=_no_pause)
    prompts = Prompts(database, clock, Renderers())
    memory = Memory(database, vault, conversations, summarising(writer, prompts, redaction))
    cache = AnswerCache(database, vault, clock, model.answer_cache_hours)
    tools = ModelTools(toolbox, redaction)
    assistant = ModelledAssistant(
        writer, retrieval, tools, embedded, prompts, memory, cache, redaction, settings, model.max_tool_rounds
    )
    return Modelling(writer, budget, prompts, memory, assistant)


async def _no_pause(seconds: float) -> None:
    """Don't wait between attempts."""
