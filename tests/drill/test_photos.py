"""The drill of photos, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drill.alone import run_bounded


@pytest.mark.stack
@pytest.mark.usefixtures("migrated")
def test_every_photo_is_held_once_over_links_that_break_and_with_a_server_that_dies(tmp_path: Path) -> None:
    chosen = {"DRILL_PHOTOS": "6", "DRILL_PHOTO_BYTES": "700000", "DRILL_PHONES": "2", "DRILL_KILL_PROBABILITY": "0.003"}
    row, printed = run_bounded("photos", tmp_path, **chosen)
    assert (row["lost"], row["doubled"], row["stuck"], row["held"]) == (0, 0, 0, 6), printed
    assert row["cuts"] >= 6, printed
    # A photo of this size, unpacked and painted anew, is a few megabytes; ten of them in memory would show.
    assert row["peak_mb"] - row["idle_mb"] < 120, printed
