"""Ask a retrieval many questions and judge what it finds."""

from collections.abc import Callable, Sequence
from datetime import date

from chatpush.domain import DEFAULT_TENANT
from chatpush.support.judging.datasets import Shelved, Task
from chatpush.support.judging.evaluation import Asked, Judged
from chatpush.support.knowledge.shelf import ComparedHere, Shelf, Tell, TrainedHere
from chatpush.support.retrieval.retrieval import Passage, Retrieval

LOOKED_AT = 10
Step = Callable[[], None]


async def open_shelf(
    articles: Sequence[Shelved],
    day: date,
    tell: Tell = lambda _: None,
    vectors: ComparedHere | None = None,
) -> tuple[Retrieval, TrainedHere]:
    """Return a retrieval over articles in memory, its head trained if there are examples enough."""
    head = TrainedHere(tell, vectors)
    retrieval = Retrieval(Shelf(articles, day), head, vectors)
    await retrieval.index(DEFAULT_TENANT)
    return retrieval, head


async def ask(retrieval: Retrieval, questions: Sequence[Asked], step: Step = lambda: None) -> list[Judged]:
    """Return every question judged."""
    judged = []
    for one in questions:
        found = await retrieval.search(DEFAULT_TENANT, one.text, one.language, LOOKED_AT)
        judged.append(judge(one, found.passages, found.confidence))
        step()
    return judged


def judge(asked: Asked, passages: Sequence[Passage], confidence: float) -> Judged:
    """Return whether the first passage is right, and where the first right one stands."""
    good = [asked.is_right(one.article, one.heading, one.position) for one in passages]
    return Judged(asked, bool(good) and good[0], confidence, good.index(True) + 1 if any(good) else 0)


async def run(
    task: Task,
    day: date,
    tell: Tell = lambda _: None,
    step: Step = lambda: None,
    vectors: ComparedHere | None = None,
) -> tuple[list[Judged], list[Judged]]:
    """Return a task's questions and those kept for thresholds, judged."""
    retrieval, _ = await open_shelf(task.articles, day, tell, vectors)
    tell("asking")
    return await ask(retrieval, task.asked, step), await ask(retrieval, task.validation, step)
