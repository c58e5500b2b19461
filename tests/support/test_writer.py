"""The writer against a server that speaks the real protocol, well and badly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatpush.account.metering import Meter
from chatpush.domain import DEFAULT_TENANT
from chatpush.errors import WriterUnavailable
from chatpush.store.database import Database
from chatpush.support.model.breaker import FAILURES, REST_SECONDS
from chatpush.support.model.budget import Budget, Tokens
from chatpush.support.model.writer import Writer
from chatpush.support.model.written import Finished
from chatpush.writer_settings import Writer as WriterSettings
from tests.clocks import StillClock
from tests.support.house import ADA
from tests.support.scripted_model import (
    DONE,
    Cut,
    Gate,
    Raw,
    Refuse,
    ScriptedModel,
    Stall,
    call,
    chunk,
    scripted_model,
    text,
    usage,
)

QUESTION = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A scripted model."""
    async with scripted_model() as model:
        yield model


def settings(model: ScriptedModel, **changes: Any) -> WriterSettings:
    """Return settings that don't wait long."""
    quick = {"first_token_seconds": 1.0, "stall_seconds": 0.5, "total_seconds": 5.0}
    return WriterSettings(base_url=model.url, api_key="k", model="scripted", **{**quick, **changes})


@contextlib.asynccontextmanager
async def writing(
    model: ScriptedModel, database: Database, clock: StillClock, **changes: Any
) -> AsyncIterator[tuple[Writer, list[float]]]:
    """Yield a writer and the pauses it makes between attempts."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    configured = settings(model, **changes)
    writer = Writer(configured, Budget(database, clock, configured), clock, pause=pause)
    yield writer, pauses
    await writer.close()


async def ask(writer: Writer, tools: list[dict[str, Any]] | None = None) -> tuple[list[str], Finished]:
    """Return the pieces and the end of an answer."""
    pieces: list[str] = []
    finished: Finished | None = None
    async for piece in writer.stream(DEFAULT_TENANT, ADA, QUESTION, tools or []):
        if isinstance(piece, Finished):
            finished = piece
        else:
            pieces.append(piece)
    assert finished is not None
    return pieces, finished


async def test_a_stream_comes_in_pieces(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    first, *rest = text("Hel", "lo", " there")[1:]
    gate = asyncio.Event()
    model.will([first, Gate(gate), *rest])
    async with writing(model, database, still_clock) as (writer, _):
        stream = writer.stream(DEFAULT_TENANT, ADA, QUESTION, [])
        assert await anext(stream) == "Hel"
        gate.set()
        *pieces, finished = [piece async for piece in stream]
    # What comes while nobody reads is one piece.
    assert "".join(str(piece) for piece in pieces) == "lo there"
    assert isinstance(finished, Finished)
    assert (finished.text, finished.reason, finished.tokens) == ("Hello there", "stop", 50)
    assert model.requests[0]["stream"] is True
    assert model.requests[0]["max_tokens"] == 800


async def test_parallel_tool_calls_are_put_together(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.will(call(("one", {"a": 1}), ("two", {"b": "x"})))
    async with writing(model, database, still_clock) as (writer, _):
        _, finished = await ask(writer)
    assert [(c.name, c.arguments) for c in finished.calls] == [("one", {"a": 1}), ("two", {"b": "x"})]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_fails_before_the_first_piece_is_asked_again(
    model: ScriptedModel, database: Database, still_clock: StillClock, status: int
) -> None:
    model.will(Refuse(status, headers={"Retry-After": "1"}), Refuse(status), text("fine"))
    async with writing(model, database, still_clock) as (writer, pauses):
        pieces, _ = await ask(writer)
    assert pieces == ["fine"]
    assert pauses == [1.0, 0.4]


async def test_a_missing_end_mark_is_no_fault(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.will(text("fine", done=False))
    async with writing(model, database, still_clock) as (writer, _):
        assert (await ask(writer))[0] == ["fine"]


HTML = "<html><body>It works!</body></html>"
BAD = {
    "cut": [chunk({"content": "Hel"}), Cut()],
    "cut politely": [chunk({"content": "Hel"}), DONE],
    "silence before": [Stall()],
    "silence within": [chunk({"content": "Hel"}), Stall()],
    "html": Refuse(200, HTML, "text/html"),
    "json that is no stream": Refuse(200, '{"choices": []}'),
    "no json": [Raw(b"data: {nonsense\n\n")],
    "json of another kind": [Raw(b'data: ["a"]\n\n'), DONE],
    "empty": [chunk({}, "stop"), DONE],
    "nothing at all": [],
    "error within": [chunk({"content": "Hel"}), Raw(b'data: {"error": {"message": "oom"}}\n\n')],
    "filtered": [chunk({"content": "Hel"}), chunk({}, "content_filter"), DONE],
    "endless": [chunk({"content": "x" * 20_000}), chunk({}, "stop"), DONE],
    "forbidden": Refuse(401),
    "bad question": Refuse(400),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
async def test_everything_else_is_unavailable(
    model: ScriptedModel, database: Database, still_clock: StillClock, name: str
) -> None:
    model.will(BAD[name])  # type: ignore[arg-type]
    async with writing(model, database, still_clock) as (writer, _):
        with pytest.raises(WriterUnavailable):
            await ask(writer)
    assert len(model.requests) == 1  # never asked again


async def test_a_server_that_is_down_is_unavailable(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.url = "http://127.0.0.1:9/v1"
    async with writing(model, database, still_clock) as (writer, pauses):
        with pytest.raises(WriterUnavailable, match="can't be reached"):
            await ask(writer)
    assert len(pauses) == 2


async def test_options_a_server_refuses_are_left_out(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.will(
        Refuse(400, '{"error": {"message": "unknown field stream_options"}}'),
        Refuse(400, '{"error": {"message": "use max_completion_tokens instead of max_tokens"}}'),
        text("fine"),
        text("fine"),
    )
    async with writing(model, database, still_clock) as (writer, _):
        await ask(writer)
        await ask(writer)
    assert len(model.requests) == 4
    assert "stream_options" not in model.requests[3]
    assert model.requests[3]["max_completion_tokens"] == 800


async def test_the_breaker_rests_and_tries_again(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    async with writing(model, database, still_clock) as (writer, _):
        for _ in range(FAILURES):
            model.will(Refuse(401))
            with pytest.raises(WriterUnavailable):
                await ask(writer)
        with pytest.raises(WriterUnavailable, match="left alone"):
            await ask(writer)
        assert len(model.requests) == FAILURES
        still_clock.seconds += REST_SECONDS
        model.will(text("back"))
        assert (await ask(writer))[0] == ["back"]
        assert not writer.breaker().open


async def test_the_daily_budget_ends_and_begins_anew(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.will(text("a", total=60), text("b", total=60), text("c"))
    async with writing(model, database, still_clock, daily_tokens_per_user=100) as (writer, _):
        await ask(writer)
        await ask(writer)
        with pytest.raises(WriterUnavailable, match="used up"):
            await ask(writer)
        still_clock.set(still_clock.now().replace(day=25))
        assert (await ask(writer))[0] == ["c"]


async def test_tokens_are_metered(database: Database, still_clock: StillClock) -> None:
    meter = Meter(database, still_clock)
    budget = Budget(database, still_clock, WriterSettings(), meter)
    await budget.spend(DEFAULT_TENANT, ADA, "m", Tokens(30, 10))
    await budget.spend(DEFAULT_TENANT, ADA, "m", Tokens(2, 0))
    today = still_clock.now().date()
    assert (await meter.total(DEFAULT_TENANT, today, today))["model_tokens"] == 42


async def test_tokens_are_estimated_where_the_server_does_not_say(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.will([chunk({"content": "some words"}), chunk({}, "stop"), DONE])
    async with writing(model, database, still_clock) as (writer, _):
        await ask(writer)
    assert (await Budget(database, still_clock, WriterSettings()).spent(DEFAULT_TENANT, ADA)).tokens > 0


async def test_a_chunk_without_choices_is_no_fault(
    model: ScriptedModel, database: Database, still_clock: StillClock
) -> None:
    model.will([usage(10), chunk({"content": "fine"}), chunk({}, "stop"), usage(20), DONE])
    async with writing(model, database, still_clock) as (writer, _):
        _, finished = await ask(writer)
    assert (finished.text, finished.tokens) == ("fine", 20)
