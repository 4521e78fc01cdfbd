"""The drill of photos, bounded."""

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
def test_every_photo_is_held_once_over_links_that_break_and_with_a_server_that_dies(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "DRILL_")) and name != "PYTEST_CURRENT_TEST"}
    chosen = {"DRILL_SEED": "7", "DRILL_PHOTOS": "6", "DRILL_PHOTO_BYTES": "700000", "DRILL_PHONES": "2", "DRILL_KILL_PROBABILITY": "0.003"}
    finished = subprocess.run(
        [sys.executable, "-m", "tests.drill.photos"],
        cwd=tmp_path,
        env=ours | {"PYTHONPATH": str(PROJECT)} | chosen,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    printed = finished.stdout + finished.stderr[-4000:]
    assert finished.returncode == 0, printed
    row = json.loads((tmp_path / "drill-photos.json").read_text())
    assert (row["lost"], row["doubled"], row["stuck"], row["held"]) == (0, 0, 0, 6), printed
    assert row["cuts"] >= 6, printed
    # A photo of this size, unpacked and painted anew, is a few megabytes; ten of them in memory would show.
    assert row["peak_mb"] - row["idle_mb"] < 120, printed
