"""A head learns the tenant's examples, answers by them, and knows strangers."""

import asyncio
from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.support.knowledge.knowledge import Knowledge
from chatpush.support.knowledge.reading import Draft
from chatpush.support.knowledge.shelf import Shelf, bare
from chatpush.support.retrieval.built import Built, build, examples
from chatpush.support.retrieval.head import MIN_EXAMPLES, Example, Head, enough
from chatpush.support.retrieval.head_features import Features, han_terms, word_terms
from chatpush.support.retrieval.head_starting import in_a_process
from chatpush.support.retrieval.head_storing import from_bytes, to_bytes
from chatpush.support.retrieval.head_training import REGRESSION_CELLS, fit, threshold, train
from chatpush.support.retrieval.head_vectors import Compared
from chatpush.support.retrieval.heads import Heads
from chatpush.support.retrieval.retrieval import Retrieval
from chatpush.support.retrieval.retrieval_index import Vocabulary
from tests.clocks import StillClock

EXAMPLES = {
    "lost": [
        "I lost my card", "my card is gone", "someone stole my card", "card went missing", "can't find my card",
        "my bank card was stolen", "I think I lost the card somewhere", "the card is missing since yesterday",
    ],
    "pin": [
        "forgot my pin", "how do I change my pin", "what is my pin code", "set a new pin", "pin does not work",
        "the pin is blocked", "I entered the pin wrongly", "I want another pin number",
    ],
    "rate": [
        "what exchange rate do you use", "is the rate good for euros", "exchange rate today", "euro rate please",
        "why is the exchange rate so bad", "how is your rate decided", "rate for dollars", "which rate applies",
    ],
    "top up": [
        "how do I top up", "top up with a cheque", "my top up failed", "add money by bank transfer",
        "top-up did not arrive", "can I top up in cash", "automatic top up", "limits when topping up",
    ],
    "refund": [
        "退款什么时候到账", "我要退款", "退款没有收到", "怎么申请退款", "退款要多久", "钱还没退给我",
        "能退款吗", "退款进度",
    ],
}  # fmt: skip
DRAFTS = [
    Draft(name, f"About {name}", f"The answer on {name}.", "zh" if name == "refund" else "en", questions=tuple(asked))
    for name, asked in EXAMPLES.items()
]  # fmt: skip


def every() -> list[Example]:
    """Return all examples."""
    return [Example(question, name) for name, asked in EXAMPLES.items() for question in asked]


@pytest.fixture(scope="module")
def head() -> Head:
    """A trained head."""
    trained = train(every())
    assert trained is not None
    return trained


def test_words_pairs_and_characters_are_terms() -> None:
    assert {"w refund", "b refund late", "p late refund"} <= set(word_terms("Refund late"))
    assert han_terms("我要退款") == ["h我", "h要", "h退", "h款", "h我要", "h要退", "h退款"]


def test_strange_words_are_told() -> None:
    features = Features.learn(["lost card", "new pin"])
    assert features.of("lost card").unknown == 0
    assert features.of("lost umbrella").unknown > 0.3
    assert features.of("bicycle").unknown == 1


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("my card was stolen", "lost"),
        ("please change the pin", "pin"),
        ("退款几天到账", "refund"),
        ("topping up failed", "top up"),
    ],
)
def test_it_answers_what_is_like_its_examples(head: Head, question: str, answer: str) -> None:
    decided = head.decide(question)
    assert decided is not None
    assert decided.answer == answer


def test_a_stranger_is_less_sure(head: Head) -> None:
    known, strange = head.decide("I lost my card"), head.decide("do you sell bicycles to my aunt")
    assert known is not None
    assert strange is None or strange.confidence < known.confidence
    assert head.decide("???") is None


def test_too_few_examples_train_nothing() -> None:
    few = [Example(f"question {number}", "one") for number in range(MIN_EXAMPLES)]
    assert enough(few) == []
    assert train(few) is None


@pytest.mark.parametrize(("each", "probable"), [(6, True), (31, False)])
def test_many_answers_with_few_examples_are_told_apart_by_regression(each: int, probable: bool) -> None:
    answers = 150
    several = [
        Example(f"subject{answer} detail{number}", str(answer))
        for answer in range(answers)
        for number in range(each)
    ]
    assert len(several) * answers > REGRESSION_CELLS
    assert fit(several).linear.probable is probable


def test_a_title_is_learned_where_there_are_questions_enough() -> None:
    day = date(2026, 11, 24)
    articles = [
        bare("few", "退货", [""], [f"怎么退{number}" for number in range(4)]),
        bare("enough", "开发票", [""], [f"发票{number}" for number in range(5)]),
        bare("said", "钱包0", [""], [f"钱包{number}" for number in range(5)]),
    ]
    changes = asyncio.run(Shelf(articles, day).changes(DEFAULT_TENANT, {}))
    found = examples(build(Vocabulary(), Built(), changes, day))
    assert [one for one in found if not one.compared] == [Example("开发票", "enough", compared=False)]
    assert len(found) == 4 + 5 + 1 + 5


def test_a_head_survives_the_store(head: Head) -> None:
    again = from_bytes(to_bytes(head), every())
    assert again is not None
    for question in ("my card was stolen", "退款几天到账"):
        before, after = head.decide(question), again.decide(question)
        assert before is not None
        assert after is not None
        assert (before.answer, before.nearest) == (after.answer, after.nearest)
        assert abs(before.confidence - after.confidence) < 0.01


def test_the_threshold_keeps_the_precision_asked_for() -> None:
    probability = np.linspace(1, 0, 100)
    right = np.array([True] * 60 + [False, True] * 20)
    chosen = threshold(probability, right, 0.9)
    answered = probability >= chosen
    assert right[answered].mean() >= 0.9
    assert answered.sum() > 60


class Counting:
    """Trains on the spot and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, examples: Sequence[Example], vectors: Compared | None) -> bytes | None:
        self.times += 1
        trained = await asyncio.to_thread(train, examples, vectors)
        return None if trained is None else to_bytes(trained)


async def test_knowledge_with_examples_gets_a_head_that_is_stored(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    trainer = Counting()
    knowledge = Knowledge(any_database, vault, still_clock)
    await knowledge.put(DEFAULT_TENANT, DRAFTS)
    heads = Heads(any_database, vault, still_clock, trainer, calm_seconds=0)
    retrieval = Retrieval(knowledge, heads)
    await retrieval.search(DEFAULT_TENANT, "pin", "en")
    await heads.idle()
    assert heads.get(DEFAULT_TENANT) is not None
    found = await retrieval.search(DEFAULT_TENANT, "somebody has stolen the card", "en")
    assert found.passages[0].article == "lost"
    rows = await any_database.read("SELECT content_sealed FROM knowledge_head")
    assert len(rows) == 1
    assert "退款".encode() not in bytes(rows[0]["content_sealed"])

    restarted = Heads(any_database, vault, still_clock, trainer, calm_seconds=0)
    await Retrieval(knowledge, restarted).search(DEFAULT_TENANT, "pin", "en")
    await restarted.idle()
    assert restarted.get(DEFAULT_TENANT) is not None
    assert trainer.times == 1  # the stored one was taken

    await knowledge.delete(DEFAULT_TENANT, "lost")
    found = await retrieval.search(DEFAULT_TENANT, "somebody has stolen the card", "en")
    assert "lost" not in {passage.article for passage in found.passages}
    await heads.idle()
    head = heads.get(DEFAULT_TENANT)
    assert head is not None
    assert "lost" not in head.answers
    await heads.stop()
    await restarted.stop()


async def test_training_runs_in_a_process_of_its_own() -> None:
    stored = await in_a_process(every())
    assert stored is not None
    assert from_bytes(stored, every()) is not None
    assert await in_a_process([Example("one", "one")]) is None


async def test_a_failing_trainer_leaves_retrieval_as_it_was(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async def broken(examples: Sequence[Example], vectors: Compared | None) -> bytes | None:
        raise OSError("no memory")

    knowledge = Knowledge(database, vault, still_clock)
    await knowledge.put(DEFAULT_TENANT, DRAFTS)
    heads = Heads(database, vault, still_clock, broken, calm_seconds=0)
    retrieval = Retrieval(knowledge, heads)
    await retrieval.search(DEFAULT_TENANT, "pin", "en")
    await heads.idle()
    assert heads.get(DEFAULT_TENANT) is None
    assert (await retrieval.search(DEFAULT_TENANT, "forgot my pin", "en")).passages[0].article == "pin"


def test_what_a_head_takes_of_memory_is_bounded() -> None:
    texts = [f"word{number} common" for number in range(50)]
    features = Features.learn(texts, 20)  # the commonest ones
    assert len(features) == 20
    many = [Example(f"question {number}", f"answer {number % 5}") for number in range(60_000)]
    assert len(enough(many)) == 50_000
