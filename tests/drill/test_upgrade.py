"""The rolling upgrade under load, bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.stack
@pytest.mark.usefixtures("migrated")
def test_nobody_who_pays_notices_that_the_product_is_replaced_and_its_back_up_balances(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "DRILL_")) and name != "PYTEST_CURRENT_TEST"}
    chosen = {"DRILL_SEED": "7", "DRILL_RUNS": "20", "DRILL_AT_ONCE": "4", "DRILL_REPLACED": "web,worker,scheduler"}
    finished = subprocess.run(
        [sys.executable, "-m", "tests.drill.upgrade"],
        cwd=tmp_path,
        env=ours | {"PYTHONPATH": str(PROJECT), **chosen},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (row,) = json.loads((tmp_path / "drill-upgrade.json").read_text())
    assert (row["lost"], row["doubled"], row["stuck"], row["faults"]) == (0, 0, 0, 0)
