"""Show the inside in Prometheus' text format at ``/metrics``.

Gauges are read when asked for; counters and histograms live in a registry of
the app's own, so that two apps in one process never share a number.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
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


Gauges = Callable[[], Iterable[Gauge]]


class _OnDemand(Collector):
    """Gauges read from the services at scrape time."""

    def __init__(self, read: Gauges) -> None:
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Describe nothing ahead, so that registering reads nothing."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one family per gauge."""
        for gauge in self._read():
            family = GaugeMetricFamily(f"chatpush_{gauge.name}", gauge.help, labels=gauge.labels)
            for labels, value in gauge.values:
                family.add_metric(labels, value)
            yield family


class Metrics:
    """The app's numbers."""

    def __init__(self, gauges: Gauges) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_OnDemand(gauges))
        self.requests = Counter(
            "chatpush_http_requests",
            "HTTP requests by method and status",
            ["method", "status"],
            registry=self._registry,
        )
        self.lag = Histogram(
            "chatpush_loop_lag_seconds",
            "How late the event loop wakes",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
            registry=self._registry,
        )
        self._watching: asyncio.Task[None] | None = None

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
