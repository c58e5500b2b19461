"""Measure what the assistant adds to a model, and how many answers one core streams.

By processor time of one process, because the machine is shared: the work before
a model's first token with 10,000 sections, and a whole answer without a model;
here the model is one that writes at once and nobody listens, so nothing of them
is measured. Then ``bench.streams``: 500 answers at once, with a model and
readers in processes of their own.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

from bench import streams
from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT, Json, Speaker, TenantId, Turn, TurnId, UserId
from chatpush.notify.templates.renderers import Renderers
from chatpush.settings import Settings, Store
from chatpush.store.opening import open_database
from chatpush.store.vault import Vault
from chatpush.support.assistant.answers import Asked
from chatpush.support.assistant.at_hand import AtHand
from chatpush.support.assistant.embedded import EmbeddedAssistant
from chatpush.support.assistant.live import LiveTurn
from chatpush.support.assistant.promises import Promises
from chatpush.support.assistant.tools import Toolbox
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Conversation
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.model.answer_cache import AnswerCache
from chatpush.support.model.memory import Memory
from chatpush.support.model.model_tools import ModelTools
from chatpush.support.model.modelled import ModelledAssistant
from chatpush.support.model.prompts import Prompts
from chatpush.support.model.redaction import Redaction
from chatpush.support.model.writer import Writer
from chatpush.support.model.written import Finished
from chatpush.support.ports import Described
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support_settings import Support

SECTIONS_EACH = 50
TIMED = 200
Row = tuple[str, str, str, str]


class Quick:
    """Stands where a ``Writer`` does: notes when it is asked, and writes at once."""

    models = ("quick",)
    moderates = False

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.tokens = 4

    async def stream(self, *_: Any) -> AsyncGenerator[str | Finished, None]:
        """Write."""
        self.asked_at = time.process_time()
        said = ""
        for number in range(self.tokens):
            await asyncio.sleep(0)
            piece = "word " if number % 12 else "so. [1]\n"
            said += piece
            yield piece
        yield Finished(said, (), "stop", self.tokens)


class Nowhere:
    """A publisher without anybody."""

    async def publish(self, tenant: TenantId, channel: str, data: Json, **_: Any) -> None:
        """Nothing."""


async def measure(sections: int) -> list[Row]:
    """Return the figures of one answer after the other."""
    with tempfile.TemporaryDirectory() as place:
        database = open_database(Settings(data_dir=place, store=Store(synchronous="NORMAL")))
        await database.start()
        try:
            return await _measured(Bench(database), sections)
        finally:
            await database.stop()


async def no_items(*_: Any) -> list[Described]:
    """Find no item: nobody asks for one here."""
    return []


class Bench:
    """The assistant on an empty store."""

    def __init__(self, database: Any) -> None:
        clock, settings = SystemClock(), Support()
        vault = Vault(database, b"k" * 32)
        self.knowledge = Knowledge(database, vault, clock)
        self.retrieval = Retrieval(self.knowledge)
        self.publisher = cast(Any, Nowhere())
        self.conversations = Conversations(database, vault, self.publisher, lambda *_: "token", clock)
        promises = Promises(database, vault, self.conversations, clock, cast(Any, None))
        toolbox, redaction = Toolbox([]), Redaction()
        self.embedded = EmbeddedAssistant(self.retrieval, toolbox, promises, settings, AtHand(no_items))
        self.quick, self.clock = Quick(), clock
        self.modelled = ModelledAssistant(
            cast(Writer, self.quick), self.retrieval, ModelTools(toolbox, redaction), self.embedded,
            Prompts(database, clock, Renderers()), Memory(database, vault, self.conversations),
            AnswerCache(database, vault, clock, 0.0), redaction, settings, 4,
        )  # fmt: skip

    async def fill(self, sections: int) -> list[str]:
        """Store so many sections; return questions about them."""
        order = random.Random(1)
        words = [
            f"{a}{b}{c}"
            for a in ("re", "de", "un", "pro")
            for b in ("fun", "liv", "turn", "pay")
            for c in ("d", "er", "ing", "ment", "able")
        ]
        drafts = []
        for number in range(sections // SECTIONS_EACH):
            parts = [
                f"## {' '.join(order.choices(words, k=4))}\n\n{' '.join(order.choices(words, k=80))}"
                for _ in range(SECTIONS_EACH)
            ]
            drafts.append(
                Draft(
                    f"a{number}",
                    f"Article {number}",
                    "\n\n".join(parts),
                    "en",
                    f"https://shop.example/{number}",
                )
            )
        await self.knowledge.put(DEFAULT_TENANT, drafts)
        await self.retrieval.index(DEFAULT_TENANT)
        return [f"How do I {' '.join(order.choices(words, k=4))}?" for _ in range(TIMED)]

    async def asked(self, conversation: Conversation, text: str) -> Asked:
        """Return a question as the assistant sees it."""
        turn = Turn(TurnId("trn_1"), conversation.id, Speaker.USER, text, self.clock.now())
        return Asked(conversation, turn, "en", (turn,))

    def live(self, conversation: Conversation) -> LiveTurn:
        """Return an answer on its way."""
        return LiveTurn(self.conversations, self.publisher, self.clock, conversation, TurnId("trn_1"), "A")


async def _measured(bench: Bench, sections: int) -> list[Row]:
    questions = await bench.fill(sections)
    conversation = await bench.conversations.create(DEFAULT_TENANT, UserId("ada"), "en")
    before, whole = [], []
    for text in questions:
        asked = await bench.asked(conversation, text)
        begun = time.process_time()
        await bench.modelled.answer(asked, bench.live(conversation))
        before.append((bench.quick.asked_at - begun) * 1000)
        begun = time.process_time()
        await bench.embedded.answer(asked)
        whole.append((time.process_time() - begun) * 1000)
    return [
        _row(f"before the model's first token, {sections:,} sections", before, "20 ms"),
        _row(f"an answer without a model, {sections:,} sections", whole, "15 ms"),
    ]


def _row(name: str, took: list[float], goal: str) -> Row:
    cuts = statistics.quantiles(took, n=100)
    return name, f"{cuts[49]:.1f} ms", f"{cuts[94]:.1f} ms", goal


if __name__ == "__main__":
    rows = asyncio.run(measure(10_000))
    for row in [*rows, *asyncio.run(streams.measure()).rows()]:
        print(" | ".join(row))
