"""A plugin may raise, hang, exit or talk nonsense: only it suffers."""

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from chatpush import settings as configuration
from chatpush.domain import Event, OutgoingMessage, UserId
from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from chatpush.plugins.guard import INLINE_SECONDS
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.plugins.workers import AT_ONCE, MOST_STUCK
from tests.clocks import StillClock
from tests.plugins.parts import host, plugin
from tests.waiting import until

SENT = samples.message()
NOTHING: Any = None


def filter_message_that(act: Callable[[OutgoingMessage], Any]) -> Callable[..., Any]:
    """Return a plain filter hook."""

    def filter_message(message: OutgoingMessage) -> Any:
        return act(message)

    return filter_message


def async_filter_message_that(act: Callable[[OutgoingMessage], Any]) -> Callable[..., Any]:
    """Return the same as a coroutine function."""

    async def filter_message(message: OutgoingMessage) -> Any:
        return act(message)

    return filter_message


def boom(_message: OutgoingMessage) -> None:
    raise ValueError("boom")


def cancel(_message: OutgoingMessage) -> None:
    raise asyncio.CancelledError


RUBBISH: dict[str, Callable[[OutgoingMessage], Any]] = {
    "raises": boom,
    "exits": lambda message: sys.exit(3),
    "a word": lambda message: "no",
    "a flag": lambda message: True,
    "an empty reason": lambda message: Drop(""),
    "another reader": lambda message: replace(message, user=samples.user("lin")),
    "no content": lambda message: replace(message, content=NOTHING),
    "no title": lambda message: replace(message, content=replace(message.content, title=NOTHING)),
}


@pytest.mark.parametrize("act", RUBBISH.values(), ids=RUBBISH)
@pytest.mark.parametrize("made", [filter_message_that, async_filter_message_that])
@pytest.mark.parametrize("inline", [False, True])
async def test_a_failing_filter_is_skipped_or_drops_as_declared(
    act: Callable[[OutgoingMessage], Any], made: Callable[..., Any], inline: bool
) -> None:
    plugins = host(plugin(made(act), inline=inline), plugin(filter_message_that(lambda m: Drop("second"))))
    assert await plugins.filter_message(SENT) == Drop("second")
    state = plugins.states()[0]
    assert (state.calls, state.failures) == (1, 1)
    assert state.last_error.startswith("filter_message")
    closed = host(plugin(made(act), inline=inline, fail_closed=True))
    assert await closed.filter_message(SENT) == Drop("plugin first failed")


async def test_a_hook_that_cancels_itself_fails_alone() -> None:
    plugins = host(plugin(async_filter_message_that(cancel)))
    assert await plugins.filter_message(SENT) is SENT
    assert plugins.states()[0].failures == 1


async def test_a_failing_listener_stops_nobody() -> None:
    heard: list[str] = []

    def failing() -> object:
        def on_event(event: Event) -> None:
            raise ValueError("boom")

        return plugin(on_event)

    def on_event(event: Event) -> None:
        heard.append(event.type)

    await host(failing(), plugin(on_event)).on_event(samples.event("view"))
    assert heard == ["view"]


async def test_a_hanging_async_hook_is_given_up_even_if_it_will_not_go() -> None:
    hung = asyncio.Event()

    async def filter_message(message: OutgoingMessage) -> None:
        while not hung.is_set():
            try:
                await hung.wait()
            except asyncio.CancelledError:
                continue

    plugins = host(plugin(filter_message), budget_milliseconds=20)
    assert await plugins.filter_message(SENT) is SENT
    assert plugins.states()[0].last_error == "filter_message took over 20 ms"
    hung.set()


async def test_a_blocking_hook_hangs_in_threads_of_its_own_and_gets_no_more() -> None:
    release = threading.Event()

    def threads() -> int:
        return sum(one.name == "chatpush-plugin-hanging" for one in threading.enumerate())

    settings = configuration.Plugins(budget_milliseconds=20, failures_before_cut_off=1000)
    hanging = plugin(filter_message_that(lambda message: release.wait(30) and None))
    plugins = Plugins({"hanging": hanging}, settings)

    async def passes() -> Any:
        failures = plugins.states()[0].failures
        await plugins.filter_message(SENT)
        return plugins.states()[0].failures == failures

    calls = [plugins.filter_message(SENT) for _ in range(MOST_STUCK + 20)]
    assert all(verdict is SENT for verdict in await asyncio.gather(*calls))
    assert await plugins.filter_message(SENT) is SENT
    assert "still hang" in plugins.states()[0].last_error
    assert MOST_STUCK <= threads() < MOST_STUCK + AT_ONCE
    # The loop's shared threads are all free.
    assert await asyncio.gather(*(asyncio.to_thread(int) for _ in range(40))) == [0] * 40
    release.set()
    assert await until(passes)
    plugins.close()
    await until(lambda: threads() == 0)


async def test_a_caller_that_is_cancelled_leaves_no_hook_behind() -> None:
    started = asyncio.Event()
    ended: list[str] = []

    async def filter_message(message: OutgoingMessage) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("yes")

    plugins = host(plugin(filter_message), budget_milliseconds=60_000)
    calling = asyncio.ensure_future(plugins.filter_message(SENT))
    await started.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: ended == ["yes"])
    assert plugins.states()[0].failures == 0


async def test_who_keeps_failing_is_cut_off_and_comes_back(still_clock: StillClock) -> None:
    mood = {"fails": True}

    def moody(message: OutgoingMessage) -> None:
        if mood["fails"]:
            raise ValueError("boom")

    plugins = host(
        plugin(filter_message_that(moody)),
        plugin(filter_message_that(moody), fail_closed=True),
        clock=still_clock, failures_before_cut_off=3, cut_off_seconds=30,
    )  # fmt: skip
    for _ in range(3):
        assert await plugins.filter_message(SENT) == Drop("plugin second failed")
    assert [state.cut_off for state in plugins.states()] == [True, True]
    assert await plugins.filter_message(SENT) == Drop("plugin second is cut off")
    assert [state.calls for state in plugins.states()] == [3, 3]
    still_clock.forward(timedelta(seconds=29))
    assert plugins.states()[0].called[0].cut_off_seconds == pytest.approx(1)
    still_clock.forward(timedelta(seconds=1))
    assert await plugins.filter_message(SENT) == Drop("plugin second failed")
    assert all(state.cut_off for state in plugins.states()), "one more failure is enough after the pause"
    still_clock.forward(timedelta(seconds=30))
    mood["fails"] = False
    assert await plugins.filter_message(SENT) is SENT
    mood["fails"] = True
    await plugins.filter_message(SENT)
    assert not any(state.cut_off for state in plugins.states()), "a success clears the count"


async def test_a_hook_is_cut_off_alone() -> None:
    def on_event(event: Event) -> None:
        raise ValueError("boom")

    def tidied(message: OutgoingMessage) -> Drop:
        return Drop("tidied")

    plugins = host(plugin(on_event, filter_message_that(tidied)), failures_before_cut_off=1)
    await plugins.on_event(samples.event())
    assert [(one.name, one.cut_off, one.cuts) for one in plugins.states()[0].called] == [
        ("filter_message", False, 0), ("on_event", True, 1),
    ]  # fmt: skip
    assert await plugins.filter_message(SENT) == Drop("tidied")


async def test_nonsense_alone_cuts_off() -> None:
    plugins = host(plugin(filter_message_that(lambda message: "no")), failures_before_cut_off=2)
    for _ in range(2):
        await plugins.filter_message(SENT)
    assert plugins.states()[0].cut_off


async def test_plain_hooks_run_in_threads_and_inline_ones_do_not(still_clock: StillClock) -> None:
    ran_in: list[int] = []
    slow = {"seconds": 0.0}

    def note(message: OutgoingMessage) -> None:
        ran_in.append(threading.get_ident())
        still_clock.forward(timedelta(seconds=slow["seconds"]))

    plugins = host(
        plugin(filter_message_that(note)), plugin(filter_message_that(note), inline=True), clock=still_clock
    )
    here = threading.get_ident()
    await plugins.filter_message(SENT)
    assert [ident == here for ident in ran_in] == [False, True]
    slow["seconds"] = INLINE_SECONDS * 2
    await plugins.filter_message(SENT)
    await plugins.filter_message(SENT)
    assert [ident == here for ident in ran_in[2:]] == [False, True, False, False], "too slow to stay"
    assert plugins.states()[1].failures == 0


async def test_plugins_are_called_in_the_order_they_were_added_unless_they_ask_otherwise() -> None:
    heard: list[str] = []

    def listener(name: str, mark: Any = hook) -> object:
        def on_event(event: Event) -> None:
            heard.append(name)

        made = plugin(on_event)
        vars(made)["on_event"] = mark(on_event)
        return made

    plugins = host(
        listener("late", hook(trylast=True)), listener("one"), listener("early", hook(tryfirst=True))
    )
    plugins.add("two", listener("two"))
    await plugins.on_event(samples.event())
    assert heard == ["early", "one", "two", "late"]


async def test_a_hook_may_fail_closed_run_inline_and_have_a_budget_of_its_own() -> None:
    def made(mark: Any) -> object:
        filtering = plugin(filter_message_that(boom), filter_publication_that_waits)
        vars(filtering)["filter_message"] = mark(filter_message_that(boom))
        return filtering

    async def filter_publication(data: bytes) -> None:
        await asyncio.Event().wait()

    filter_publication_that_waits = filter_publication
    wished = host(made(hook(fail_closed=True, inline=True, budget_milliseconds=7)), budget_milliseconds=20)
    terms = [(one.fail_closed, one.inline, one.budget_milliseconds) for one in wished.states()[0].called]
    assert terms == [(True, True, 7), (False, False, 20)]
    assert await wished.filter_message(SENT) == Drop("plugin first failed")
    assert await wished.filter_publication("chat:1", b"1", "emma") == b"1"
    budgets = {"filter_message": 5, "first.filter_publication": 6}
    told = host(made(hook(budget_milliseconds=7)), budgets=budgets).states()[0]
    assert [one.budget_milliseconds for one in told.called] == [5, 6], "the operator has the last word"


@pytest.mark.parametrize(
    ("wishes", "hook_name", "words"),
    [
        ({"fail_closed": True}, "on_event", "can't fail closed: only filters can"),
        ({"budget_milliseconds": 0}, "on_event", "can't have 0 ms: give it more than 0 and at most 60000"),
        ({"budget_milliseconds": "1"}, "on_event", "can't have '1' ms"),
        ({"budget_milliseconds": 5}, "register_tools", "runs at start and has no budget"),
    ],
)
def test_wishes_that_can_not_be_met_are_refused(wishes: dict[str, Any], hook_name: str, words: str) -> None:
    def function() -> None: ...

    function.__name__ = hook_name
    made = plugin(function)
    vars(made)[hook_name] = hook(**wishes)(function)
    with pytest.raises(PluginFailed, match=rf"test_host\.py:\d+: plugin first: {hook_name} {words}"):
        host(made)


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        (
            {"filter_mesage": 5},
            r"filter_mesage: no hook of this name is called; did you mean filter_message\?",
        ),
        ({"register_tools": 5}, "register_tools: no hook of this name is called"),
        ({"on_event": -1}, "on_event: -1 ms can't be a budget"),
    ],
)
def test_budgets_of_nobody_are_refused(budgets: dict[str, float], words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        host(budgets=budgets)


def test_wrong_hooks_are_refused_with_their_place() -> None:
    def filter_mesage(message: OutgoingMessage) -> None: ...

    def filter_message(mesage: OutgoingMessage) -> None: ...

    async def register_tools() -> list[Any]:
        return []

    for function, words in (
        (
            filter_mesage,
            r"test_host\.py:\d+: .*there is no hook filter_mesage; did you mean filter_message\?",
        ),
        (filter_message, r"test_host\.py:\d+: .*has no argument mesage; it may take message, settings"),
        (register_tools, r"test_host\.py:\d+: .*can't be async"),
    ):
        with pytest.raises(PluginFailed, match=words):
            host(plugin(function))
    with pytest.raises(PluginFailed, match="no hooks"):
        host(object())


class HalfATool:
    name = "half"
    description, questions, parameters = "", {}, {}  # type: ignore[var-annotated]


@pytest.mark.parametrize(
    ("returned", "words"),
    [(lambda: [HalfATool()], "has no slots"), (lambda: [None], "has no name"), (lambda: 7, "not iterable"),
     (lambda: int("x"), r"ValueError.*test_host\.py:\d+")],
)  # fmt: skip
def test_what_is_no_tool_stops_the_start(returned: Callable[[], Any], words: str) -> None:
    def register_tools() -> Any:
        return returned()

    with pytest.raises(PluginFailed, match=f"plugin first: register_tools .*{words}"):
        host(plugin(register_tools))


def test_two_of_one_name_stop_the_start() -> None:
    class Ranker:
        name, weight = "twin", 1.0

        async def rank(self, request: Any, items: Any) -> list[Any]:
            return []

    def register_rankers() -> list[Any]:
        return [Ranker()]

    with pytest.raises(PluginFailed, match="second: register_rankers: there is a 'twin' already"):
        host(plugin(register_rankers), plugin(register_rankers))
    plugins = host(plugin(register_rankers))
    with pytest.raises(PluginFailed, match="of this name already"):
        plugins.add("first", plugin(register_rankers))


async def test_declared_settings_are_checked_and_filled_in() -> None:
    class Settings(BaseModel):
        model_config = ConfigDict(extra="forbid")
        words: list[str] = ["a"]
        limit: int = 3

    seen: list[dict[str, Any]] = []

    def on_event(event: Event, settings: dict[str, Any]) -> None:
        seen.append(settings)

    made = plugin(on_event, Settings=Settings)
    await host(made, own={"first": {"limit": 5}}).on_event(samples.event(user=UserId("lin")))
    assert seen == [{"words": ["a"], "limit": 5}]
    for own, words in (
        ({"limt": 5}, r"\[plugins.settings.first\] limt: no such setting; did you mean limit\?"),
        ({"limit": "x"}, r"\[plugins.settings.first\] limit: .*integer"),
    ):
        with pytest.raises(PluginFailed, match=words):
            host(made, own={"first": own})


def test_states_tell_what_a_plugin_is() -> None:
    class Described:
        """Says what it does.

        And then some.
        """

    def on_event(event: Event) -> None: ...

    described = Described()
    vars(described)["on_event"] = hook(on_event)
    plugins = host(described)
    state = plugins.states()[0]
    assert (state.name, state.description, state.hooks) == ("first", "Says what it does.", ("on_event",))
    assert plugins.has("on_event")
    assert not plugins.has("on_receipt")
