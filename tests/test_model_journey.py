"""The model-backed assistant through the whole house: HTTP in, a scripted model behind, the channel out."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
from centrifuge import Client, PublicationContext, SubscriptionEventHandler

from chatpush.configuration import load
from chatpush.domain import DEFAULT_TENANT, Json
from chatpush.support.assistant import live
from chatpush.support.conversations.turns import Conversation
from tests.serving import Served, serving
from tests.support.scripted_model import DONE, Cut, Gate, Refuse, Script, chunk, scripted_model, text
from tests.waiting import until

ARTICLE = {
    "id": "refunds",
    "title": "Refunds",
    "url": "https://shop.example/refunds",
    "language": "en",
    "text": "# Refunds\n\nA refund reaches your card within 5 working days of our receiving the parcel.",
}
QUESTION = "How long does a refund take to reach my card?"


class Listener(SubscriptionEventHandler):
    """Keeps what a conversation's channel says."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self.heard.append(json.loads(data) if isinstance(data, bytes | str) else data)

    def streamed(self) -> str:
        """Return all pieces so far."""
        return "".join(data["text"] for data in self.heard if data["type"] == "turn.delta")

    def has_streamed(self, characters: int) -> bool:
        """Return whether so much has come."""
        return len(self.streamed()) >= characters

    def answer(self) -> dict[str, Any] | None:
        """Return the assistant's finished turn after the question, if it is there."""
        turns = [data["turn"] for data in self.heard if data["type"] == "turn"]
        finished = [turn for turn in turns if turn["by"] == "assistant" and not turn["streaming"]]
        return finished[-1] if finished else None


def spoken(piece: str) -> dict[str, Any]:
    """Return a chunk that says something."""
    return chunk({"content": piece})


async def ask(served: Served, question: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Open a conversation as Emma, ask, and return the answer and all that was heard."""
    conversation = await served.told("POST", "/v1/me/conversations", {}, user="emma")
    listener = Listener()
    client = Client(served.wire, token=served.token("emma"))
    await client.connect()

    async def token(_channel: str) -> str:
        return str(conversation["token"])

    subscription = client.new_subscription(conversation["channel"], events=listener, get_token=token)
    await subscription.subscribe()
    await subscription.ready()
    listener.heard.clear()
    path = f"/v1/me/conversations/{conversation['id']}/turns"
    await served.told("POST", path, {"text": question, "client_id": "c1"}, user="emma")
    answer = await until(listener.answer)
    assert answer is not None
    await client.disconnect()
    return answer, listener.heard


async def test_the_usual_variables_connect_a_model_that_streams_with_sources(tmp_path: Path) -> None:
    async with scripted_model() as model:
        found = load(None, {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "scripted"})
        async with serving(tmp_path, writer=found.writer.model_dump()) as served:
            await served.told("POST", "/v1/knowledge", {"articles": [ARTICLE]})
            model.will(text("It reaches your card ", "within 5 working days [1]."))
            answer, heard = await ask(served, QUESTION)
            assert answer["text"] == "It reaches your card within 5 working days [1]."
            assert answer["sources"][0]["url"] == "https://shop.example/refunds"
            deltas = [data["text"] for data in heard if data["type"] == "turn.delta"]
            assert "".join(deltas) == answer["text"]
            usage = await served.told("GET", "/v1/usage")
            assert "model_tokens" in json.dumps(usage)


@pytest.mark.parametrize(
    "script",
    [
        Refuse(500),
        Refuse(200, "<html>maintenance</html>", "text/html"),
        [chunk({"content": "It is 99 "}), Cut()],
    ],
    ids=["down", "nonsense", "cut"],
)
async def test_a_failing_model_leaves_the_embedded_answer(tmp_path: Path, script: Script) -> None:
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model())
        writer = {"base_url": model.url, "api_key": "k"}
        served = await stack.enter_async_context(serving(tmp_path, writer=writer))
        await served.told("POST", "/v1/knowledge", {"articles": [ARTICLE]})
        model.will(script, script, script)
        answer, _ = await ask(served, QUESTION)
        assert "within 5 working days" in answer["text"]
        assert "99" not in answer["text"]


async def test_a_prompt_of_ones_own_serves_from_the_next_question_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model())
        served = await stack.enter_async_context(
            serving(tmp_path, writer={"base_url": model.url, "api_key": "k"})
        )
        await served.told("POST", "/v1/knowledge", {"articles": [ARTICLE]})
        own = "You are a pirate and answer in {{ language }}.\n"
        own += "{% for one in passages %}{{ one.text }}{% endfor %}"
        assert (await served.told("PUT", "/v1/prompts/system", {"source": own}))["version"] == 1
        model.will(text("Five working days? Nay: within 5 working days, arr."))
        await ask(served, QUESTION)
        await served.told("PUT", "/v1/prompts/system", {"source": ""})
        model.will(text("Within 5 working days [1]."))
        await ask(served, f"{QUESTION} Really?")
        first, second = (one["messages"][0]["content"] for one in model.requests)
        assert first.startswith("You are a pirate and answer in en.\n")
        assert "within 5 working days" in first
        assert "Rules, in this order" in second
        kept = await served.told("GET", "/v1/prompts/system")
        assert (kept["version"], [one["version"] for one in kept["versions"]]) == (0, [2, 1])
        await served.told("PUT", "/v1/prompts/system", {"source": "{{ nobody.knows }}"}, status=422)


async def listening(served: Served, conversation: dict[str, Any]) -> tuple[Client, Listener]:
    """Subscribe as one more page of Emma's, after the conversation was fetched there."""
    listener = Listener()
    client = Client(served.wire, token=served.token("emma"))
    await client.connect()

    async def token(_channel: str) -> str:
        return str(conversation["token"])

    subscription = client.new_subscription(conversation["channel"], events=listener, get_token=token)
    await subscription.subscribe()
    await subscription.ready()
    return client, listener


@contextmanager
def answering_elsewhere(served: Served) -> Iterator[None]:
    """Have this node know nothing of answers under way, as if another one were speaking."""

    def nothing(_: Conversation) -> Json:
        return None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(served.chatpush.assistant, "live", nothing)
        yield


async def test_an_answer_longer_than_its_channel_is_whole_at_another_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel forgets where the answer began; a whole text now and then stands for the beginning."""
    monkeypatch.setattr(live, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(live, "WHOLE_EVERY", 8)
    most = 20
    space = {
        "name": "conversation",
        "history_size": most,
        "history_ttl_seconds": 3600,
        "force_recovery": True,
    }
    said = [f"{one}{two} " for one in "bcdfghjk" for two in ascii_lowercase][:120]
    gates = [asyncio.Event() for _ in said]
    end = asyncio.Event()
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model())
        writer = {"base_url": model.url, "api_key": "k"}
        served = await stack.enter_async_context(
            serving(tmp_path, writer=writer, channel={"namespaces": [space]})
        )
        await served.told("POST", "/v1/knowledge", {"articles": [ARTICLE]})
        steps = [
            step for gate, piece in zip(gates, said, strict=True) for step in (Gate(gate), spoken(piece))
        ]
        model.will([*steps, Gate(end), chunk({"content": "[1]."}, "stop"), DONE])
        opened = await served.told("POST", "/v1/me/conversations", {}, user="emma")
        place = f"/v1/me/conversations/{opened['id']}"
        tab, listener = await listening(served, opened)
        await served.told("POST", f"{place}/turns", {"text": QUESTION, "client_id": "c1"}, user="emma")
        for number, gate in enumerate(gates):  # piece by piece: what comes together is one publication
            gate.set()
            expected = len("".join(said[: max(0, number - 2)]))  # the last words wait to be checked
            await until(partial(listener.has_streamed, expected))
        kept = await served.chatpush.hub.history(DEFAULT_TENANT, opened["channel"], 500)
        assert len(kept.publications) <= most < len(listener.heard)
        with answering_elsewhere(served):
            shown = (await served.told("GET", place, user="emma"))["turns"][-1]
        assert shown["streaming"]
        assert shown["text"] == listener.streamed()
        end.set()
        answer = await until(listener.answer)
        assert answer is not None
        assert (answer["id"], answer["text"]) == (shown["id"], "".join(said) + "[1].")
        await tab.disconnect()


async def test_an_answer_under_way_goes_on_in_a_second_tab_and_is_stored_once(tmp_path: Path) -> None:
    """A page that comes in the middle has the text so far and its number; every piece behind it follows."""
    middle, end = asyncio.Event(), asyncio.Event()
    async with scripted_model() as model:
        settings = {"base_url": model.url, "api_key": "k", "model": "scripted"}
        async with serving(tmp_path, writer=settings) as served:
            await served.told("POST", "/v1/knowledge", {"articles": [ARTICLE]})
            said = ["A refund ", "reaches your card ", "soon after ", "the parcel came ", "back [1]."]
            model.will(
                [
                    *(chunk({"content": piece}) for piece in said[:2]), Gate(middle),
                    *(chunk({"content": piece}) for piece in said[2:4]), Gate(end),
                    chunk({"content": said[4]}, "stop"), DONE,
                ]
            )  # fmt: skip
            opened = await served.told("POST", "/v1/me/conversations", {}, user="emma")
            place = f"/v1/me/conversations/{opened['id']}"
            tab, first = await listening(served, opened)
            await served.told("POST", f"{place}/turns", {"text": QUESTION, "client_id": "c1"}, user="emma")

            async def under_way() -> Any:
                now = await served.told("GET", place, user="emma")
                return now if now["turns"][-1]["streaming"] else None

            phone_sees = await until(under_way)
            # Where another node answers, a page has it from the channel: the same text, the same number.
            with answering_elsewhere(served):
                assert (await under_way())["turns"][-1] == phone_sees["turns"][-1]
            phone, second = await listening(served, phone_sees)
            shown = phone_sees["turns"][-1]
            assert shown["text"]
            middle.set()
            await until(lambda: [one for one in second.heard if one["type"] == "turn.delta"])
            end.set()
            answer = await until(second.answer)
            assert answer is not None
            later = [one for one in second.heard if one["type"] == "turn.delta" and one["seq"] > shown["seq"]]
            assert shown["text"] + "".join(one["text"] for one in later) == "".join(said)
            assert [one["seq"] for one in later] == list(
                range(shown["seq"] + 1, shown["seq"] + 1 + len(later))
            )
            assert answer == await until(first.answer)
            assert answer["id"] == shown["id"]
            kept = (await served.told("GET", place, user="emma"))["turns"]
            assert [turn["text"] for turn in kept if turn["id"] == shown["id"]] == ["".join(said)]
            await tab.disconnect()
            await phone.disconnect()
