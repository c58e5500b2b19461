"""Show the inside in Prometheus' text format at ``/metrics``.

Rooms count in plain numbers of their own and show them as ``Reading``s, which
are read when somebody asks. What only the web knows is counted in a registry
of the app's own, so that two apps in one process never share a number.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client import Histogram as Buckets
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LAG_PERIOD_SECONDS = 0.5

TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number by labels, read when somebody asks."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: tuple[tuple[tuple[str, ...], float], ...]


@dataclass(frozen=True, slots=True)
class Total(Gauge):
    """A number that only grows, until the process starts anew."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How observations spread over upper bounds: by labels, one count more than bounds, and the sum of all."""

    name: str
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    values: tuple[tuple[tuple[str, ...], tuple[int, ...], float], ...]


Reading = Gauge | Histogram
Readings = Callable[[], Iterable[Reading]]


class _OnDemand(Collector):
    """Numbers read from the services at scrape time."""

    def __init__(self, read: Readings) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Describe nothing ahead, so that registering reads nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield one family per reading."""
        return map(_family, self._read())


def _kind(reading: Reading) -> str:
    if isinstance(reading, Histogram):
        return "histogram"
    return "counter" if isinstance(reading, Total) else "gauge"


def _family(reading: Reading) -> Metric:
    name = f"chatpush_{reading.name}"
    if isinstance(reading, Histogram):
        bounds = [*map(str, reading.bounds), "+Inf"]
        spread = HistogramMetricFamily(name, reading.help, labels=reading.labels)
        for labels, counts, total in reading.values:
            spread.add_metric(labels, list(zip(bounds, map(float, accumulate(counts)), strict=True)), total)
        return spread
    kind = CounterMetricFamily if isinstance(reading, Total) else GaugeMetricFamily
    family = kind(name, reading.help, labels=reading.labels)
    for labels, value in reading.values:
        family.add_metric(labels, value)
    return family


class Metrics:
    """The app's numbers."""

    def __init__(self, *sources: Readings) -> None:
        self._registry = CollectorRegistry()
        self._sources = sources
        for source in sources:
            self._registry.register(_OnDemand(source))
        self.requests = Counter(
            "chatpush_http_requests",
            "HTTP requests by method and status",
            ["method", "status"],
            registry=self._registry,
        )
        self.lag = Buckets(
            "chatpush_loop_lag_seconds",
            "How late the event loop wakes",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
            registry=self._registry,
        )
        self._watching: asyncio.Task[None] | None = None

    def described(self) -> list[tuple[str, str, tuple[str, ...], str]]:
        """Return each number's name, kind, labels and meaning, in order of names."""
        found = [
            (f"chatpush_{one.name}", _kind(one), one.labels, one.help)
            for source in self._sources
            for one in source()
        ]
        found.append(("chatpush_http_requests", "counter", ("method", "status"), "HTTP requests"))
        found.append(("chatpush_loop_lag_seconds", "histogram", (), "How late the event loop wakes"))
        return sorted(found)

    async def start(self) -> None:
        """Begin to measure the loop's lag."""
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop measuring."""
        if self._watching:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    def add(self, app: web.Application) -> None:
        """Serve the numbers and count requests."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            self.requests.labels(request.method, str(response.status)).inc()
            return response

        async def show(_request: web.Request) -> web.Response:
            return web.Response(body=generate_latest(self._registry), headers={"Content-Type": TYPE})

        app.middlewares.insert(0, count)
        app.router.add_get("/metrics", show)

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(LAG_PERIOD_SECONDS)
            self.lag.observe(max(0.0, time.monotonic() - began - LAG_PERIOD_SECONDS))
