"""Ask a language model: any OpenAI-compatible endpoint, streamed, on a short leash.

The only module that knows the ``openai`` package. Its stream is read raw and
put together here, because compatible servers are not that compatible. An
answer that does not begin in time, falls silent, takes too long, is cut, or is
no answer at all becomes a ``WriterUnavailable``; only what failed before its
first piece is asked again. Whoever calls has another answer ready.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AsyncStream,
    BadRequestError,
)

from chatpush import settings
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.errors import WriterUnavailable
from chatpush.support.breaker import Breaker
from chatpush.support.budget import Budget, estimate
from chatpush.support.toolcalls import ToolCall, ToolCalls

log = structlog.get_logger(__name__)

ATTEMPTS = 3
RETRIED = frozenset({408, 409, 425, 429})
LONGEST_PAUSE_SECONDS = 2.0
MAX_ANSWER_CHARS = 40_000
CLOSE_SECONDS = 1.0
Message = dict[str, Any]
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a stream: the whole text, the tools it calls, the tokens it took."""

    text: str
    calls: tuple[ToolCall, ...]
    reason: str
    tokens: int


class Writer:
    """The model, as configured."""

    def __init__(
        self,
        settings: settings.Writer,
        budget: Budget,
        clock: Clock,
        *,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._clock = clock
        self._pause = pause
        self._client = AsyncOpenAI(
            api_key=settings.api_key or "none",
            base_url=settings.base_url or None,
            max_retries=0,
            timeout=settings.total_seconds,
        )
        self.breaker = Breaker(clock)
        # What this server has refused; learned from its first 400.
        self._refused: set[str] = set()
        host = urlsplit(settings.base_url or "https://api.openai.com").hostname or ""
        self._limit = "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(
        self, tenant: TenantId, user: UserId, messages: Sequence[Message], tools: Sequence[Message]
    ) -> AsyncGenerator[str | Finished, None]:
        """Yield the pieces of an answer as they come, then ``Finished``.

        Raises:
            WriterUnavailable: there is no (whole) answer, for whatever reason.
        """
        await self._budget.check(tenant, user)
        self.breaker.enter()
        answer = _Answer(self._settings.max_tokens)
        try:
            async with contextlib.aclosing(self._pieces(messages, tools, answer)) as pieces:
                async for piece in pieces:
                    yield piece
            finished = answer.finished()
        except WriterUnavailable:
            self.breaker.failed()
            raise
        except (GeneratorExit, asyncio.CancelledError):
            self.breaker.left()  # the reader stopped: no fault of the model
            raise
        except Exception as error:
            # The edge to a foreign program: whatever it does must end in the other answer.
            self.breaker.failed()
            raise WriterUnavailable(
                f"the model's answer can't be used: {type(error).__name__}: {error}"
            ) from error
        finally:
            await self._count(tenant, user, messages, answer)
        self.breaker.succeeded()
        yield finished

    async def _count(
        self, tenant: TenantId, user: UserId, messages: Sequence[Message], answer: "_Answer"
    ) -> None:
        if answer.begun:
            asked = sum(estimate(str(message.get("content") or "")) for message in messages)
            await self._budget.spend(tenant, user, answer.tokens or asked + estimate(answer.text))

    async def _pieces(
        self, messages: Sequence[Message], tools: Sequence[Message], answer: "_Answer"
    ) -> AsyncGenerator[str, None]:
        deadline = asyncio.get_running_loop().time() + self._settings.total_seconds
        chunks, first = await self._open(messages, tools, deadline)
        try:
            chunk: Any = first
            while chunk is not None:
                text = answer.take(chunk)
                if text:
                    yield text
                chunk = await self._next(chunks, self._settings.stall_seconds, deadline, "fell silent")
        finally:
            await _close(chunks)

    async def _open(
        self, messages: Sequence[Message], tools: Sequence[Message], deadline: float
    ) -> tuple[AsyncStream[Any], Any]:
        """Return a stream and its first chunk, asking again while nothing has come."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._open_once(messages, tools, deadline)
            except BadRequestError as error:
                if not self._learn(error):
                    raise WriterUnavailable(f"the model refused the question: {error.message}") from error
            except (APITimeoutError, TimeoutError) as error:
                raise WriterUnavailable("the model did not begin in time") from error
            except APIStatusError as error:
                again = error.status_code in RETRIED or error.status_code >= 500
                if not again or attempt == ATTEMPTS:
                    raise WriterUnavailable(f"the model answered {error.status_code}") from error
                await self._pause(_pause_seconds(error, attempt))
            except APIConnectionError as error:
                if attempt == ATTEMPTS:
                    raise WriterUnavailable("the model can't be reached") from error
                await self._pause(_pause_seconds(None, attempt))
        raise WriterUnavailable("the model refuses what it is asked")

    async def _open_once(
        self, messages: Sequence[Message], tools: Sequence[Message], deadline: float
    ) -> tuple[AsyncStream[Any], Any]:
        options: dict[str, Any] = {self._limit: self._settings.max_tokens}
        if tools:
            options["tools"] = list(tools)
        if "stream_options" not in self._refused:
            options["stream_options"] = {"include_usage": True}
        async with asyncio.timeout(self._left(self._settings.first_token_seconds, deadline)):
            chunks: Any = await self._client.chat.completions.create(
                model=self._settings.model, messages=cast(Any, list(messages)), stream=True, **options
            )
        if not isinstance(chunks, AsyncStream):
            raise WriterUnavailable("the endpoint answered with something that is no stream; is it a model?")
        first = await self._next(
            chunks, self._settings.first_token_seconds, deadline, "did not begin in time"
        )
        if first is None:
            await _close(chunks)
            raise WriterUnavailable("the endpoint answered with an empty stream; is it a model?")
        return chunks, first

    async def _next(
        self, chunks: AsyncStream[Any], seconds: float, deadline: float, failure: str
    ) -> Any | None:
        """Return the next chunk, None at the end."""
        try:
            async with asyncio.timeout(self._left(seconds, deadline)):
                return await anext(chunks, None)
        except TimeoutError as error:
            await _close(chunks)
            raise WriterUnavailable(f"the model {failure}") from error

    def _left(self, seconds: float, deadline: float) -> float:
        return max(0.0, min(seconds, deadline - asyncio.get_running_loop().time()))

    def _learn(self, error: BadRequestError) -> bool:
        """Drop the option a server has refused; False if that was not the reason."""
        said = str(error.message)
        if "stream_options" in said and "stream_options" not in self._refused:
            self._refused.add("stream_options")
            return True
        if "max_tokens" in said or "max_completion_tokens" in said:
            other = "max_tokens" if self._limit == "max_completion_tokens" else "max_completion_tokens"
            learned = other not in self._refused
            self._refused.add(self._limit)
            self._limit = other
            return learned
        return False


class _Answer:
    """One answer as its chunks come in."""

    def __init__(self, max_tokens: int) -> None:
        self.text = ""
        self.tokens = 0
        self.begun = False
        self._reason = ""
        self._calls = ToolCalls()
        self._longest = min(MAX_ANSWER_CHARS, max_tokens * 16)

    def take(self, chunk: Any) -> str:
        """Take in a chunk; return its text."""
        self.begun = True
        usage = getattr(chunk, "usage", None)
        total = getattr(usage, "total_tokens", None)
        if isinstance(total, int):
            self.tokens = total
        choices = getattr(chunk, "choices", None)
        if not choices:
            if getattr(chunk, "error", None):
                raise WriterUnavailable(f"the model failed in the middle: {chunk.error}")
            return ""
        choice = choices[0]
        self._reason = choice.finish_reason or self._reason
        delta = choice.delta
        for piece in getattr(delta, "tool_calls", None) or ():
            self._calls.add(piece if isinstance(piece, dict) else piece.model_dump())
        text = getattr(delta, "content", None)
        if not isinstance(text, str) or not text:
            return ""
        self.text += text
        if len(self.text) > self._longest:
            raise WriterUnavailable("the model does not stop writing")
        return text

    def finished(self) -> Finished:
        """Return the whole answer.

        Raises:
            WriterUnavailable: it was cut off, refused, or is empty.
        """
        calls = tuple(self._calls.finished())
        if not self._reason:
            raise WriterUnavailable("the model's answer was cut off")
        if self._reason == "content_filter":
            raise WriterUnavailable("the model's answer was withheld by its filter")
        if not self.text.strip() and not calls:
            raise WriterUnavailable("the model's answer is empty")
        return Finished(self.text, calls, self._reason, self.tokens)


def _pause_seconds(error: APIStatusError | None, attempt: int) -> float:
    told = error.response.headers.get("retry-after", "") if error is not None else ""
    try:
        wanted = float(told)
    except ValueError:
        wanted = 0.2 * 2 ** (attempt - 1)
    return float(min(max(wanted, 0.0), LONGEST_PAUSE_SECONDS))


async def _close(chunks: AsyncStream[Any]) -> None:
    """Close a stream's socket; a server that hangs must not hold the answer."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await chunks.close()
    except Exception as error:
        log.debug("closing the model's stream failed", error=str(error))
