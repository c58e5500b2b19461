"""What must not be said is covered or dropped, in messages and in channels."""

import json
from typing import Any

import pytest

from chatpush.domain import OutgoingMessage
from chatpush.errors import PluginFailed
from chatpush.plugins import samples
from chatpush.plugins.contracts import Drop
from tests.plugins.firstparty import load

OWN: dict[str, Any] = {
    "mask": ["damn", "笨蛋"], "drop": ["free money", "赌博"], "drop_patterns": [r"https?://bit\.ly/\S+"],
}  # fmt: skip
CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("Damn good", "•••• good"),
        ("你这个笨蛋！", "你这个••！"),
        ("Damnation", None),
        ("", None),
        ("fine", None),
    ],
)
async def test_words_in_a_message_are_covered(said: str, seen: str | None) -> None:
    plugins, _ = load("content_filter", **OWN)
    for field in ("title", "body"):
        passed = await plugins.filter_message(samples.message(**{field: said}))
        assert isinstance(passed, OutgoingMessage)
        assert getattr(passed.content, field) == (said if seen is None else seen)


@pytest.mark.parametrize("said", ["FREE MONEY here", "来赌博吧", "see https://bit.ly/abc"])
async def test_forbidden_messages_are_dropped_with_the_word(said: str) -> None:
    plugins, _ = load("content_filter", **OWN)
    verdict = await plugins.filter_message(samples.message(body=said))
    assert isinstance(verdict, Drop)
    assert verdict.reason.startswith("contains ")


async def test_a_models_answer_is_looked_at_like_a_message() -> None:
    plugins, _ = load("content_filter", **OWN)
    assert await plugins.filter_answer("A damn good lamp", samples.exchange()) == "A •••• good lamp"
    verdict = await plugins.filter_answer("Free money for you", samples.exchange())
    assert verdict == Drop("contains 'Free money'")


async def test_a_messages_own_numbers_are_left_alone() -> None:
    plugins, _ = load("content_filter", **OWN)
    sent = samples.message(body=f"Tracking number {CARD}")
    assert await plugins.filter_message(sent) is sent


async def test_every_text_of_a_publication_is_looked_at() -> None:
    plugins, _ = load("content_filter", **OWN)

    async def passed(value: Any) -> Any:
        verdict = await plugins.filter_publication("chat:1", json.dumps(value).encode(), "emma")
        return verdict if isinstance(verdict, Drop) else json.loads(verdict)

    assert await passed({"damn": ["damn", {"a": "笨蛋", "n": 7}]}) == {"damn": ["••••", {"a": "••", "n": 7}]}
    assert await passed({"text": f"my card {CARD}, order 1234567890123456"}) == {
        "text": f"my card {'•' * len(CARD)}, order 1234567890123456"
    }
    assert await passed([["free money"]]) == Drop("contains 'free money'")
    untouched = b'{ "a" : 1 }'
    assert await plugins.filter_publication("chat:1", untouched, "emma") is untouched


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100_000, b"[" * 60 + b"]" * 60])
async def test_what_can_not_be_looked_at_does_not_pass(data: bytes) -> None:
    plugins, _ = load("content_filter", **OWN)
    assert isinstance(await plugins.filter_publication("chat:1", data, "emma"), Drop)


async def test_what_would_drop_its_message_is_not_recommended() -> None:
    plugins, _ = load("content_filter", drop=["free money"])
    tea, trap = samples.item("tea"), samples.item("trap", text="How to get FREE money")
    assert await plugins.filter_picks((tea, trap), None) == (tea,)
    assert await plugins.filter_picks((trap,), samples.user()) == ()
    assert not plugins.states()[0].failures


def test_a_broken_pattern_stops_the_start() -> None:
    with pytest.raises(PluginFailed, match=r"drop_patterns: .*'\(' is no regular expression"):
        load("content_filter", drop_patterns=["("])
