"""Structured logs on standard error: an event name and fields, for whoever is on call."""

import logging
import sys
from typing import Any, Literal, TextIO

import structlog


def set_up_logs(
    level: str = "INFO",
    format_: Literal["json", "console"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Send every log line, also those of libraries, to `stream` (standard error).

    `level` is DEBUG, INFO, WARNING or ERROR; times are RFC 3339 UTC. A second call replaces
    the first.
    """
    out = sys.stderr if stream is None else stream
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]
    if format_ == "json":
        last: list[Any] = [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time")]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("numba", "asyncio", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It warns at every attempt to connect; whoever uses the pool says once that it waits.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
