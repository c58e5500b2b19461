# ruff: noqa: E501
"""Servers that call themselves compatible, as they have been seen to differ (over real HTTP)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import WriterUnavailable
from chatpush.store.database import Database
from chatpush.support.model.budget import Budget
from chatpush.support.model.writer import Writer
from chatpush.support.model.written import Finished
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import ADA
from tests.support.scripted_model import (
    DONE,
    Cut,
    Raw,
    Refuse,
    ScriptedModel,
    Stall,
    chunk,
    scripted_model,
    usage,
)


def calling(*pieces: dict[str, Any], finish: str = "tool_calls") -> list[Any]:
    """Return a stream of these tool call pieces, one a chunk."""
    return [*(chunk({"tool_calls": [piece]}) for piece in pieces), chunk({}, finish), DONE]


def piece(id_: str | None, name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    """Return a piece of a call."""
    function = {
        key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None
    }
    return {**({"id": id_} if id_ else {}), "function": function, **more}


ONE = [("t1", {"a": 1})]
TWO = [("t1", {"a": 1}), ("t2", {"b": 2})]
CALLS: dict[str, Any] = {
    "by the book": (calling(piece("i1", "t1", '{"a"', index=0, type="function"), piece(None, None, ": 1}", index=0)), ONE),
    "deltas without an index": (calling(piece("i1", "t1", '{"a"'), piece(None, None, ": 1}")), ONE),
    "without a type": (calling(piece("i1", "t1", '{"a": 1}', index=0)), ONE),
    "two calls on one index": (calling(piece("i1", "t1", '{"a": 1}', index=0), piece("i2", "t2", '{"b": 2}', index=0)), TWO),
    "two calls in one chunk": (
        [chunk({"tool_calls": [piece("i1", "t1", '{"a": 1}', index=0), piece("i2", "t2", '{"b": 2}', index=1)]}), chunk({}, "stop"), DONE],
        TWO,
    ),
    "id and name in every piece": (calling(piece("i1", "t1", '{"a"', index=0), piece("i1", "t1", ": 1}", index=0)), ONE),
    "arguments as an object": (calling(piece("i1", "t1", {"a": 1}, index=0)), ONE),
    "finished by stop": (calling(piece("i1", "t1", '{"a": 1}', index=0), finish="stop"), ONE),
    "no arguments": (calling(piece("i1", "t1", None, index=0)), [("t1", {})]),
    "arguments that are no JSON": (calling(piece("i1", "t1", '{"a": ', index=0)), [("t1", None)]),
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "no end mark": [chunk({"content": "fine"}), chunk({}, "stop")],
    "usage without choices": [chunk({"content": "fine"}), chunk({}, "stop"), usage(9), DONE],
    "empty choices first": [{**chunk({}), "choices": []}, chunk({"content": "fine"}), chunk({}, "stop"), DONE],
    "comments and blank lines": [Raw(b": ping\n\n\n"), chunk({"content": "fine"}), Raw(b": ping\n\n"), chunk({}, "stop"), DONE],
    "a null delta": [{**chunk({}), "choices": [{"index": 0, "delta": {"content": None}}]}, chunk({"content": "fine"}, "stop"), DONE],
    "thoughts beside the text": [chunk({"reasoning_content": "hm"}), chunk({"content": "fine"}, "stop"), DONE],
    "finish with the last text": [chunk({"content": "fine"}, "stop"), DONE],
    "lines that end as in old files": [Raw(b'data: {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}\r\n\r\n'), DONE],
    "no blank line at the end": [Raw(b'data: {"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}')],
    "shapes that are none": [Raw(b'data: {"choices": {}, "usage": 7}\n\ndata: {"choices": ["x"]}\n\n'), chunk({"content": "fine"}, "stop"), DONE],
    "length": [chunk({"content": "fine"}, "length"), DONE],
}  # fmt: skip
BROKEN: dict[str, Any] = {
    "html": Refuse(200, "<html>hello</html>", "text/html"),
    "data that is no JSON": [Raw(b"data: <html>\n\n")],
    "json that is a list": Refuse(200, "[]"),
    "an error with 200": [Raw(b'data: {"error": {"message": "overloaded"}}\n\n')],
    "stalls": [chunk({"content": "fi"}), Stall()],
    "drops": [chunk({"content": "fi"}), Cut()],
    "one attempt for a 400": Refuse(400),
}


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


@pytest.fixture
async def writer(model: ScriptedModel, database: Database, still_clock: StillClock) -> AsyncIterator[Writer]:
    """A writer that asks it."""

    async def pause(_: float) -> None:
        """Don't wait."""

    settings = WriterSettings(
        base_url=model.url, api_key="k", model="m", embedding_model="e", first_token_seconds=1.0,
        stall_seconds=0.3, total_seconds=5.0,
    )  # fmt: skip
    writer = Writer(settings, Budget(database, still_clock, settings), still_clock, pause=pause)
    yield writer
    model.over.set()
    await writer.close()


async def finished(writer: Writer) -> Finished:
    """Return the end of an answer."""
    last: Finished | None = None
    async for one in writer.stream(DEFAULT_TENANT, ADA, [{"role": "user", "content": "hi"}], []):
        last = one if isinstance(one, Finished) else last
    assert last is not None
    return last


@pytest.mark.parametrize("name", list(CALLS))
async def test_calls_come_together(writer: Writer, model: ScriptedModel, name: str) -> None:
    script, expected = CALLS[name]
    model.will(script)
    assert [(call.name, call.arguments) for call in (await finished(writer)).calls] == expected


@pytest.mark.parametrize("name", list(ANSWERS))
async def test_answers_come_through(writer: Writer, model: ScriptedModel, name: str) -> None:
    model.will(ANSWERS[name])
    assert (await finished(writer)).text == "fine"


@pytest.mark.parametrize("name", list(BROKEN))
async def test_what_is_no_answer_is_unavailable_and_not_asked_again(
    writer: Writer, model: ScriptedModel, name: str
) -> None:
    model.will(BROKEN[name])
    with pytest.raises(WriterUnavailable):
        await finished(writer)
    assert len(model.requests) == 1


def vectors(*many: Any) -> dict[str, Any]:
    """Return an answer with vectors."""
    data = [{"object": "embedding", "index": place, "embedding": one} for place, one in enumerate(many)]
    return {"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}


async def test_vectors_come_in_the_order_asked(writer: Writer, model: ScriptedModel) -> None:
    def shuffled(body: Any) -> Any:
        answer = vectors(*([float(len(one)), 1.0] for one in body["input"]))
        return {**answer, "data": answer["data"][::-1]}

    model.json["embeddings"] = shuffled
    texts = ["x" * number for number in range(1, 71)]
    found = await writer.embed(DEFAULT_TENANT, ADA, texts)
    assert [one[0] for one in found] == [float(number) for number in range(1, 71)]
    assert [len(body["input"]) for _, body in model.asked] == [64, 6]


WRONG: dict[str, Any] = {
    "too few": vectors([1.0]),
    "of two lengths": vectors([1.0], [1.0, 2.0]),
    "no vectors": {"object": "list", "data": [{"index": 0}, {"index": 1}]},
    "nothing": {},
    "a refusal": 400,
}


@pytest.mark.parametrize("name", list(WRONG))
async def test_what_are_no_vectors_is_unavailable(writer: Writer, model: ScriptedModel, name: str) -> None:
    model.json["embeddings"] = lambda _: WRONG[name]
    with pytest.raises(WriterUnavailable):
        await writer.embed(DEFAULT_TENANT, ADA, ["a", "b"])


async def test_vectors_are_asked_for_again_after_a_failure(writer: Writer, model: ScriptedModel) -> None:
    answers: list[Any] = [503, 429, vectors([1.0])]
    model.json["embeddings"] = lambda _: answers.pop(0)
    assert await writer.embed(DEFAULT_TENANT, ADA, ["a"]) == [[1.0]]
