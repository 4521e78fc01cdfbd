"""Traces for OpenTelemetry, only where INET_OTLP_URL names a collector: a span per request, per job and per outside call.

A span says where time went, and never what was said: route templates, job names, services, outcomes and correlation IDs, no address,
argument, header or error text. Without a collector none of the libraries is imported and nothing is done. A collector that is away costs
the spans that it would have had: they are handed over by a thread of their own, and dropped when they pile up.

Answers out of Redis that never reach a route (a router's idle poll) have no span: there are thousands a second, and all are the same.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Token
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from app import correlation, outbound
from app.release import release
from app.settings import get_settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

log = structlog.get_logger(__name__)
CORRELATION = "inet.correlation_id"
PARENT = "traceparent"
"""Under this name the trace goes along with a job (W3C Trace Context), in its meta."""
_EXPORT_SECONDS = 3.0
_STOP_SECONDS = 3.0
_MOST_WAITING = 4096
_EVERY_MS = 2000


class _Tracing:
    """Of this process."""

    def __init__(self) -> None:
        self.provider: TracerProvider | None = None
        self.tracer: Tracer | None = None


_tracing = _Tracing()


@dataclass(frozen=True)
class Begun:
    """A request's span, and what stood before it."""

    span: Span
    before: Token[Context]


def start(kind: str) -> None:
    """Trace from now on, if a collector is configured. `kind` is the process's: `web`, `console`, `worker` or `scheduler`."""
    url = get_settings().otlp_url
    if not url or _tracing.provider is not None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Told(SpanExporter):
        """Says once that the collector went away, and once that it is back; the library would say it every few seconds."""

        def __init__(self) -> None:
            self._to = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=_EXPORT_SECONDS)
            self._is_away = False

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = self._to.export(spans)
            is_away = result is not SpanExportResult.SUCCESS
            if is_away is not self._is_away:
                log.warning("tracing.collector_away") if is_away else log.info("tracing.collector_back")
            self._is_away = is_away
            return result

        def shutdown(self) -> None:
            self._to.shutdown()  # type: ignore[no-untyped-call]

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    resource = Resource.create({"service.name": f"inet-{kind}", "service.namespace": "inet", "service.version": release()})
    _tracing.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _tracing.provider.add_span_processor(BatchSpanProcessor(Told(), max_queue_size=_MOST_WAITING, schedule_delay_millis=_EVERY_MS))
    _tracing.tracer = _tracing.provider.get_tracer("inet")
    if _call_ended not in outbound.on_call:
        outbound.on_call.append(_call_ended)
    atexit.register(stop)


def stop() -> None:
    """Hand over what is left, for a few seconds at most."""
    provider, _tracing.provider, _tracing.tracer = _tracing.provider, None, None
    if provider is None:
        return
    atexit.unregister(stop)
    if _call_ended in outbound.on_call:
        outbound.on_call.remove(_call_ended)
    # The library waits half a minute for a collector that does not answer.
    last = threading.Thread(target=provider.shutdown, name="tracing-stop", daemon=True)
    last.start()
    last.join(_STOP_SECONDS)


def begin_request(method: str) -> Begun | None:
    """A span of its own, whatever a stranger's header says; None without a collector."""
    if _tracing.tracer is None:
        return None
    from opentelemetry import context, trace

    span = _tracing.tracer.start_span(method, context=context.Context(), kind=trace.SpanKind.SERVER)
    span.set_attribute(CORRELATION, correlation.current())
    return Begun(span, context.attach(trace.set_span_in_context(span)))


def end_request(begun: Begun | None, *, route: str, method: str, status: int) -> None:
    """`route` is the template; `status` 0 means that the client left first."""
    if begun is None:
        return
    from opentelemetry import context

    begun.span.update_name(f"{method} {route}")
    begun.span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= 500:
        _failed(begun.span, str(status))
    begun.span.end()
    context.detach(begun.before)


@contextlib.contextmanager
def job(name: str, meta: Mapping[str, Any]) -> Iterator[None]:
    """A span for one run of a job, in the trace of what rang for it."""
    if _tracing.tracer is None:
        yield
        return
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract({PARENT: str(meta.get(PARENT, ""))})
    attributes = {CORRELATION: correlation.current(), "inet.job": name}
    kind = trace.SpanKind.CONSUMER
    # What an error says may be somebody's: only its kind is told.
    with _tracing.tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            _failed(span, type(error).__name__)
            raise


def carried() -> dict[str, str]:
    """What a job's meta needs so that its span joins the trace that is under way; nothing outside of one."""
    if _tracing.tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    found: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(found)
    return {PARENT: found[PARENT]} if PARENT in found else {}


def _call_ended(call: outbound.OutboundCall) -> None:
    if _tracing.tracer is None:
        return
    from opentelemetry import trace

    began = int(call.started_at.timestamp() * 1e9)
    attributes = {
        CORRELATION: correlation.current(),
        "peer.service": call.service,
        "inet.operation": call.operation,
        "inet.outcome": call.outcome,
    }
    name = f"{call.service} {call.operation}"
    span = _tracing.tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes, start_time=began)
    if call.outcome in ("unknown", "unavailable"):
        _failed(span, call.outcome)
    span.end(began + call.duration_ms * 1_000_000)


def _failed(span: Span, kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute("error.type", kind)
