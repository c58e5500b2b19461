"""Nothing is said twice, nobody floods, and what is remembered is bounded and unreadable."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import Category, DeliveryId, OutgoingMessage
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from chatpush.plugins.host import Plugins
from tests.clocks import StillClock
from tests.plugins.firstparty import load


def opened(still_clock: StillClock, **own: Any) -> tuple[Plugins, Any]:
    plugins, module = load("duplicate_filter", **own)
    module.clock = still_clock  # type: ignore[attr-defined]
    return plugins, module


def message(number: int, body: str, **changes: Any) -> OutgoingMessage:
    return samples.message(delivery=DeliveryId(f"dlv_{number}"), body=body, **changes)


async def test_the_same_words_are_said_once_an_hour_to_a_reader(still_clock: StillClock) -> None:
    plugins, _ = opened(still_clock)
    said = message(1, "Everything must go")
    assert await plugins.filter_message(said) is said
    assert await plugins.filter_message(said) is said, "the same delivery on another way"
    again = Drop("said the same less than 60 minutes ago")
    assert await plugins.filter_message(message(2, " everything  MUST go")) == again
    for other in (
        message(3, "Everything must go", user=samples.user("lin")),
        message(4, "Everything must go", category=Category.TRANSACTIONAL),
        message(5, "Nearly everything must go"),
    ):
        assert await plugins.filter_message(other) is other
    still_clock.forward(timedelta(minutes=60))
    later = message(6, "Everything must go")
    assert await plugins.filter_message(later) is later


async def test_a_burst_ends(still_clock: StillClock) -> None:
    plugins, _ = opened(still_clock, burst=2, burst_minutes=1)
    for number in (1, 2):
        sent = message(number, str(number))
        for _ in range(3):
            assert await plugins.filter_message(sent) is sent, "its other ways count once"
    assert await plugins.filter_message(message(3, "3")) == Drop("more than 2 messages within 1 minutes")
    still_clock.forward(timedelta(minutes=1))
    sent = message(4, "4")
    assert await plugins.filter_message(sent) is sent


async def test_clients_neither_repeat_themselves_nor_flood(still_clock: StillClock) -> None:
    plugins, _ = opened(still_clock, publications=3)
    assert await plugins.filter_publication("chat:1", b'"hi"', "emma") == b'"hi"'
    again = Drop("said the same less than 5 seconds ago")
    assert await plugins.filter_publication("chat:1", b'"hi"', "emma") == again
    assert await plugins.filter_publication("chat:2", b'"hi"', "emma") == b'"hi"', "another channel"
    flood = Drop("more than 3 publications within 10 seconds")
    assert await plugins.filter_publication("chat:1", b'"ho"', "emma") == flood
    assert await plugins.filter_publication("chat:1", b'"ho"', "lin") == b'"ho"'
    still_clock.forward(timedelta(seconds=10))
    assert await plugins.filter_publication("chat:1", b'"hi"', "emma") == b'"hi"'


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"\xed\xa0\x80"])
async def test_any_bytes_can_be_compared(still_clock: StillClock, data: bytes) -> None:
    plugins, _ = opened(still_clock)
    assert await plugins.filter_publication("chat:\ud800", data, "emma") == data
    assert plugins.states()[0].failures == 0


async def test_memory_is_bounded_and_holds_no_words(
    still_clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins, module = opened(still_clock)
    monkeypatch.setattr(module, "REMEMBERED", 5)
    for number in range(20):
        await plugins.filter_message(message(number, f"secret {number}", user=samples.user(f"emma{number}")))
    assert (len(module.memory.seen), len(module.memory.moments)) == (5, 5)
    assert "secret" not in repr(module.memory)
    assert "emma" not in repr(module.memory)
