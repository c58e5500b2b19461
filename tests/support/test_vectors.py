"""Search by vectors: from a scripted endpoint whose vectors follow from the words, and from a tiny local model."""

import json
import math
import zlib
from collections.abc import AsyncIterator
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
from chatpush.support.model.budget import Budget
from chatpush.support.model.writer import Writer
from chatpush.support.retrieval.embedding import EndpointEmbedder, LocalEmbedder
from chatpush.support.retrieval.minilm import MiniLm
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.vectors import Vectors
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import ARTICLES
from tests.support.scripted_model import ScriptedModel, scripted_model

# What no word says: these mean the same to the scripted endpoint.
MEANS = {"cashback": "refund", "paidback": "refund", "钱退": "退款"}
WIDTH = 256


def vector(text: str) -> list[float]:
    """Return a vector that follows from a text's words and what they mean."""
    for word, meaning in MEANS.items():
        text = text.lower().replace(word, meaning)
    row = [0.0] * WIDTH
    parts = [text[i : i + 2] for i in range(len(text) - 1)] if not text.isascii() else text.lower().split()
    for part in parts:
        row[zlib.crc32(part.strip(".,?!'s").encode()) % WIDTH] += 1.0
    length = math.sqrt(sum(one * one for one in row)) or 1.0
    return [one / length for one in row]


def embeds(body: Any) -> Any:
    """Answer as an endpoint does."""
    data = [
        {"object": "embedding", "index": n, "embedding": vector(one)} for n, one in enumerate(body["input"])
    ]
    return {"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted endpoint."""
    async with scripted_model() as model:
        model.json["embeddings"] = embeds
        yield model


@pytest.fixture
async def writer(model: ScriptedModel, database: Database, still_clock: StillClock) -> AsyncIterator[Writer]:
    """A writer that asks it."""
    settings = WriterSettings(
        base_url=model.url, api_key="k", model="m", embedding_model="e", rerank_model="r",
        daily_tokens_per_user=0, first_token_seconds=1.0,
    )  # fmt: skip

    async def pause(_: float) -> None:
        """Don't wait."""

    writer = Writer(settings, Budget(database, still_clock, settings), still_clock, pause=pause)
    yield writer
    await writer.close()


@pytest.fixture
async def vectors(writer: Writer, database: Database, vault: Vault) -> AsyncIterator[Vectors]:
    """The store of vectors."""
    vectors = Vectors(database, vault, EndpointEmbedder(writer, "e"))
    yield vectors
    await vectors.stop()


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


def tiny_model(directory: Path) -> Path:
    """Write a BERT of one layer with made-up weights, and return its directory."""
    order = np.random.default_rng(7)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "refund", "##s", "my", "money", "?", "card", "a"]
    width, inner = 8, 16
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(words), width),
        "embeddings.position_embeddings.weight": (256, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,), "embeddings.LayerNorm.bias": (width,),
    }  # fmt: skip
    layer = "encoder.layer.0."
    for part in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ):
        shapes |= {f"{layer}{part}.weight": (width, width), f"{layer}{part}.bias": (width,)}
    for part in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes |= {f"{layer}{part}.weight": (width,), f"{layer}{part}.bias": (width,)}
    shapes |= {
        f"{layer}intermediate.dense.weight": (inner, width), f"{layer}intermediate.dense.bias": (inner,),
        f"{layer}output.dense.weight": (width, inner), f"{layer}output.dense.bias": (width,),
    }  # fmt: skip
    head: dict[str, Any] = {"__metadata__": {"format": "np"}}
    data = b""
    for name, shape in shapes.items():
        raw = order.normal(size=shape).astype("<f4").tobytes()
        head[f"bert.{name}"] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    told = json.dumps(head).encode()
    (directory / "model.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + data)
    (directory / "config.json").write_text(json.dumps({"num_attention_heads": 2, "num_hidden_layers": 1}))
    (directory / "vocab.txt").write_text("\n".join(words))
    return directory


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
