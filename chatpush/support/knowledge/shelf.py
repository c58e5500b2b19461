"""Hold articles in memory, for trying knowledge out without a server or a store."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np

from chatpush.domain import TenantId
from chatpush.support.knowledge.articles import Article, Changes
from chatpush.support.knowledge.reading import Chunk, Draft, split
from chatpush.support.retrieval.embedding import Embedder, LocalEmbedder, Questions, Rows, comparable
from chatpush.support.retrieval.head import Example, Head, enough
from chatpush.support.retrieval.head_training import train
from chatpush.support.retrieval.head_vectors import Compared, compared
from chatpush.support.retrieval.language import base
from chatpush.support.retrieval.vectors import CHARS, Texts

Tell = Callable[[str], None]
TEXTS_AT_ONCE = 500


class Shelf:
    """Articles that never change."""

    def __init__(self, articles: Sequence[tuple[Article, tuple[Chunk, ...]]], day: date) -> None:
        self._articles = tuple(articles)
        self._day = day

    @classmethod
    def of(cls, drafts: Sequence[Draft], day: date) -> "Shelf":
        """Return a shelf of drafts, split as the store would."""
        return cls([_article(draft, split(draft.text)) for draft in drafts], day)

    async def version(self, tenant: TenantId) -> int:  # noqa: ARG002
        """Return the one version there is."""
        return 1

    async def changes(self, tenant: TenantId, known: Mapping[str, int]) -> Changes:  # noqa: ARG002
        """Return everything."""
        return Changes(1, self._articles, frozenset())

    def today(self) -> date:
        """Return the day given."""
        return self._day


class ComparedHere:
    """Vectors made on the spot by a model on this machine."""

    def __init__(self, embedder: LocalEmbedder, tell: Tell = lambda _: None) -> None:
        self.embedder: Embedder = embedder
        self.questions = Questions(embedder)
        self._model = embedder.model
        self._tell = tell
        self._rows: dict[str, Rows] = {}
        self._languages: dict[str, str] = {}

    def get(self, tenant: TenantId, wanted: Sequence[Texts]) -> list[Rows] | None:  # noqa: ARG002
        """Return the vectors of these articles, in order."""
        self._make([(one.language, text) for one in wanted for text in one.texts])
        return [np.array([self._row(text) for text in one.texts], np.float32) for one in wanted]

    def of_examples(self, examples: Sequence[Example]) -> Compared:
        """Return the vectors of examples of articles offered before."""
        self._make([(self._languages[one.answer], one.question) for one in examples if one.compared])
        return compared(
            self.embedder.space,
            [one.answer for one in examples],
            lambda place: self._row(examples[place].question) if examples[place].compared else None,
        )

    def offer(self, tenant: TenantId, wanted: Sequence[Texts]) -> None:  # noqa: ARG002
        """Take the articles' languages; vectors are made when asked for."""
        self._languages = {one.article: one.language for one in wanted}

    def _make(self, texts: Sequence[tuple[str, str]]) -> None:
        missing = list(
            dict.fromkeys(
                text
                for language, text in texts
                if text not in self._rows and comparable(self.embedder, language, text)
            )
        )
        for start in range(0, len(missing), TEXTS_AT_ONCE):
            self._tell(f"comparing {start:,} of {len(missing):,}")
            part = missing[start : start + TEXTS_AT_ONCE]
            self._rows |= zip(part, self._model.vectors([text[:CHARS] for text in part]), strict=True)

    def _row(self, text: str) -> Rows:
        """Return a text's vector; zeros if it has none."""
        return self._rows.get(text, np.zeros(self._model.width, np.float32))


class TrainedHere:
    """A head trained on the spot, in this process."""

    def __init__(self, tell: Tell = lambda _: None, vectors: ComparedHere | None = None) -> None:
        self._tell = tell
        self._vectors = vectors
        self._head: Head | None = None

    def get(self, tenant: TenantId) -> Head | None:  # noqa: ARG002
        """Return the head, if there were examples enough."""
        return self._head

    def offer(self, tenant: TenantId, examples: Sequence[Example]) -> None:  # noqa: ARG002
        """Train."""
        kept = enough(examples)
        vectors = self._vectors.of_examples(kept) if self._vectors is not None and kept else None
        self._head = train(kept, vectors, tell=self._tell)


def bare(
    id_: str, title: str, chunks: Sequence[str], questions: Sequence[str] = (), language: str = "en"
) -> tuple[Article, tuple[Chunk, ...]]:
    """Return an article with exactly these passages, as data sets have them."""
    return _article(
        Draft(id_, title, "", language, questions=tuple(questions)), [Chunk("", one) for one in chunks]
    )


def _article(draft: Draft, chunks: Sequence[Chunk]) -> tuple[Article, tuple[Chunk, ...]]:
    article = Article(
        draft.id, draft.title, base(draft.language), draft.url, draft.tags, draft.questions, len(chunks), 1,
        datetime(1970, 1, 1, tzinfo=UTC), draft.valid_from, draft.valid_until,
        draft.audience,
    )  # fmt: skip
    return article, tuple(chunks)
