"""Run chatpush as a process: the loop, signals and the log."""

import asyncio
import faulthandler
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
NO_HTTP = "aiohttp.http_exceptions"
GRACE_SECONDS = 6.0
"""Beyond ``server.drain_seconds``: background work has five to finish its turn."""

# Connections are many small objects that live long: the default thresholds would look at all of them
# again and again while they come. Cycles are few here, so seldom is enough. The middle generation is
# looked at in one go, with the loop standing still: kept to some 150,000 objects, that is 25 ms.
GC_THRESHOLDS = (50_000, 2, 1000)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    configure_log(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Chatpush(settings)))
    faulthandler.cancel_dump_traceback_later()


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
        # What was acknowledged is on disk, so whatever hangs now may be left behind; its stack says where it hung.
        faulthandler.dump_traceback_later(chatpush.settings.server.drain_seconds + GRACE_SECONDS, exit=True)


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
    root = logging.getLogger()
    root.handlers = [_OneLog()]
    root.setLevel(max(level, logging.WARNING))


class _OneLog(logging.Handler):
    """Gives what libraries log the form of everything else.

    A request that is no HTTP is told so and no error of ours: whoever sends
    nonsense must not be able to fill the log with tracebacks.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ == NO_HTTP:
            log.debug("no HTTP", logger=record.name, reason=str(error))
            return
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=error)
