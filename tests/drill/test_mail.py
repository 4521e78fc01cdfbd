"""The drill of mails, bounded."""

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
def test_every_mail_is_held_once_while_the_server_breaks_off_and_readers_are_killed(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "DRILL_")) and name != "PYTEST_CURRENT_TEST"}
    finished = subprocess.run(
        [sys.executable, "-m", "tests.drill.mail"],
        cwd=tmp_path,
        env=ours | {"PYTHONPATH": str(PROJECT), "DRILL_SEED": "7", "DRILL_MAILS": "60"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    printed = finished.stdout + finished.stderr[-4000:]
    assert finished.returncode == 0, printed
    row = json.loads((tmp_path / "drill-mail.json").read_text())
    assert (row["lost"], row["doubled"], row["stuck"], row["theirs"]) == (0, 0, 0, row["ours"]), printed
    assert row["deaths"], printed
