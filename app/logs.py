"""Structured logs: one JSON object a line (or readable lines for a person), each with the correlation ID."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app import correlation
from app.settings import Settings

# The last net under the rule that no secret is handed to a log: things that look like phone numbers, tokens or keys are masked.
_PHONE = re.compile(r"(?<![\w.:-])\+?(?:220)?\d{7,12}(?![\w.:-])")
_LONG_HEX = re.compile(r"\b[0-9a-f]{40,}\b")
_BEARER = re.compile(r"(?i)(bearer|token|authorization|password|secret|faskey|rhid|fas|iv|code)(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,]+")


def mask(text: str) -> str:
    """`text` with anything that looks like a phone number, key or token made unreadable."""
    text = _BEARER.sub(r"\1\2***", text)
    text = _LONG_HEX.sub("***", text)
    return _PHONE.sub(lambda match: "***" + match.group()[-3:], text)


def _mask_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in ("event", "exception", "detail", "error", "path"):
        value = event.get(key)
        if isinstance(value, str):
            event[key] = mask(value)
    return event


def _add_correlation(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if current := correlation.current():
        event.setdefault("correlation_id", current)
    return event


def configure(settings: Settings, *, process: str) -> None:
    """Send our own and every library's log lines through one chain to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_correlation,
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # httpx logs full URLs and zeep logs whole envelopes below WARNING; both may carry what must not be logged.
    for noisy in ("httpx", "httpcore", "zeep", "urllib3", "rq", "rq.worker", "rq_scheduler", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)
