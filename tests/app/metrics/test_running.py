"""Counting, and the figures of one running process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import db, metrics
from app.metrics.families import as_text
from app.metrics.process import pool
from app.metrics.requests import Requests
from app.metrics.running import Running
from app.metrics.shared import SharedFigures
from tests.conftest import free_port

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(text: str) -> Values:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def worker() -> Iterator[Running]:
    running = Running("worker", directory=None, port=free_port(), token="a-token-for-prometheus")
    running.start()
    yield running
    running.stop()


def test_a_request_is_counted_by_route_method_and_status() -> None:
    requests = Requests()
    requests.begin()
    requests.answered("/api/portal/packages", "GET", 200, 0.003)
    requests.answered("/api/portal/packages", "GET", 200, 0.2)
    requests.answered("/api/portal/packages", "GET", 503, 60.0)
    seen = values(as_text(requests.collect()).decode())
    route = (("method", "GET"), ("route", "/api/portal/packages"))
    assert seen["inet_http_requests_total", (*route, ("status", "200"))] == 2
    assert seen["inet_http_requests_total", (*route, ("status", "503"))] == 1
    assert [seen["inet_http_request_seconds_bucket", (("le", end), *route)] for end in ("0.005", "0.1", "0.25", "15.0", "+Inf")] == [
        1,
        1,
        2,
        2,
        3,
    ]
    assert seen["inet_http_request_seconds_sum", route] == pytest.approx(60.203)
    assert seen["inet_http_request_seconds_count", route] == 3
    assert seen["inet_http_in_progress", ()] == 1


def test_what_strangers_write_makes_no_new_series() -> None:
    requests = Requests()
    for number in range(1000):
        requests.answered("unknown", f"BREW{number}", 405, 0.001)
    requests.answered("unknown", "GET", 0, 0.001)
    seen = values(as_text(requests.collect()).decode())
    totals = {labels: value for (name, labels), value in seen.items() if name == "inet_http_requests_total"}
    assert totals == {
        (("method", "other"), ("route", "none"), ("status", "405")): 1000,
        (("method", "GET"), ("route", "none"), ("status", "499")): 1,
    }


def test_counting_a_request_costs_a_few_microseconds() -> None:
    requests, best = Requests(), 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(2000):
            requests.begin()
            requests.end()
            requests.answered("/fas/{slug}", "GET", 200, 0.001)
        best = min(best, (time.perf_counter() - began) / 2000)
    assert best < 15e-6


def test_a_worker_serves_its_own_figures_behind_the_token(worker: Running) -> None:
    metrics.job_ended("jobs.payments.sweep", "failed", 0.2)
    address = f"http://127.0.0.1:{worker.port}/metrics"
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, headers={"Authorization": "Bearer another"}).status_code == 401
    answer = httpx.get(address, headers={"Authorization": "Bearer a-token-for-prometheus"})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    seen = values(answer.text)
    assert seen["inet_job_runs_total", (("job", "jobs.payments.sweep"), ("outcome", "failed"))] >= 1
    assert seen["inet_process_resident_bytes", (("process", "worker-1"),)] > 1e6
    assert seen["inet_metrics_shared", ()] == 0
    assert httpx.get(address.removesuffix("/metrics") + "/").status_code == 404


def test_a_port_that_is_taken_leaves_the_directory(worker: Running, tmp_path: Path) -> None:
    assert worker.port is not None
    second = Running("worker", directory=tmp_path, port=worker.port)
    second.start()
    try:
        assert second.port is None
        assert ("inet_metrics_shared", ()) in values(as_text(second.together().metrics()).decode())
        assert (tmp_path / "worker-1.live").exists()
    finally:
        second.stop()


def test_what_was_counted_last_is_left_behind_when_a_process_ends(tmp_path: Path) -> None:
    process = Running("worker", directory=tmp_path, every_seconds=60)
    process.start()
    metrics.job_ended("jobs.tests.last", "done", 0.2)
    process.stop()
    seen = {
        sample.labels.get("job"): sample.value
        for one in SharedFigures(tmp_path, "web").together([]).metrics()
        for sample in one.samples
        if sample.name == "inet_job_runs_total"
    }
    assert seen["jobs.tests.last"] >= 1


@pytest.mark.usefixtures("servers")
def test_connections_in_use_are_seen() -> None:
    with db.engine().connect():
        in_use, size = pool()
    assert in_use >= 1
    assert size == 85
