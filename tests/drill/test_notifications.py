"""The drill of messages, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drill.alone import run_bounded


@pytest.mark.stack
@pytest.mark.usefixtures("migrated")
def test_no_message_is_lost_doubled_or_ends_without_a_word_while_providers_fail_and_workers_die(tmp_path: Path) -> None:
    row, printed = run_bounded("notifications", tmp_path, DRILL_MESSAGES="60")
    assert (row["runs"], row["lost"], row["doubled"], row["stuck"]) == (60, 0, 0, 0), printed
