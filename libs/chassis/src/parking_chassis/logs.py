"""Structured logs: one event per line, its name a snake_case noun, ids bound as fields; JSON or coloured text.

Tracebacks are plain: one that shows local variables would write passwords and payloads into the log, and takes a
second of the event loop to draw, which a flood of poison turns into a standstill.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog
from structlog.tracebacks import ExceptionDictTransformer

if TYPE_CHECKING:
    from structlog.typing import Processor

    from parking_chassis.settings import ServiceSettings


def configure_logs(service: str, settings: ServiceSettings) -> None:
    """Send this process's logs, and those of its libraries at WARNING and above, to stderr."""
    structlog.reset_defaults()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if settings.log_format == "console"
        else [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    library_lines = logging.StreamHandler(sys.stderr)
    library_lines.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last_of(last)))
    logging.basicConfig(handlers=[library_lines], level=logging.WARNING, force=True)


def last_of(processors: list[Processor]) -> list[Processor]:
    """The final renderers, without structlog's own bookkeeping fields."""
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors]
