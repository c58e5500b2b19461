"""Ask a language model: any OpenAI-compatible endpoint, on a short leash.

The only module that knows the ``openai`` package, which asks for everything but
streams: those are read raw (``endpoint.py``, ``chunks.py``) and put together in
``written.py``, because compatible servers are not that compatible; each reading
yields one piece, however many tokens it brought. An answer
that does not begin in time, falls silent, takes too long, is cut, or is no
answer at all becomes a ``WriterUnavailable``; only what failed before its first
piece is asked again. Whoever calls has another answer ready.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
)

from chatpush import writer_settings
from chatpush.clock import Clock
from chatpush.domain import TenantId, UserId
from chatpush.errors import WriterUnavailable
from chatpush.support.model.breaker import Breaker
from chatpush.support.model.budget import Budget, Tokens, estimate
from chatpush.support.model.chunks import Chunk
from chatpush.support.model.endpoint import Chunks, Endpoint, Refused, Unreachable
from chatpush.support.model.written import Finished, Written

log = structlog.get_logger(__name__)

ATTEMPTS = 3
BAD_REQUEST = 400
RETRIED = frozenset({408, 409, 425, 429})
LONGEST_PAUSE_SECONDS = 2.0
TEXTS_PER_REQUEST = 64
NOBODY = UserId("")
Message = dict[str, Any]
Pause = Callable[[float], Awaitable[None]]


class Writer:
    """The model, as configured."""

    def __init__(
        self,
        settings: writer_settings.Writer,
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
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        self._reranker = AsyncOpenAI(
            api_key=settings.rerank_api_key or settings.api_key or "none",
            base_url=settings.rerank_base_url or settings.base_url or None,
            max_retries=0,
            timeout=settings.total_seconds,
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        self._chat = Endpoint(str(self._client.base_url), self._client.auth_headers)
        self._breakers: dict[str, Breaker] = {}
        # What this server has refused; learned from its first 400.
        self._refused: set[str] = set()
        host = urlsplit(settings.base_url or "https://api.openai.com").hostname or ""
        self._limit = "max_completion_tokens" if host.endswith("openai.com") else "max_tokens"

    async def close(self) -> None:
        """Close the connections."""
        await self._chat.close()
        await self._client.close()
        await self._reranker.close()

    @property
    def models(self) -> tuple[str, ...]:
        """The models to ask, the cheaper one first."""
        return tuple(dict.fromkeys(filter(None, (self._settings.small_model, self._settings.model))))

    @property
    def embeds(self) -> bool:
        """Whether texts can become vectors."""
        return bool(self._settings.embedding_model)

    @property
    def reranks(self) -> bool:
        """Whether what was found is put into a better order."""
        return bool(self._settings.rerank_model)

    @property
    def moderates(self) -> bool:
        """Whether what users write is looked at."""
        return bool(self._settings.moderation_model)

    def breaker(self, model: str = "") -> Breaker:
        """Return the breaker of a model; the one that fails does not stop the others."""
        return self._breakers.setdefault(model or self._settings.model, Breaker(self._clock))

    async def stream(
        self,
        tenant: TenantId,
        user: UserId,
        messages: Sequence[Message],
        tools: Sequence[Message],
        model: str = "",
    ) -> AsyncGenerator[str | Finished, None]:
        """Yield the pieces of an answer as they come, then ``Finished``.

        Raises:
            WriterUnavailable: there is no (whole) answer, for whatever reason.
        """
        model = model or self._settings.model
        await self._budget.check(tenant, user)
        breaker = self.breaker(model)
        breaker.enter()
        answer = Written(self._settings.max_tokens)
        try:
            async with contextlib.aclosing(self._pieces(model, messages, tools, answer)) as pieces:
                async for piece in pieces:
                    yield piece
            finished = answer.finished()
        except WriterUnavailable:
            breaker.failed()
            raise
        except (GeneratorExit, asyncio.CancelledError):
            breaker.left()  # the reader stopped: no fault of the model
            raise
        except Exception as error:
            # The edge to a foreign program: whatever it does must end in the other answer.
            breaker.failed()
            raise WriterUnavailable(
                f"the model's answer can't be used: {type(error).__name__}: {error}"
            ) from error
        finally:
            if answer.begun:
                asked = sum(estimate(str(message.get("content") or "")) for message in messages)
                tokens = answer.tokens or Tokens(asked, estimate(answer.text))
                await self._budget.spend(tenant, user, model, tokens)
        breaker.succeeded()
        yield finished

    async def embed(self, tenant: TenantId, user: UserId, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, in order, all of one length.

        Raises:
            WriterUnavailable: there are none, for whatever reason.
        """
        model = self._settings.embedding_model
        found: list[list[float]] = []
        for start in range(0, len(texts), TEXTS_PER_REQUEST):
            part = list(texts[start : start + TEXTS_PER_REQUEST])
            ask = partial(self._client.embeddings.create, model=model, input=part, encoding_format="float")
            answer = await self._ask(tenant, user, model, part, ask)
            found += _vectors(answer, len(part))
        if len({len(one) for one in found}) > 1:
            raise WriterUnavailable("the endpoint's vectors differ in length; is it one model?")
        return found

    async def rerank(self, tenant: TenantId, question: str, texts: Sequence[str]) -> list[tuple[int, float]]:
        """Return the places of texts with their relevance, best first (the shape Cohere and Jina share).

        Raises:
            WriterUnavailable: nobody can say.
        """
        model = self._settings.rerank_model
        body = {"model": model, "query": question, "documents": list(texts), "top_n": len(texts)}
        ask = partial(self._reranker.post, "/rerank", cast_to=object, body=body)
        answer = await self._ask(tenant, NOBODY, model, [question, *texts], ask)
        results = answer.get("results") if isinstance(answer, dict) else None
        try:
            found = [(int(one["index"]), float(one["relevance_score"])) for one in results or ()]
        except (TypeError, KeyError, ValueError) as error:
            raise WriterUnavailable("the reranker's answer can't be read") from error
        if not found or any(not 0 <= place < len(texts) for place, _ in found):
            raise WriterUnavailable("the reranker named other texts; does it rerank?")
        return sorted(found, key=lambda pair: -pair[1])

    async def moderate(self, tenant: TenantId, user: UserId, text: str) -> tuple[str, ...]:
        """Return the categories for which a text is flagged; none if it is fine.

        Raises:
            WriterUnavailable: nobody can say.
        """
        model = self._settings.moderation_model
        answer = await self._ask(
            tenant, user, model, [text], lambda: self._client.moderations.create(model=model, input=text)
        )
        results = getattr(answer, "results", None)
        if not isinstance(results, list) or not results:
            raise WriterUnavailable("the endpoint's word on a text can't be read; does it moderate?")
        first = results[0]
        if not getattr(first, "flagged", False):
            return ()
        named = first.categories.model_dump() if hasattr(first.categories, "model_dump") else {}
        return tuple(sorted(name for name, flagged in named.items() if flagged)) or ("flagged",)

    async def _ask(
        self,
        tenant: TenantId,
        user: UserId,
        model: str,
        texts: Sequence[str],
        call: Callable[[], Awaitable[Any]],
    ) -> Any:
        """Ask something that answers at once; count it as a question of the user (or of nobody)."""
        await self._budget.check(tenant, user)
        breaker = self.breaker(model)
        breaker.enter()
        try:
            answer = await self._patiently(call)
        except WriterUnavailable:
            breaker.failed()
            raise
        except asyncio.CancelledError:
            breaker.left()
            raise
        except Exception as error:
            breaker.failed()
            raise WriterUnavailable(
                f"the endpoint's answer can't be used: {type(error).__name__}: {error}"
            ) from error
        breaker.succeeded()
        total = getattr(getattr(answer, "usage", None), "total_tokens", None)
        tokens = total if isinstance(total, int) else sum(estimate(one) for one in texts)
        await self._budget.spend(tenant, user, model, Tokens(tokens, 0))
        return answer

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Return what a call answers, asking again while it may help."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._settings.first_token_seconds):
                    return await call()
            except (APITimeoutError, TimeoutError) as error:
                raise WriterUnavailable("the endpoint did not answer in time") from error
            except APIStatusError as error:
                after = error.response.headers.get("retry-after", "")
                await self._again(error, attempt, error.status_code, after)
            except APIConnectionError as error:
                await self._again(error, attempt)
        raise WriterUnavailable("the endpoint does not answer")

    async def _again(self, error: Exception, attempt: int, status: int = 0, after: str = "") -> None:
        """Wait before another attempt, or raise when there is none; without a status nobody was reached."""
        if status and (attempt == ATTEMPTS or not (status in RETRIED or status >= 500)):
            raise WriterUnavailable(f"the model answered {status}") from error
        if attempt == ATTEMPTS:
            raise WriterUnavailable("the model can't be reached") from error
        await self._pause(_pause_seconds(after, attempt))

    async def _pieces(
        self, model: str, messages: Sequence[Message], tools: Sequence[Message], answer: Written
    ) -> AsyncGenerator[str, None]:
        deadline = asyncio.get_running_loop().time() + self._settings.total_seconds
        chunks, came = await self._open(model, messages, tools, deadline)
        try:
            while came:
                text = "".join(map(answer.take, came))
                if text:
                    yield text
                came = await self._next(chunks, self._settings.stall_seconds, deadline, "fell silent")
        except Unreachable as error:
            raise WriterUnavailable(f"the model's answer was cut off: {error}") from error
        finally:
            await chunks.close()

    async def _open(
        self, model: str, messages: Sequence[Message], tools: Sequence[Message], deadline: float
    ) -> tuple[Chunks, Sequence[Chunk]]:
        """Return a stream and its first chunks, asking again while nothing has come."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._open_once(model, messages, tools, deadline)
            except TimeoutError as error:
                raise WriterUnavailable("the model did not begin in time") from error
            except Refused as error:
                if error.status == BAD_REQUEST:
                    if not self._learn(error.message):
                        raise WriterUnavailable(f"the model refused the question: {error.message}") from error
                else:
                    await self._again(error, attempt, error.status, error.after)
            except Unreachable as error:
                await self._again(error, attempt)
        raise WriterUnavailable("the model refuses what it is asked")

    async def _open_once(
        self, model: str, messages: Sequence[Message], tools: Sequence[Message], deadline: float
    ) -> tuple[Chunks, Sequence[Chunk]]:
        options: dict[str, Any] = {self._limit: self._settings.max_tokens}
        if tools:
            options["tools"] = list(tools)
        if "stream_options" not in self._refused:
            options["stream_options"] = {"include_usage": True}
        async with asyncio.timeout(self._left(self._settings.first_token_seconds, deadline)):
            chunks = await self._chat.ask(
                {"model": model, "messages": list(messages), "stream": True, **options}
            )
        try:
            first = await self._next(
                chunks, self._settings.first_token_seconds, deadline, "did not begin in time"
            )
        except BaseException:
            await chunks.close()
            raise
        if not first:
            await chunks.close()
            raise WriterUnavailable("the endpoint answered with something that is no stream; is it a model?")
        return chunks, first

    async def _next(self, chunks: Chunks, seconds: float, deadline: float, failure: str) -> Sequence[Chunk]:
        """Return the next chunks, none at the end."""
        try:
            async with asyncio.timeout(self._left(seconds, deadline)):
                return await chunks.next()
        except TimeoutError as error:
            raise WriterUnavailable(f"the model {failure}") from error

    def _left(self, seconds: float, deadline: float) -> float:
        return max(0.0, min(seconds, deadline - asyncio.get_running_loop().time()))

    def _learn(self, said: str) -> bool:
        """Drop the option a server has refused; False if that was not the reason."""
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


def _vectors(answer: Any, count: int) -> list[list[float]]:
    """Return an embedding answer's vectors in the order asked; some servers shuffle them."""
    data = getattr(answer, "data", None)
    if not isinstance(data, list) or len(data) != count:
        raise WriterUnavailable("the endpoint gave another number of vectors; does it embed?")
    places = [
        one.index if isinstance(getattr(one, "index", None), int) else place for place, one in enumerate(data)
    ]
    if sorted(places) != list(range(count)):
        places = list(range(count))
    vectors = [one.embedding for _, one in sorted(zip(places, data, strict=True), key=lambda pair: pair[0])]
    if any(not isinstance(one, list) or not one for one in vectors):
        raise WriterUnavailable("the endpoint's vectors can't be read; does it embed?")
    return vectors


def _pause_seconds(after: str, attempt: int) -> float:
    """Return how long to wait: what a server asks for in seconds, within bounds, or ever longer."""
    try:
        wanted = float(after)
    except ValueError:
        wanted = math.nan
    if math.isnan(wanted):  # a date, too; to wait for "nan" is to wait for ever
        wanted = 0.2 * 2 ** (attempt - 1)
    return float(min(max(wanted, 0.0), LONGEST_PAUSE_SECONDS))
