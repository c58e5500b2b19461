"""Hold articles in memory, for trying knowledge out without a server or a store."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from chatpush.domain import TenantId
from chatpush.support.knowledge.articles import Article, Changes
from chatpush.support.knowledge.reading import Chunk, Draft, split
from chatpush.support.retrieval.embedding import Embedder, LocalEmbedder, Questions, Rows
from chatpush.support.retrieval.head import Example, Head
from chatpush.support.retrieval.head_training import train
from chatpush.support.retrieval.language import base
from chatpush.support.retrieval.vectors import CHARS, Texts

Tell = Callable[[str], None]


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


class TrainedHere:
    """A head trained on the spot, in this process."""

    def __init__(self, tell: Tell = lambda _: None) -> None:
        self._tell = tell
        self._head: Head | None = None

    def get(self, tenant: TenantId) -> Head | None:  # noqa: ARG002
        """Return the head, if there were examples enough."""
        return self._head

    def offer(self, tenant: TenantId, examples: Sequence[Example]) -> None:  # noqa: ARG002
        """Train."""
        self._head = train(examples, tell=self._tell)


class ComparedHere:
    """Vectors made on the spot by a model on this machine."""

    def __init__(self, embedder: LocalEmbedder) -> None:
        self.embedder: Embedder = embedder
        self.questions = Questions(embedder)
        self._model = embedder.model
        self._rows: dict[Texts, Rows] = {}

    def get(self, tenant: TenantId, wanted: Sequence[Texts]) -> list[Rows] | None:  # noqa: ARG002
        """Return the vectors of these articles, in order."""
        missing = [one for one in wanted if one not in self._rows]
        rows = self._model.vectors([text[:CHARS] for one in missing for text in one.texts])
        start = 0
        for one in missing:
            self._rows[one] = rows[start : start + len(one.texts)]
            start += len(one.texts)
        return [self._rows[one] for one in wanted]

    def offer(self, tenant: TenantId, wanted: Sequence[Texts]) -> None:
        """Nothing: they are made when asked for."""


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
