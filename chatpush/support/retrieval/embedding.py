"""Turn texts into vectors: by any OpenAI-compatible endpoint, or by a model on this machine.

A *space* names what vectors may be compared: another model is another space.
A question's vector must come at once or not at all: retrieval has words to
fall back on.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chatpush.domain import TenantId, UserId
from chatpush.errors import WriterUnavailable
from chatpush.support.model.writer import Writer
from chatpush.support.retrieval.minilm import MiniLm
from chatpush.support.retrieval.terms import is_han

NOBODY = UserId("")
QUESTION_SECONDS = 1.5
REMEMBERED = 2000
Rows = NDArray[np.float32]


class Embedder(Protocol):
    """What makes vectors."""

    space: str

    def speaks(self, language: str) -> bool:
        """Return whether texts in a language can be compared."""

    async def vectors(self, tenant: TenantId, texts: Sequence[str]) -> Rows:
        """Return a row of length one per text.

        Raises:
            WriterUnavailable: there are none right now.
        """


def comparable(embedder: Embedder, language: str, text: str) -> bool:
    """Return whether a text can be compared: by its language and script; one without a word never."""
    return bool(text.strip()) and embedder.speaks(language) and (not is_han(text) or embedder.speaks("zh"))


class LocalEmbedder:
    """A model in a directory, for the languages it was made for.

    Raises:
        InvalidSettings: the directory holds none.
    """

    def __init__(self, directory: Path) -> None:
        self.model = MiniLm(directory)
        self.space = self.model.space

    def speaks(self, language: str) -> bool:
        """Return whether texts in a language can be compared."""
        return language in self.model.languages

    async def vectors(self, tenant: TenantId, texts: Sequence[str]) -> Rows:  # noqa: ARG002
        """Return a row of length one per text."""
        return await asyncio.to_thread(self.model.vectors, list(texts))


class EndpointEmbedder:
    """A model behind an endpoint."""

    def __init__(self, writer: Writer, model: str) -> None:
        self._writer = writer
        self.space = f"endpoint:{model}"

    def speaks(self, language: str) -> bool:  # noqa: ARG002
        """Return True: an endpoint's model is taken to know every language."""
        return True

    async def vectors(self, tenant: TenantId, texts: Sequence[str]) -> Rows:
        """Return a row of length one per text.

        Raises:
            WriterUnavailable: there are none right now.
        """
        rows = np.array(await self._writer.embed(tenant, NOBODY, texts), np.float32)
        if not np.isfinite(rows).all():
            raise WriterUnavailable("the endpoint's vectors are no numbers")
        level: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
        return level


@dataclass(slots=True)
class Tries:
    """How often texts became vectors since the start, and how often they could not; whether the last could not."""

    questions: int = 0
    questions_missed: int = 0
    texts: int = 0
    texts_missed: int = 0
    down: bool = False


class Questions:
    """The vectors of questions, the last ones kept."""

    def __init__(self, embedder: Embedder, tries: Tries | None = None) -> None:
        self._embedder = embedder
        self.tries = tries if tries is not None else Tries()
        self._kept: OrderedDict[tuple[TenantId, str], Rows] = OrderedDict()

    async def vector(self, tenant: TenantId, question: str) -> Rows | None:
        """Return a question's vector, or None if there is none in time."""
        key = (tenant, question)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                row: Rows = (await self._embedder.vectors(tenant, [question]))[0]
        except (WriterUnavailable, TimeoutError):
            self.tries.questions_missed += 1
            self.tries.down = True
            return None
        self.tries.questions += 1
        self.tries.down = False
        self._kept[key] = row
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return row
