"""The drill as `make drill` runs it, small: a good product passes, and one with a planted bug does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.drill.boundaries import all_boundaries
from tests.drill.plan import plan_customer

PROJECT = Path(__file__).parents[2]


def run_drill(directory: Path, **settings: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the row `all` of drill.json, and what was printed."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "DRILL_"))}
    finished = subprocess.run(
        [sys.executable, "-m", "tests.drill"],
        cwd=directory,
        env=ours | {"PYTHONPATH": str(PROJECT), "DRILL_PROCESSES": "1"} | settings,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    printed = finished.stdout + finished.stderr
    assert (directory / "drill.json").exists(), printed
    rows = {row["name"]: row for row in json.loads((directory / "drill.json").read_text())}
    return finished.returncode, rows["all"], printed


@pytest.mark.stack
@pytest.mark.usefixtures("migrated")
def test_no_payment_is_lost_doubled_or_stuck_while_processes_and_servers_die(tmp_path: Path) -> None:
    status, row, printed = run_drill(
        tmp_path, DRILL_SEED="27", DRILL_RUNS="20", DRILL_SECTIONS="short", DRILL_KILL_PROBABILITY="0.002", DRILL_SETTLE_SECONDS="120"
    )
    assert (row["lost"], row["doubled"], row["stuck"]) == (0, 0, 0), printed
    assert status == 0, printed
    assert row["runs"] == 20
    assert row["seed"] == 27


@pytest.mark.stack
@pytest.mark.usefixtures("migrated")
def test_planted_bugs_are_found(tmp_path: Path) -> None:
    """One issues without looking first (doubled), one forgets who paid twice (lost)."""
    plants = "issue-without-looking,forget-second-success"
    status, row, printed = run_drill(
        tmp_path, DRILL_SEED="7", DRILL_RUNS="20", DRILL_SECTIONS="lost-only", DRILL_PLANT=plants, DRILL_SETTLE_SECONDS="8"
    )
    assert status == 1, printed
    assert row["doubled"] > 0, printed
    assert row["lost"] > 0, printed
    assert row["ok"] is False


def test_every_step_of_a_payment_has_its_boundaries() -> None:
    found = all_boundaries()
    for step in ("create_at_wave", "ask_wave", "issue_voucher", "block_voucher"):
        assert {f"{step}.before_call", f"{step}.after_call", f"{step}.recorded"} <= set(found)
    assert {"checkout.saved", "checkout.opened", "webhook.stored", "settle_voucher.before_call"} <= set(found)


def test_a_seed_draws_the_same_customers_again() -> None:
    def drawn(seed: int) -> list[tuple[object, ...]]:
        plans = [plan_customer(seed, number, "kills", routers=8, untold_share=0.1) for number in range(100)]
        return [(plan.deed, plan.package_id, plan.router, plan.is_told, plan.watches) for plan in plans]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
