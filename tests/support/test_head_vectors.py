"""A head that sees vectors: it finds what shares no word, and answers by words alone where vectors fail."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.model.writer import Writer
from chatpush.support.retrieval import head_vectors
from chatpush.support.retrieval.embedding import EndpointEmbedder, Questions
from chatpush.support.retrieval.head import Example, Head
from chatpush.support.retrieval.head_starting import in_a_process
from chatpush.support.retrieval.head_storing import from_bytes, order_of, read_order, to_bytes
from chatpush.support.retrieval.head_training import train
from chatpush.support.retrieval.head_vectors import Compared, compared
from chatpush.support.retrieval.heads import Heads
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.vectors import Vectors
from tests.clocks import StillClock
from tests.support.scripted_model import ScriptedModel
from tests.support.test_heads import DRAFTS, Counting, every
from tests.support.vectoring import embeds, vector
from tests.waiting import until

# To the endpoint's vectors the first of each pair means the second; no example has a word of it.
MEANS = {"pilfered plastic": "stolen card", "sesame": "pin pin code"}


def meaning(text: str) -> list[float]:
    """Return a vector that knows what words alone do not."""
    for said, meant in MEANS.items():
        text = text.replace(said, meant)
    return vector(text)


def answering(body: dict[str, Sequence[str]]) -> dict[str, object]:
    """Answer as the endpoint of such vectors does."""
    return {
        **embeds(body),
        "data": [{"index": place, "embedding": meaning(one)} for place, one in enumerate(body["input"])],
    }


def seen(examples: Sequence[Example], speaks: Callable[[str], bool] = lambda _: True) -> Compared:
    """Return the examples' vectors."""
    rows = [asked(one.question) if speaks(one.question) else None for one in examples]
    return compared("here", [one.answer for one in examples], rows.__getitem__)


def asked(question: str) -> head_vectors.Rows:
    """Return a question's vector."""
    return np.array(meaning(question), np.float32)


def decided(head: Head | None, question: str, row: head_vectors.Rows | None = None) -> tuple[str, float]:
    """Return a head's answer and how sure it is."""
    assert head is not None
    found = head.decide(question, row)
    return ("", 0.0) if found is None else (found.answer, found.confidence)


def test_a_head_with_vectors_finds_what_shares_no_word() -> None:
    head = train(every(), seen(every()))
    for question, answer in (("pilfered plastic", "lost"), ("sesame", "pin")):
        assert decided(head, question, asked(question))[0] == answer
    assert decided(head, "topping up failed", asked("topping up failed"))[0] == "top up"
    known, strange = "I lost my card", "do you sell bicycles to my aunt"
    assert decided(head, known, asked(known))[1] > decided(head, strange, asked(strange))[1]


def test_without_a_vector_the_words_say_what_they_always_said() -> None:
    both, words = train(every(), seen(every())), train(every())
    for question in ("my card was stolen", "退款几天到账", "???", "bicycles", "euro rate"):
        assert decided(both, question) == decided(words, question)
        assert decided(both, question, np.ones(3, np.float32)) == decided(words, question)  # another model's


def test_a_head_with_vectors_survives_the_store() -> None:
    head = train(every(), seen(every()))
    assert head is not None
    stored = to_bytes(head)
    again = from_bytes(stored, every(), seen(every()))
    before, after = (decided(one, "sesame", asked("sesame")) for one in (head, again))
    assert before[0] == after[0]
    assert abs(before[1] - after[1]) < 0.01
    alone = from_bytes(stored, every())  # the vectors are not there yet
    assert alone is not None
    assert alone.space == ""
    assert decided(alone, "my card was stolen", asked("my card was stolen")) == decided(
        alone, "my card was stolen"
    )
    assert from_bytes(stored, every(), replace(seen(every()), space="another")).space == ""  # type: ignore[union-attr]


def test_examples_of_a_language_without_vectors_take_part_by_words() -> None:
    head = train(every(), seen(every(), str.isascii))
    assert head is not None
    assert head.space == "here"
    assert decided(head, "sesame", asked("sesame"))[0] == "pin"
    assert decided(head, "退款几天到账")[0] == "refund"
    assert decided(head, "退款几天到账", asked("退款几天到账"))[0] == "refund"
    few = train(every(), seen(every(), lambda text: text.startswith("top")))
    assert few is not None
    assert few.space == ""


def test_a_process_is_told_examples_and_vectors() -> None:
    examples, vectors = read_order(order_of(every(), seen(every())))
    assert examples == every()
    assert vectors is not None
    assert np.allclose(vectors.rows, seen(every()).rows, atol=1e-3)
    assert read_order(order_of(every(), None)) == (every(), None)


async def test_it_trains_in_a_process_of_its_own() -> None:
    stored = await in_a_process(every(), seen(every()))
    assert stored is not None
    head = from_bytes(stored, every(), seen(every()))
    assert decided(head, "sesame", asked("sesame"))[0] == "pin"


def test_what_vectors_take_of_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [str(number % 10) for number in range(200)]
    monkeypatch.setattr(head_vectors, "MOST_CELLS", 4 * 50)
    found = compared("here", answers, lambda _: np.ones(4, np.float32))
    assert len(found.rows) == 50
    assert {answers[place] for place in found.places} == set(answers)
    assert len(compared("here", ["a", "b"], lambda place: np.ones(2 + place, np.float32)).rows) == 0


async def settled(vectors: Vectors, heads: Heads) -> None:
    """Return once vectors and heads have nothing to do."""
    await vectors.idle()
    await heads.idle()


async def test_a_tenants_head_learns_vectors_when_they_have_come(
    any_database: Database, vault: Vault, still_clock: StillClock, model: ScriptedModel, writer: Writer
) -> None:
    model.json["embeddings"] = answering
    knowledge = Knowledge(any_database, vault, still_clock)
    await knowledge.put(DEFAULT_TENANT, DRAFTS)
    trainer = Counting()

    def built() -> tuple[Vectors, Heads, Retrieval]:
        vectors = Vectors(any_database, vault, EndpointEmbedder(writer, "e"))
        heads = Heads(any_database, vault, still_clock, trainer, calm_seconds=0, vectors=vectors)
        return vectors, heads, Retrieval(knowledge, heads, vectors)

    vectors, heads, retrieval = built()
    await retrieval.index(DEFAULT_TENANT)
    await settled(vectors, heads)
    head = heads.get(DEFAULT_TENANT)
    assert head is not None
    assert head.space == "endpoint:e"
    assert (await retrieval.search(DEFAULT_TENANT, "sesame", "en")).passages[0].article == "pin"
    times = trainer.times

    again, later, reopened = built()  # a restart takes the stored head and the stored vectors
    await reopened.index(DEFAULT_TENANT)
    await settled(again, later)
    assert later.get(DEFAULT_TENANT) is not None
    assert later.get(DEFAULT_TENANT).space == "endpoint:e"  # type: ignore[union-attr]
    assert (await reopened.search(DEFAULT_TENANT, "sesame", "en")).passages[0].article == "pin"

    sizes = [len(body["input"]) for _, body in model.asked]
    changed = Draft(
        "atm", "Cash", "At any machine.", "en", questions=tuple(f"cash machine {n}" for n in range(5))
    )
    await knowledge.put(DEFAULT_TENANT, [changed])
    await retrieval.index(DEFAULT_TENANT)
    await settled(vectors, heads)
    assert "atm" in heads.get(DEFAULT_TENANT).answers  # type: ignore[union-attr]
    assert heads.get(DEFAULT_TENANT).space == "endpoint:e"  # type: ignore[union-attr]
    assert trainer.times == times + 1  # the head before served until the new vectors were there
    assert [len(body["input"]) for _, body in model.asked][len(sizes) :] == [1 + 5]
    for one in (vectors, again, heads, later):
        await one.stop()


async def test_an_endpoint_that_is_down_leaves_words(
    database: Database, vault: Vault, still_clock: StillClock, model: ScriptedModel, vectors: Vectors
) -> None:
    knowledge = Knowledge(database, vault, still_clock)
    await knowledge.put(DEFAULT_TENANT, DRAFTS)
    heads = Heads(database, vault, still_clock, Counting(), calm_seconds=0, vectors=vectors)
    words = Heads(database, vault, still_clock, Counting(), calm_seconds=0)
    retrieval, plain = Retrieval(knowledge, heads, vectors), Retrieval(knowledge, words)
    model.json["embeddings"] = answering
    await retrieval.index(DEFAULT_TENANT)
    await plain.index(DEFAULT_TENANT)
    await settled(vectors, heads)
    await words.idle()
    assert not vectors.tries.down
    model.json["embeddings"] = lambda _: 400
    question = "somebody has stolen the card"
    expected = await plain.search(DEFAULT_TENANT, question, "en")
    assert await retrieval.search(DEFAULT_TENANT, question, "en") == expected
    assert (vectors.tries.down, vectors.tries.questions_missed) == (True, 1)

    await knowledge.delete(
        DEFAULT_TENANT, "rate"
    )  # a head for what is left does not wait for vectors for ever
    await knowledge.put(
        DEFAULT_TENANT, [replace(DRAFTS[0], questions=(*DRAFTS[0].questions, "card vanished"))]
    )
    await retrieval.index(DEFAULT_TENANT)
    await until(lambda: not vectors.busy(DEFAULT_TENANT))
    await heads.idle()
    head = heads.get(DEFAULT_TENANT)
    assert head is not None
    assert (head.space, "rate" in head.answers) == ("", False)
    assert vectors.tries.texts_missed > 0
    await heads.stop()
    await words.stop()


async def test_questions_count_what_came_in_time(writer: Writer, model: ScriptedModel) -> None:
    questions = Questions(EndpointEmbedder(writer, "e"))
    assert await questions.vector(DEFAULT_TENANT, "refund") is not None
    assert await questions.vector(DEFAULT_TENANT, "refund") is not None  # kept
    model.json["embeddings"] = lambda _: 400
    assert await questions.vector(DEFAULT_TENANT, "card") is None
    assert (questions.tries.questions, questions.tries.questions_missed, questions.tries.down) == (1, 1, True)
