"""Build what a tenant's questions are answered from: the index of its valid articles, and what the head learns."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from chatpush.support.assistant.sanitising import LinkRules
from chatpush.support.knowledge.articles import Article, Changes
from chatpush.support.knowledge.reading import Chunk
from chatpush.support.retrieval.head import MIN_EXAMPLES, Example
from chatpush.support.retrieval.language import base
from chatpush.support.retrieval.retrieval_index import Document, Index, Vocabulary, document
from chatpush.support.retrieval.synonyms import Synonyms
from chatpush.support.retrieval.terms import wording
from chatpush.support.retrieval.vectors import Texts

QUESTION = -1  # from here down: the position of a similar question, which is no section


@dataclass(frozen=True, slots=True)
class Built:
    """What one version of a tenant's knowledge came to; replaced whole, so that nobody sees half of it."""

    articles: dict[str, tuple[Article, tuple[Chunk, ...]]] = field(default_factory=dict)
    documents: dict[str, list[Document]] = field(default_factory=dict)
    index: Index | None = None
    version: int = -1
    valid: frozenset[str] = frozenset()
    day: date | None = None  # the day of the index, if any article has dates
    restricted: dict[str, frozenset[str]] = field(default_factory=dict)  # who may read an article
    links: LinkRules = field(default_factory=LinkRules)
    texts: tuple[Texts, ...] = ()
    headed: dict[tuple[str, str], list[tuple[str, int]]] = field(default_factory=dict)  # by language, wording

    def headed_by(self, question: str, language: str, hidden: frozenset[str]) -> tuple[str, int] | None:
        """Return the one section whose heading is the question word for word; None if there are several."""
        places = self.headed.get((language, wording(question)), [])
        seen = [place for place in places if place[0] not in hidden]
        return seen[0] if len(seen) == 1 else None

    def hidden_from(self, reader: frozenset[str]) -> frozenset[str]:
        """Return the articles a reader may not see."""
        return frozenset(name for name, allowed in self.restricted.items() if allowed.isdisjoint(reader))


def build(vocabulary: Vocabulary, before: Built, changes: Changes, today: date) -> Built:
    """Take changes in and build the index anew."""
    articles, documents = dict(before.articles), dict(before.documents)
    for gone in changes.gone:
        articles.pop(gone, None)
        documents.pop(gone, None)
    for article, chunks in changes.changed:
        articles[article.id] = (article, chunks)
        documents[article.id] = _documents(vocabulary, article, chunks)
    dated = any(article.valid_from or article.valid_until for article, _ in articles.values())
    valid = [name for name in sorted(documents) if articles[name][0].is_valid(today)]
    every = [entry for name in valid for entry in documents[name]]
    index = Index(vocabulary, every, Synonyms(changes.synonyms)) if every else None
    shown = [article for article, _ in articles.values()]
    return Built(
        articles, documents, index, changes.version, frozenset(valid), today if dated else None,
        {one.id: frozenset(one.audience) for one in shown if one.audience},
        LinkRules(urls=[one.url for one in shown]),
        tuple(_texts(*articles[name]) for name in valid), _headed(articles[name] for name in valid),
    )  # fmt: skip


def _headed(
    articles: Iterable[tuple[Article, tuple[Chunk, ...]]],
) -> dict[tuple[str, str], list[tuple[str, int]]]:
    """Return where each heading stands; a section cut in two begins at its first part."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for article, chunks in articles:
        for position, chunk in enumerate(chunks):
            places = found.setdefault((base(article.language), wording(chunk.heading)), [])
            if chunk.heading and (not places or places[-1][0] != article.id):
                places.append((article.id, position))
    return found


def _texts(article: Article, chunks: tuple[Chunk, ...]) -> Texts:
    """Return what is compared of an article: its sections and similar questions, as its documents."""
    sections = [" ".join(filter(None, (article.title, one.heading, one.text))) for one in chunks]
    return Texts(article.id, base(article.language), (*sections, *article.questions))


def examples(built: Built) -> list[Example]:
    """Return the similar questions of every article that may be used now, and the titles of those that have enough.

    A title says what the article answers, as often as not in the words a customer would use.
    """
    found = []
    for name in sorted(built.valid):
        article, _ = built.articles[name]
        found += [Example(question, name) for question in article.questions]
        if (
            article.title
            and len(article.questions) >= MIN_EXAMPLES
            and article.title not in article.questions
        ):
            found.append(Example(article.title, name, compared=False))
    return found


def _documents(vocabulary: Vocabulary, article: Article, chunks: tuple[Chunk, ...]) -> list[Document]:
    """A document per section, and one per similar question."""
    language = base(article.language)
    tags = " ".join(article.tags)
    found = [
        document(
            vocabulary, article.id, i, language, chunk.text,
            heading=chunk.heading, title=article.title, tags=tags,
        )
        for i, chunk in enumerate(chunks)
    ]  # fmt: skip
    found += [
        document(vocabulary, article.id, QUESTION - i, language, "", heading=question)
        for i, question in enumerate(article.questions)
    ]
    return found
