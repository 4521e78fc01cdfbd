"""What cannot be run without a container engine or GitHub is at least held together: names, files, rights, settings."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "deploy"))
import dockerfile_steps as dockerfile  # noqa: E402 - a script's module, found by its folder

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PRODUCT = {name for name, service in SERVICES.items() if service["image"].startswith("inet-portal")}
_, STAGES = dockerfile.read(ROOT / "Dockerfile")
IMAGES = {stage.name: stage for stage in STAGES}
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SETTINGS = {"INET_" + name.upper() for name in Settings.model_fields}
# What the compose file asks of .env beside the product's settings.
COMPOSES_OWN = {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "PUBLIC_NAME", "TLS_DIR"}


# .env.example


def test_the_example_environment_names_every_setting_and_none_that_is_not_one() -> None:
    named = re.findall(r"^(?:# )?(INET_[A-Z_]+)=", EXAMPLE, re.MULTILINE)
    assert set(named) == SETTINGS
    assert len(named) == len(set(named))


def test_every_setting_of_the_example_is_explained() -> None:
    """A comment stands above it, or above the block that it is in."""
    is_explained = False
    for line in EXAMPLE.splitlines():
        if not line.strip():
            is_explained = False
        elif re.match(r"^(# )?[A-Z_]+=", line):
            assert is_explained, line
        else:
            is_explained = line.startswith("#")


# compose.yaml


def test_compose_has_what_a_production_needs() -> None:
    kinds = {"nginx": 1, "web-": 2, "console-": 2, "worker-urgent-": 2, "worker-bulk": 1, "worker-triage": 1, "scheduler-": 2, "migrate": 1}
    kinds |= {"pgbouncer": 1, "postgres": 1, "valkey": 1, "prometheus": 1, "grafana": 1}
    assert {kind: sum(name.startswith(kind) for name in SERVICES) for kind in kinds} == kinds
    assert sum(kinds.values()) == len(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    ours = next((stage for stage in IMAGES.values() if service.get("build", {}).get("target") == stage.name), None)
    user = ours.last("USER") if ours else service["user"]
    assert user.partition(":")[0] not in ("", "0", "root")
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}
    has_check = bool(service.get("healthcheck")) or (ours is not None and ours.last("HEALTHCHECK"))
    assert has_check
    assert name == "nginx" or "ports" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    waited = service.get("depends_on", {})
    assert waited.keys() <= SERVICES.keys()
    conditions = {"service_completed_successfully" if other == "migrate" else "service_healthy" for other in waited}
    assert {rule["condition"] for rule in waited.values()} == conditions
    for volume in service.get("volumes", []):
        source = volume.split(":")[0] if not volume.startswith("${") else ""
        assert not source or source in COMPOSE["volumes"] or (ROOT / "deploy" / source).exists(), volume
    image, _, tag = service["image"].rpartition(":")
    assert tag == "-local}" or (image and re.fullmatch(r"v?\d+\.\d+(\.\d+)?", tag)), service["image"]


@pytest.mark.parametrize("name", sorted(PRODUCT))
def test_the_product_gets_settings_that_it_has(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert {key for key in environment if key.startswith("INET_")} <= SETTINGS
    assert environment["INET_DATABASE_IS_POOLED"] == "1"
    assert "@pgbouncer:6432/" in environment["INET_DATABASE_URL"]
    assert "@postgres:5432/" in environment["INET_DATABASE_DIRECT_URL"]


def test_what_compose_asks_of_its_environment_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")))
    assert asked == COMPOSES_OWN | {"INET_RELEASE"}
    assert set(re.findall(r"^# ([A-Z_]+)=", EXAMPLE.partition("# Not ours")[2], re.MULTILINE)) == COMPOSES_OWN


def test_nginx_leads_to_the_addresses_that_the_processes_have_and_they_believe_it() -> None:
    command = SERVICES["nginx"]["command"]
    for option, kind in (("--web", "web-"), ("--console", "console-")):
        start = command.index(option) + 1
        named = [word.partition(":")[0] for word in command[start : start + 2]]
        assert named == [service["networks"]["front"]["ipv4_address"] for name, service in SERVICES.items() if name.startswith(kind)]
    believed = {SERVICES[name]["environment"]["FORWARDED_ALLOW_IPS"] for name in PRODUCT if name.startswith(("web-", "console-"))}
    assert believed == {SERVICES["nginx"]["networks"]["front"]["ipv4_address"]}


def test_a_console_is_one_process_and_a_web_service_is_several() -> None:
    assert "--workers" not in SERVICES["console-1"]["command"]
    assert SERVICES["web-1"]["command"][-2:] == ["--workers", "2"]


def test_only_nginx_is_reached_from_outside_and_servers_reach_nobody() -> None:
    open_networks = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}
    assert open_networks == {"public", "out"}
    assert [name for name, service in SERVICES.items() if "public" in service["networks"]] == ["nginx"]
    for name in ("postgres", "pgbouncer", "valkey", "prometheus", "grafana"):
        assert not open_networks & set(SERVICES[name]["networks"]), name


def test_prometheus_asks_containers_that_there_are() -> None:
    told = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = [target for job in told["scrape_configs"] for static in job["static_configs"] for target in static["targets"]]
    hosts = {target.partition(":")[0] for target in targets}
    assert hosts == {name for name in PRODUCT if name != "migrate"}


# Dockerfile


def test_the_dockerfile_is_read_whole_and_everything_it_copies_is_in_its_context() -> None:
    context = dockerfile.Context(ROOT)
    for stage in STAGES:
        for step in stage.steps:
            if step.word == "COPY":
                origin, sources, _ = dockerfile.copied(step.rest)
                for source in sources:
                    assert origin in IMAGES or ((ROOT / source).exists() and context.has(ROOT / source)), source


def test_nothing_secret_or_local_is_in_the_context() -> None:
    context = dockerfile.Context(ROOT)
    for name in (".env", ".git", ".venv", ".inet", "tests", "deploy/compose.yaml", "deploy/tls", "docs"):
        assert not context.has(ROOT / name), name


@pytest.mark.parametrize("name", ["inet", "nginx", "pgbouncer"])
def test_an_image_runs_as_nobody_in_particular_and_says_whether_it_is_well(name: str) -> None:
    stage = IMAGES[name]
    assert stage.last("USER") == "10001:10001"
    assert stage.health_check()[-1] or stage.command("CMD")
    assert not stage.command("ENTRYPOINT")[0].startswith("sh -c")
    assert stage.last("STOPSIGNAL") in ("SIGTERM", "SIGQUIT", "SIGINT")


def test_the_image_is_pinned_and_names_no_registry() -> None:
    arguments, _ = dockerfile.read(ROOT / "Dockerfile")
    assert re.fullmatch(r"\d+\.\d+-slim", arguments["DEBIAN"])
    assert IMAGES["base"].base == f"debian:{arguments['DEBIAN']}"


def test_an_instruction_that_the_reader_does_not_know_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian:12 AS one\nADD x y\n")
    with pytest.raises(dockerfile.NotUnderstood, match="ADD x y"):
        dockerfile.read(file)


# .github/workflows


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_uses_what_is_pinned(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"]), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_workflows_check_test_build_and_audit() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    for command in ("make check", "make test", "make audit", "make sbom", "docker/build-push-action@"):
        assert command in text
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"check", "test", "audit", "sbom", "servers", "image"} <= targets
    assert set(re.findall(r"make ([a-z-]+)", text)) <= targets


# docs/operations.md


def test_the_incident_checklist_has_every_alert() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    told = re.findall(r'<a id="(\w+)"></a>\[(\w+)\]', (ROOT / "docs/operations.md").read_text(encoding="utf-8"))
    assert told == [(alert.lower(), alert) for alert in alerts]
