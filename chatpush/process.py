"""Run chatpush as a process: the loop, signals and the log."""

import asyncio
import gc
import logging
import signal
import sys
from typing import Any

import structlog
import uvloop

from chatpush.app import Chatpush
from chatpush.settings import Settings

log = structlog.get_logger(__name__)

# Connections are many small objects that live long: the default thresholds would look at all of them
# again and again while they come. Cycles are few here, so seldom is enough.
GC_THRESHOLDS = (50_000, 20, 100)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    configure_log(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Chatpush(settings)))


async def _serve(chatpush: Chatpush) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with chatpush.serving():
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        await told.wait()
        log.info("draining")


def configure_log(settings: Settings) -> None:
    """Write one line per event to stderr: JSON, or readable text."""
    level: int = getattr(logging, settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
