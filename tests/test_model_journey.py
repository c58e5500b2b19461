"""The model-backed assistant through the whole house: HTTP in, a scripted model behind, the channel out."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from centrifuge import Client, PublicationContext, SubscriptionEventHandler

from chatpush.configuration import load
from tests.serving import Served, serving
from tests.support.scripted_model import Cut, Refuse, Script, chunk, scripted_model, text
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

    def answer(self) -> dict[str, Any] | None:
        """Return the assistant's finished turn after the question, if it is there."""
        turns = [data["turn"] for data in self.heard if data["type"] == "turn"]
        finished = [turn for turn in turns if turn["by"] == "assistant" and not turn["streaming"]]
        return finished[-1] if finished else None


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
