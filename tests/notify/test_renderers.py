"""Rendering processes: one bad text costs itself and nobody else."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from chatpush.errors import InvalidTemplate
from chatpush.notify.templates.renderers import Renderers

PARTS = {"title": "{{ a }}", "body": "{% if a == 3 %}{{ 'x'|center(2000000000) }}{% endif %}ok"}


@pytest.fixture
async def renderers() -> AsyncIterator[Renderers]:
    renderers = Renderers(seconds=0.5, max_bytes=2000)
    yield renderers
    await renderers.stop()


async def test_only_the_bad_text_fails(renderers: Renderers) -> None:
    answers = await renderers.render(PARTS, "x", [{"a": number} for number in range(6)], "en")
    assert [isinstance(answer, InvalidTemplate) for answer in answers] == [number == 3 for number in range(6)]
    assert answers[5] == {"title": "5", "body": "ok"}


async def test_a_loop_is_cut_off_and_the_rest_goes_on(renderers: Renderers) -> None:
    endless = "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}"
    parts = {"body": "{% if a %}" + endless + "{% endif %}done"}
    answers = await renderers.render(parts, "loop", [{"a": 0}, {"a": 1}, {"a": 0}], "en")
    assert answers[0] == answers[2] == {"body": "done"}
    assert isinstance(answers[1], InvalidTemplate)
    assert "longer than 0.5 s" in answers[1].message


async def test_what_hangs_beyond_the_timer_is_killed_from_outside(renderers: Renderers) -> None:
    # A process that is stopped hears no timer, like one that is busy in C.
    await renderers.render({"body": "x"}, "x", [{}], "en")
    (worker,) = renderers._workers
    os.kill(worker.process.pid, signal.SIGSTOP)
    answers = await renderers.render({"body": "{{ a }}"}, "y", [{"a": 1}, {"a": 2}], "en")
    assert isinstance(answers[0], InvalidTemplate)
    assert answers[1] == {"body": "2"}
    assert worker.process.returncode == -signal.SIGKILL


async def test_a_worker_that_is_killed_is_replaced(renderers: Renderers) -> None:
    await renderers.render({"body": "x"}, "x", [{}], "en")
    (worker,) = renderers._workers
    os.kill(worker.process.pid, signal.SIGKILL)
    await worker.process.wait()
    answers = await renderers.render({"body": "{{ a }}"}, "y", [{"a": 1}, {"a": 2}], "en")
    assert answers[1] == {"body": "2"}
    assert await renderers.render({"body": "{{ a }}"}, "y", [{"a": 3}], "en") == [{"body": "3"}]


async def test_many_callers_share_a_worker(renderers: Renderers) -> None:
    batches = await asyncio.gather(
        *(renderers.render({"body": "{{ a }}"}, "z", [{"a": number}], "en") for number in range(20))
    )
    assert [batch[0] for batch in batches] == [{"body": str(number)} for number in range(20)]


async def test_a_cancelled_batch_leaves_no_answers_behind(renderers: Renderers) -> None:
    slow = "{% for x in range(99999) %}{% for y in range(9) %}{% endfor %}{% endfor %}slow"
    await renderers.render({"body": "x"}, "x", [{}], "en")
    task = asyncio.create_task(renderers.render({"body": slow}, "slow", [{}] * 5, "en"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await renderers.render({"body": "{{ a }}"}, "y", [{"a": 3}], "en") == [{"body": "3"}]


async def test_workers_do_not_get_our_secrets(renderers: Renderers) -> None:
    os.environ["CHATPUSH_TEST_SECRET"] = "s3cret"
    try:
        await renderers.render({"body": "x"}, "x", [{}], "en")
        (worker,) = renderers._workers
        with open(f"/proc/{worker.process.pid}/environ", "rb") as environment:  # noqa: ASYNC230 - a small file of the kernel
            assert b"s3cret" not in environment.read()
    finally:
        del os.environ["CHATPUSH_TEST_SECRET"]
