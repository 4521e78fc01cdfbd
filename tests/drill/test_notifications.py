"""The drill of messages, bounded."""

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
def test_no_message_is_lost_doubled_or_ends_without_a_word_while_providers_fail_and_workers_die(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "DRILL_")) and name != "PYTEST_CURRENT_TEST"}
    finished = subprocess.run(
        [sys.executable, "-m", "tests.drill.notifications"],
        cwd=tmp_path,
        env=ours | {"PYTHONPATH": str(PROJECT), "DRILL_SEED": "7", "DRILL_MESSAGES": "60"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    printed = finished.stdout + finished.stderr[-4000:]
    assert finished.returncode == 0, printed
    row = json.loads((tmp_path / "drill-notifications.json").read_text())
    assert (row["runs"], row["lost"], row["doubled"], row["stuck"]) == (60, 0, 0, 0), printed
