"""Spans against a collector of our own, which reads what comes as OpenTelemetry's protobuf says."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rq import Queue, SimpleWorker
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router

from app import correlation, outbound, queue, redis, tracing
from app.edge import Edge
from app.problems import BareRoute
from app.settings import get_settings
from tests.conftest import free_port


class Collector:
    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.raw = b""
        self.resources: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.raw += body
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resources |= {one.value.string_value for one in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def span(self, name: str) -> Any:
        """The one of that name, once all were handed over."""
        tracing.stop()
        return next(span for span in self.spans if span.name == name)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    yield from _traced(made, made.url, monkeypatch)
    made.server.shutdown()
    made.server.server_close()


def _traced(made: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("INET_OTLP_URL", url)
    get_settings.cache_clear()
    tracing.start("web")
    yield made
    tracing.stop()
    monkeypatch.undo()
    get_settings.cache_clear()


async def _sell(request: Request) -> Response:
    code = request.path_params["code"]
    if code == "broken":
        raise RuntimeError(f"no such voucher: {code}")
    with outbound.observe("wave", "create"):
        pass
    return Response(b"sold")


def _http() -> httpx.AsyncClient:
    app = Edge(Router([BareRoute("/portal/v/{code}", _sell)]))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://test")


async def test_a_request_and_its_outside_call_are_one_trace(collector: Collector) -> None:
    async with _http() as http:
        sent = {"X-Correlation-ID": "a-phone-0001", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "Authorization": "Bearer SECRETTOKEN"}
        await http.get("/portal/v/SECRETCODE?phone=%2B220833000001", headers=sent)
    request, call = collector.span("GET /portal/v/{code}"), collector.span("wave create")
    assert attributes(request) == {
        "inet.correlation_id": "a-phone-0001",
        "http.request.method": "GET",
        "http.route": "/portal/v/{code}",
        "http.response.status_code": 200,
    }
    assert attributes(call)["inet.outcome"] == "ok"
    assert attributes(call)["inet.correlation_id"] == "a-phone-0001"
    assert (call.trace_id, call.parent_span_id) == (request.trace_id, request.span_id)
    # Strangers do not choose our traces.
    assert request.trace_id != bytes.fromhex("a" * 32)
    assert not request.parent_span_id
    assert "inet-web" in collector.resources
    for secret in (b"SECRET", b"220833000001"):
        assert secret not in collector.raw


async def test_a_failed_request_is_marked_and_its_words_are_not_told(collector: Collector) -> None:
    async with _http() as http:
        assert (await http.get("/portal/v/broken")).status_code == 500
    span = collector.span("GET /portal/v/{code}")
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "500"
    assert b"voucher" not in collector.raw


def refused_call() -> None:
    with outbound.observe("sms", "send"):
        raise outbound.OutcomeUnknown("sms", "send", "SECRETDETAIL")


@pytest.mark.usefixtures("servers")
async def test_a_job_goes_on_in_the_trace_that_rang_for_it(collector: Collector) -> None:
    redis.client().flushall()
    begun = tracing.begin_request("POST")
    with correlation.correlated("a-request-0001"):
        queue.enqueue("jobs.payments.sweep", queue="urgent")
    tracing.end_request(begun, route="/api/wave/checkout", method="POST", status=201)
    waiting = Queue("urgent", connection=redis.client()).jobs[0]
    assert set(waiting.meta) == {"correlation_id", "traceparent"}
    carried = waiting.meta
    with correlation.correlated(carried["correlation_id"]), pytest.raises(outbound.OutcomeUnknown), tracing.job("jobs.a.b", carried):
        refused_call()
    ring, job, call = (collector.span(name) for name in ("POST /api/wave/checkout", "jobs.a.b", "sms send"))
    assert job.trace_id == ring.trace_id == call.trace_id
    assert (job.parent_span_id, call.parent_span_id) == (ring.span_id, job.span_id)
    assert attributes(job) == {"inet.correlation_id": "a-request-0001", "inet.job": "jobs.a.b", "error.type": "OutcomeUnknown"}
    assert not job.events
    assert b"SECRETDETAIL" not in collector.raw


@pytest.mark.usefixtures("servers")
def test_a_worker_gives_its_jobs_a_span(collector: Collector) -> None:
    redis.client().flushall()
    queue.enqueue("jobs.payments.sweep", queue="urgent")
    SimpleWorker([Queue("urgent", connection=redis.client())], connection=redis.client()).work(burst=True)
    assert attributes(collector.span("jobs.payments.sweep"))["inet.job"] == "jobs.payments.sweep"


async def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in _traced(None, f"http://127.0.0.1:{free_port()}", monkeypatch):
        async with _http() as http:
            await http.get("/portal/v/first")
            began = time.perf_counter()
            for _ in range(50):
                assert (await http.get("/portal/v/x")).status_code == 200
            assert time.perf_counter() - began < 5
        began = time.perf_counter()
        tracing.stop()
        assert time.perf_counter() - began < 6


def test_without_a_collector_nothing_is_imported() -> None:
    # redis-py brings the API's own modules along; what makes and sends spans stays out.
    ours = "('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'opentelemetry.proto')"
    look = f"print([name for name in sys.modules if name.startswith({ours})])"
    script = f"import sys, app.main; from app import tracing; tracing.begin_request('GET'); {look}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert tracing.begin_request("GET") is None
    assert tracing.carried() == {}
