"""What the cluster drill makes of what people saw; the drill itself is `make drill-cluster`."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.drill.cluster import network, report
from tests.drill.cluster.drill import Measured, Order, Outcome
from tests.drill.cluster.network import Host
from tests.drill.cluster.rolling import Upgrade
from tests.drill.cluster.slots import Slots, findings
from tests.drill.cluster.traffic import Impact, Seen, impact_of, recovered_after
from tests.drill.cluster.troubles import Kind, Trouble, all_troubles

FINE = Impact(40, Counter(), 0.2)


def seen(*ends: tuple[float, str], seconds: float = 0.1) -> list[Seen]:
    return [Seen(at, seconds, "shop", fault) for at, fault in ends]


def measured(*, ready: float | None = 1.0, recovered: float | None = 0.5, served: float | None = 2.0) -> Measured:
    return Measured(Trouble("web-1", Kind.KILLED), 3.0, FINE, FINE, ready, recovered, served)


def test_every_part_is_stopped_killed_and_cut_off() -> None:
    troubles = all_troubles()
    for part in ("web-1", "web-2", "console-2", "worker-1", "scheduler-2", "pgbouncer", "postgres", "valkey", "nginx"):
        assert {trouble.kind for trouble in troubles if trouble.part == part} >= {Kind.STOPPED, Kind.KILLED, Kind.CUT}
    assert Trouble("valkey", Kind.EMPTIED) in troubles
    assert Trouble("sandbox", Kind.CUT) in troubles


def test_parts_can_be_chosen_and_unknown_ones_are_named() -> None:
    assert {trouble.part for trouble in all_troubles(["nginx"])} == {"nginx"}
    with pytest.raises(ValueError, match="mainframe"):
        all_troubles(["mainframe"])


def test_failures_are_counted_by_who_saw_them_and_how() -> None:
    impact = impact_of(seen((1, ""), (2, "503"), (3, "503"), (4, "ReadTimeout")))
    assert impact.failed == {"shop 503": 2, "shop ReadTimeout": 1}
    assert impact.share == 0.75


def test_recovery_is_the_first_of_a_row_of_good_answers() -> None:
    ends = seen((9, ""), (10.5, "503"), (11, ""), (11.5, "503"), (12, ""), (12.5, ""), (13, ""))
    assert recovered_after(ends, back_at=10) == 2.0


def test_who_saw_no_failure_need_not_recover() -> None:
    assert recovered_after(seen((10.5, ""), (11, ""), (11.5, "")), back_at=10) == 0.0


def test_who_orders_recovers_apart_from_who_asks() -> None:
    asking = seen((9, "503"), (10.5, ""), (11, ""), (11.5, ""))
    ordering = [Seen(at, 0.1, "customer orders", fault) for at, fault in ((9.5, "503"), (14, "503"), (18, ""), (19, ""), (20, ""))]
    assert recovered_after([*asking, *ordering], back_at=10) == 8.0


def test_without_a_row_of_good_answers_nothing_has_recovered() -> None:
    assert recovered_after(seen((10.5, ""), (11, "503"), (11.5, "")), back_at=10) is None


def test_a_request_sent_while_the_part_was_away_belongs_to_the_outage() -> None:
    ends = [Seen(12, 11.0, "shop", "ReadTimeout"), *seen((12.5, ""), (13, ""), (13.5, ""))]
    assert recovered_after(ends, back_at=10) == 0.0


def test_a_slot_claimed_twice_is_a_finding() -> None:
    assert [finding.kind for finding in findings(Slots(Counter({"reconcile": 3}), ["reconcile slot 7: 2 times"]))] == ["doubled"]
    assert not list(findings(Slots(Counter({"reconcile": 3}), [])))


def test_a_request_that_fails_during_an_upgrade_is_a_finding() -> None:
    failed = Impact(100, Counter({"customer 502": 1}), 1.0)
    assert [finding.kind for finding in Upgrade(0.1, 60.0, failed, FINE).findings()] == ["lost"]
    assert not list(Upgrade(0.1, 60.0, FINE, FINE).findings())


def test_a_part_that_does_not_come_back_spoils_the_drill(tmp_path: Path) -> None:
    outcome = Outcome(Order(seed=7, runs=10), measured=[measured(), measured(recovered=None)])
    assert not outcome.is_good
    target = tmp_path / "drill.json"
    report.write(outcome, target)
    whole, good, bad = json.loads(target.read_text())
    assert (whole["name"], whole["ok"]) == ("cluster", False)
    assert (good["ok"], bad["ok"], bad["stuck"]) == (True, False, 1)
    assert {"name", "seed", "runs", "lost", "doubled", "stuck", "ok"} <= set(good)


def test_rows_stand_beside_those_of_other_drills_and_replace_their_own(tmp_path: Path) -> None:
    target = tmp_path / "drill.json"
    target.write_text(json.dumps([{"name": "kills"}, {"name": "cluster"}, {"name": "cluster: web-1 killed"}]))
    report.write(Outcome(Order(seed=7, runs=10), measured=[measured()]), target)
    assert [row["name"] for row in json.loads(target.read_text())] == ["kills", "cluster", "cluster: web-1 killed"]


def test_each_host_has_an_address_and_a_cable_of_its_own() -> None:
    hosts = [Host("web-1", 21), Host("web-2", 22)]
    assert len({host.address for host in hosts} | {host.cable for host in hosts} | {host.hardware for host in hosts}) == 6


def test_where_no_cluster_can_be_made_one_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(network, "_ALL_PATHS", "/nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    why = network.missing()
    assert why is not None
    assert "nginx" in why
    assert "\n" not in why
