"""What Prometheus and Grafana are given, against what a running product shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import sqlalchemy as sa
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.supervisor import Stack
from tests import prepared
from tests.browser.world import ENVIRONMENT
from tests.conftest import free_port
from tests.deploy.promql import Named, named

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus"
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
GUIDE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
# Prometheus' own: whether a target answered, which one it was, and the alerts themselves.
OWN_METRICS = {"up": {"job", "instance"}}
OWN_LABELS = {"job", "instance"}
PROMTOOL = shutil.which("promtool")
Shown = dict[str, set[str]]


def alerts() -> list[dict[str, Any]]:
    content = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def targets() -> list[dict[str, Any]]:
    return [target for path in DASHBOARDS for panel in orjson.loads(path.read_bytes())["panels"] for target in panel["targets"]]


def complaints(expression: str, shown: Shown) -> list[str]:
    """What an expression names that nobody shows."""
    found: Named = named(expression)
    known = shown | OWN_METRICS
    wrong = [name for name in found.metrics if name not in known]
    for name, labels in found.metrics.items():
        wrong += [f"{name}{{{label}}}" for label in labels - known.get(name, labels) - OWN_LABELS]
    usable = set().union(*(known.get(name, set()) for name in found.metrics)) | OWN_LABELS
    return [*wrong, *(f"by ({label})" for label in found.grouped - usable)]


@pytest.fixture(scope="module")
def product(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("INET_", "PYTEST_", "NICEGUI_"))]:
            patch.delenv(name)
        data_dir = tmp_path_factory.mktemp("metrics")
        prepared.put_into(data_dir / "postgres")
        stack = Stack(data_dir, free_port(), free_port(), durable=False, triage=False, env=ENVIRONMENT)
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def page(product: Stack) -> str:
    """What the product shows after a little of everything; what happens rarely is put there."""
    engine = sa.create_engine(product.environment["INET_DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO backup (state, file_name, started_at, snapshot_at, size_bytes, sha256, release, asked_by, content, error)"
                " VALUES ('verified', 'a', now(), now(), 0, '', '', '', '{}', '')"
            )
        )
    engine.dispose()
    wanted = (
        "inet_outbound_calls_total{",
        "inet_job_runs_total{",
        "inet_event_loop_lag_seconds_count",
        "inet_stock_mark{",
        "inet_part_up{",
        'route="/fas/{slug}"',
    )
    deadline = time.monotonic() + 100
    with httpx.Client(base_url=product.url, timeout=20) as http:
        http.get("/portal")
        http.get("/api/portal/packages")
        http.get("/console/login")
        while True:
            text = http.get("/metrics").text
            missing = [name for name in wanted if name not in text]
            if not missing and 'process="scheduler-1"' in text:
                return text
            assert time.monotonic() < deadline, missing
            time.sleep(0.5)


def label(page: str, name: str) -> set[str]:
    """Every value of a label that is shown."""
    return {sample.labels[name] for family in text_string_to_metric_families(page) for sample in family.samples if name in sample.labels}


@pytest.fixture(scope="module")
def shown(page: str) -> Shown:
    found: Shown = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.stack
def test_every_alert_names_what_is_shown(shown: Shown) -> None:
    assert {rule["alert"]: wrong for rule in alerts() if (wrong := complaints(rule["expr"], shown))} == {}


@pytest.mark.stack
def test_every_panel_names_what_is_shown(shown: Shown) -> None:
    assert {one["expr"]: wrong for one in targets() if (wrong := complaints(one["expr"], shown))} == {}


@pytest.mark.stack
def test_a_wrong_name_would_be_found(shown: Shown) -> None:
    right = 'sum by (status) (rate(inet_http_requests_total{route!="{x}", status=~"5..|by"}[5m])) > 1e-3 * on () max(inet_figures_up)'
    assert complaints(right, shown) == []
    assert complaints(right.replace("figures_up", "figures_down"), shown) == ["inet_figures_down"]
    assert complaints(right.replace("status=~", "state=~"), shown) == ["inet_http_requests_total{state}"]
    assert complaints(right.replace("by (status)", "by (queue)"), shown) == ["by (queue)"]


@pytest.mark.stack
def test_the_guide_tells_of_every_metric_and_of_no_other(page: str) -> None:
    shown = {
        (family.name, family.type, frozenset(label for sample in family.samples for label in sample.labels) - {"le"})
        for family in text_string_to_metric_families(page)
    }
    assert shown == set(_in_guide())


@pytest.mark.stack
def test_the_processes_of_one_product_are_shown_together(page: str) -> None:
    found = {
        sample.labels["process"] for one in text_string_to_metric_families(page) for sample in one.samples if "process" in sample.labels
    }
    assert found == {"console-1", "worker-1", "scheduler-1"}
    assert "inet_metrics_shared 1.0" in page
    assert "inet_figures_up 1.0" in page


@pytest.mark.stack
def test_no_address_is_shown_in_place_of_its_route(page: str) -> None:
    routes = label(page, "route")
    assert "/fas/{slug}" in routes
    assert "/api/portal/packages" in routes
    # No slug of a router, no number, no code.
    assert not {route for route in routes if re.search(r"/fas/\w|\d{3}", route)}


@lru_cache(maxsize=1)
def _in_guide() -> list[tuple[str, str, frozenset[str]]]:
    rows = re.findall(r"^\| `(inet_\w+)` \| (\w+) \| ([\w, ]*) \|", GUIDE, re.MULTILINE)
    return [(name, kind, frozenset(filter(None, labels.split(", ")))) for name, kind, labels in rows]


def test_every_alert_says_what_to_do_and_has_its_section() -> None:
    sections = {f"docs/metrics.md#{title.lower()}": title for title in re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE)}
    for rule in alerts():
        assert sections.get(rule["annotations"]["runbook_url"]) == rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"]
    assert len(sections) == len(alerts())


def test_every_alert_has_a_case_in_which_it_rings_and_one_in_which_it_does_not() -> None:
    cases = yaml.safe_load((RULES / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    names = {case["name"] for case in cases}
    assert names == {f"{rule['alert']} {word}" for rule in alerts() for word in ("rings", "is quiet")}


def test_dashboards_are_provisioned_with_the_source_they_ask() -> None:
    provisioned = ROOT / "deploy/grafana/provisioning"
    source = yaml.safe_load((provisioned / "datasources/prometheus.yml").read_text(encoding="utf-8"))["datasources"][0]
    assert {path.stem for path in DASHBOARDS} == {"inet-overview", "inet-jobs", "inet-outside", "inet-money"}
    for path in DASHBOARDS:
        board = orjson.loads(path.read_bytes())
        assert board["uid"] == path.stem
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert yaml.safe_load((provisioned / "dashboards/inet.yml").read_text(encoding="utf-8"))["providers"][0]["type"] == "file"


def test_what_prometheus_asks_is_there_in_the_compose_file() -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]
    jobs = yaml.safe_load((RULES / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    asked = {target.partition(":")[0] for job in jobs for one in job["static_configs"] for target in one["targets"]}
    assert asked == {name for name in compose if name.startswith(("web-", "console-", "worker-", "scheduler-"))}
    # Without it Prometheus would put its own `job` in the place of ours.
    assert all(job["honor_labels"] for job in jobs)


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: sudo apt-get install prometheus (or make servers)")
@pytest.mark.parametrize(
    "command", [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")]
)
def test_promtool_is_content(command: tuple[str, ...]) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *command], cwd=RULES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
