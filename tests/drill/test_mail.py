"""The drill of mails, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drill.alone import run_bounded


@pytest.mark.stack
@pytest.mark.usefixtures("migrated")
def test_every_mail_is_held_once_while_the_server_breaks_off_and_readers_are_killed(tmp_path: Path) -> None:
    row, printed = run_bounded("mail", tmp_path, DRILL_MAILS="60")
    assert (row["lost"], row["doubled"], row["stuck"], row["theirs"]) == (0, 0, 0, row["ours"]), printed
    assert row["deaths"], printed
