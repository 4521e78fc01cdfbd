"""Structured logs: one JSON object a line (or readable lines for a person), each with the correlation ID.

They go to standard error, and with INET_LOG_DIR to files as well, one set a process. Errors among them are counted (app/faults.py).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from app import correlation, faults, log_files
from app.masking import mask as mask
from app.masking import mask_exception
from app.settings import Settings, get_settings

# The processes that serve; others are commands of a person at a terminal, whose errors are that person's to read.
SERVICES = frozenset({"web", "console", "worker", "scheduler"})
# Their lines go the way of all others, whatever handlers their own set-up gave them.
_ADOPTED = ("uvicorn", "uvicorn.error", "gunicorn", "gunicorn.error")


def _mask_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in ("event", "detail", "error", "path"):
        value = event.get(key)
        if isinstance(value, str):
            event[key] = mask(value)
    if isinstance(trace := event.get("exception"), str):
        event["exception"] = mask_exception(trace)
    return event


def _add_correlation(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if current := correlation.current():
        event.setdefault("correlation_id", current)
    return event


class _Terminal(logging.StreamHandler[Any]):
    """Standard error. When it cannot be written (its reader is gone, the disk behind it is full), the process goes on."""

    def handleError(self, record: logging.LogRecord) -> None:
        log_files.say_once(f"a log line of {record.name} could not be written.")


def configure(settings: Settings, *, process: str) -> None:
    """Send our own and every library's log lines through one chain to standard error, and to INET_LOG_DIR where that is set."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_correlation,
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        # The exception itself is still there when `capture` sees it; foreign lines come by the listener below.
        processors=[*shared[:4], faults.capture, *shared[4:], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    json_lines, for_people = structlog.processors.JSONRenderer(), structlog.dev.ConsoleRenderer(colors=False)
    is_service = process in SERVICES
    handlers: list[logging.Handler] = [_Terminal(sys.stderr)]
    handlers[0].setFormatter(_formatter(shared, json_lines if settings.log_format == "json" else for_people))
    if settings.log_dir is not None and is_service:
        handlers.append(log_files.DailyFiles(settings.log_dir, process, keep_days=settings.log_keep_days))
        handlers[-1].setFormatter(_formatter(shared, json_lines))
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, log_files.DailyFiles):
            old.close()
    root.handlers[:] = [*handlers, faults.Listener()]
    root.setLevel(level)
    # httpx logs full URLs and zeep logs whole envelopes below WARNING; both may carry what must not be logged.
    for noisy in ("httpx", "httpcore", "zeep", "urllib3", "rq", "rq.worker", "rq_scheduler", "uvicorn.access", "sentry_sdk"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for name in _ADOPTED:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.contextvars.bind_contextvars(process=process)
    faults.begin(process, is_service=is_service)
    if is_service and settings.sentry_dsn.get_secret_value():
        # Imported where it is asked for: it costs a tenth of a second and some megabytes.
        from app import sentry

        sentry.begin(settings, process=process)


def _formatter(shared: list[Any], renderer: Any) -> logging.Formatter:
    processors = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors)


def forget_old(*, now: datetime) -> int:
    """Remove files of INET_LOG_DIR that nobody has written for INET_LOG_KEEP_DAYS. Answers how many; safe to run twice, and at once."""
    settings = get_settings()
    if settings.log_dir is None:
        return 0
    return log_files.forget_old(settings.log_dir, now - timedelta(days=settings.log_keep_days))
