"""Plugins that raise, hang, answer rubbish or leak, in a whole chatpush: its messages arrive all the same."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from chatpush.domain import OutgoingMessage
from chatpush.plugins import samples
from chatpush.plugins.answers import LARGEST_ANSWER, LONGEST_REASON
from chatpush.plugins.contracts import Drop
from chatpush.plugins.workers import MOST_STUCK
from tests.plugins.parts import host, plugin
from tests.serving import Served, serving
from tests.waiting import until

BODY = "Call me at +44 20 7946 0958"


async def titles(served: Served) -> list[str]:
    inbox = await served.told("GET", "/v1/me/inbox", user="emma")
    return sorted(item["title"] for item in inbox["data"])


async def arrives(directory: Path, naughty: object) -> str:
    """Send two messages past a plugin, see them arrive, and return what the console says of it."""

    def filter_message(message: OutgoingMessage) -> OutgoingMessage:
        return replace(message, content=replace(message.content, title=message.content.title + "!"))

    async with serving(directory, plugins={"naughty": naughty, "nice": plugin(filter_message)}) as served:
        for title in ("One", "Two"):
            content = {"title": title, "body": BODY}
            await served.told("POST", "/v1/messages", {"to": [{"user": "emma"}], "content": content})

        async def both() -> bool:
            return await titles(served) == ["One!", "Two!"]

        await until(both)
        assert (await served.http.get(served.url + "/readyz")).status == 200
        return next(state for state in served.chatpush.plugins.states() if state.name == "naughty").last_error


async def test_a_plugin_that_raises(tmp_path: Path) -> None:
    def filter_message(message: OutgoingMessage) -> None:
        raise KeyError(message.content.body)

    assert (await arrives(tmp_path, plugin(filter_message))).startswith("filter_message raised KeyError at ")


async def test_a_plugin_that_hangs(tmp_path: Path) -> None:
    release = threading.Event()

    def filter_message(message: OutgoingMessage) -> None:
        release.wait(60)

    assert await arrives(tmp_path, plugin(filter_message)) == "filter_message took over 250 ms"
    release.set()


RUBBISH: tuple[Callable[[OutgoingMessage], Any], ...] = (
    lambda sent: 7,
    lambda sent: sent.content,
    lambda sent: Drop("x" * (LONGEST_REASON + 1)),
    lambda sent: replace(sent, content=replace(sent.content, body="x" * (LARGEST_ANSWER + 1))),
    lambda sent: replace(sent, user=samples.user("mallory")),
)


async def test_a_plugin_that_answers_rubbish(tmp_path: Path) -> None:
    made = iter(RUBBISH)

    def filter_message(message: OutgoingMessage) -> Any:
        return next(made)(message)

    assert (await arrives(tmp_path, plugin(filter_message))).startswith("filter_message returned ")
    naughty = host(plugin(filter_message))
    for _ in range(3):
        sent = samples.message()
        assert await naughty.filter_message(sent) is sent
    assert naughty.states()[0].failures == 3


async def test_a_plugin_that_leaks_what_it_was_given_into_its_errors(tmp_path: Path) -> None:
    def filter_message(message: OutgoingMessage) -> None:
        raise ValueError(f"can't handle {message.content.body} for {message.user.id}")

    with structlog.testing.capture_logs() as logged:
        said = await arrives(tmp_path, plugin(filter_message))
    told = repr([line for line in logged if line.get("plugin") == "naughty"])
    assert "ValueError" in told
    assert "7946" not in told + said
    assert "emma" not in told + said


async def test_a_plugin_that_leaks_tasks_gets_no_more_of_them() -> None:
    let_go = asyncio.Event()

    async def filter_message(message: OutgoingMessage) -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    before = len(asyncio.all_tasks())
    plugins = host(plugin(filter_message), budget_milliseconds=5, failures_before_cut_off=1000)
    for _ in range(MOST_STUCK + 5):
        await plugins.filter_message(samples.message())
    assert len(asyncio.all_tasks()) - before == MOST_STUCK
    assert plugins.states()[0].last_error == f"filter_message {MOST_STUCK} earlier calls still hang"
    let_go.set()
    await until(lambda: len(asyncio.all_tasks()) == before)
    await plugins.filter_message(samples.message())
    assert plugins.states()[0].failures == MOST_STUCK + 5, "it is served again"
