"""Search by vectors: from a scripted endpoint whose vectors follow from the words, and from a tiny local model."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import InvalidSettings, WriterUnavailable
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.model.writer import Writer
from chatpush.support.retrieval.embedding import EndpointEmbedder, LocalEmbedder
from chatpush.support.retrieval.minilm import MiniLm
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.vectors import Vectors
from tests.clocks import StillClock
from tests.support.house import ARTICLES
from tests.support.scripted_model import ScriptedModel
from tests.support.vectoring import embeds, tiny_model, vector


@pytest.fixture
async def knowledge(database: Database, vault: Vault, still_clock: StillClock) -> Knowledge:
    """The articles of the room."""
    knowledge = Knowledge(database, vault, still_clock)
    await knowledge.put(DEFAULT_TENANT, ARTICLES)
    return knowledge


async def first(retrieval: Retrieval, question: str, locale: str = "en") -> str:
    """Return the first article found."""
    found = await retrieval.search(DEFAULT_TENANT, question, locale)
    return found.passages[0].article if found.passages else ""


async def test_what_no_word_says_is_found(knowledge: Knowledge, vectors: Vectors) -> None:
    retrieval = Retrieval(knowledge, vectors=vectors)
    words = Retrieval(knowledge)
    await retrieval.index(DEFAULT_TENANT)
    await vectors.idle()
    question = "cashback paidback"
    assert await first(retrieval, question) == "return"
    near = await retrieval.search(DEFAULT_TENANT, question, "en")
    assert near.confidence > (await words.search(DEFAULT_TENANT, question, "en")).confidence
    assert await first(retrieval, "钱退", "zh") == "zh-return"


async def test_vectors_are_kept_sealed_and_only_changes_are_asked_for(
    knowledge: Knowledge,
    vectors: Vectors,
    model: ScriptedModel,
    writer: Writer,
    database: Database,
    vault: Vault,
) -> None:
    retrieval = Retrieval(knowledge, vectors=vectors)
    await retrieval.index(DEFAULT_TENANT)
    await vectors.idle()
    asked = sum(len(body["input"]) for _, body in model.asked)
    assert asked == len(ARTICLES)
    rows = await database.read("SELECT * FROM knowledge_vector ORDER BY article")
    assert len(rows) == len(ARTICLES)
    assert np.array(vector("invoice"), "<f2").tobytes() not in bytes(rows[0]["content_sealed"])
    again = Vectors(database, vault, EndpointEmbedder(writer, "e"))  # a restart
    retrieval = Retrieval(knowledge, vectors=again)
    await retrieval.index(DEFAULT_TENANT)
    await again.idle()
    assert sum(len(body["input"]) for _, body in model.asked) == asked
    await knowledge.put(DEFAULT_TENANT, [replace(ARTICLES[0], text="Delivery by drone.")])
    await knowledge.delete(DEFAULT_TENANT, "pay")
    await retrieval.index(DEFAULT_TENANT)
    await again.idle()
    assert sum(len(body["input"]) for _, body in model.asked) == asked + 1
    assert len(await database.read("SELECT article FROM knowledge_vector")) == len(ARTICLES) - 1
    await again.stop()


async def test_without_vectors_words_are_searched(
    knowledge: Knowledge, vectors: Vectors, model: ScriptedModel
) -> None:
    retrieval = Retrieval(knowledge, vectors=vectors)
    await retrieval.index(DEFAULT_TENANT)
    await vectors.idle()
    model.json["embeddings"] = lambda _: 400
    assert await first(retrieval, "How long do refunds take?") == "return"
    model.json["embeddings"] = lambda body: {**embeds(body), "data": [{"index": 0, "embedding": [1.0, 0.0]}]}
    assert await first(retrieval, "Which cards do you take, and Alipay?") == "pay"


def _says(answer: Any, _: Any) -> Any:
    return answer


async def test_a_reranker_has_the_last_word_on_the_order(
    knowledge: Knowledge, writer: Writer, model: ScriptedModel
) -> None:
    def last_first(body: Any) -> Any:
        count = len(body["documents"])
        return {"results": [{"index": n, "relevance_score": (n + 1) / count * 0.4} for n in range(count)]}

    question = "How long does delivery of a parcel take, and the refund?"
    words = await Retrieval(knowledge).search(DEFAULT_TENANT, question, "en", 20)
    model.json["rerank"] = last_first
    found = await Retrieval(knowledge, rerank=writer.rerank).search(DEFAULT_TENANT, question, "en", 20)
    assert [one.article for one in found.passages] == [one.article for one in words.passages][::-1]
    assert found.confidence <= 0.4
    asked = next(body for path, body in model.asked if path == "rerank")
    assert (asked["model"], asked["query"], asked["top_n"]) == ("r", question, len(words.passages))
    for broken in ({}, {"results": [{"index": 99, "relevance_score": 1}]}, {"results": [{"score": 1}]}, 400):
        model.json["rerank"] = partial(_says, broken)
        with pytest.raises(WriterUnavailable):
            await writer.rerank(DEFAULT_TENANT, question, ["a", "b"])
    found = await Retrieval(knowledge, rerank=writer.rerank).search(DEFAULT_TENANT, question, "en", 20)
    assert [one.article for one in found.passages] == [one.article for one in words.passages]


def test_a_local_model_gives_the_same_vector_alone_and_among_others(tmp_path: Path) -> None:
    model = MiniLm(tiny_model(tmp_path))
    texts = ["refunds my money?", "a card", "", "REFUNDS  my móney ?", "xylophone", "a " * 400]
    rows = model.vectors(texts)
    assert rows.shape == (6, 8)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for text, row in zip(texts, rows, strict=True):
        assert np.allclose(model.vectors([text])[0], row, atol=1e-5)
    assert np.allclose(rows[0], rows[3], atol=1e-5)
    assert not np.allclose(rows[0], rows[1], atol=1e-2)


async def test_a_local_model_speaks_its_language_only(
    tmp_path: Path, database: Database, vault: Vault, knowledge: Knowledge
) -> None:
    vectors = Vectors(database, vault, LocalEmbedder(tiny_model(tmp_path)))
    retrieval = Retrieval(knowledge, vectors=vectors)
    words = Retrieval(knowledge)
    await retrieval.index(DEFAULT_TENANT)
    await vectors.idle()
    question = "退款要多久"
    assert await retrieval.search(DEFAULT_TENANT, question, "zh") == await words.search(
        DEFAULT_TENANT, question, "zh"
    )
    assert (await retrieval.search(DEFAULT_TENANT, "refund my money", "en")).passages
    await vectors.stop()


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "vocab.txt"])
def test_a_directory_without_a_model_is_told(tmp_path: Path, missing: str) -> None:
    (tiny_model(tmp_path) / missing).unlink()
    with pytest.raises(InvalidSettings, match="embeddings_directory"):
        MiniLm(tmp_path)
