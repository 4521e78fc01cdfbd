"""`inet ledger verify`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.clock import utc_now
from app.db import transaction
from tests.services.payments.clearing.sales import served


def verify() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "ledger", "verify"]
    return subprocess.run(command, env=dict(os.environ), cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)


@pytest.mark.usefixtures("database")
def test_whole_books_are_said_to_be_whole_and_a_lost_row_is_named() -> None:
    with transaction() as session:
        payment = served(session, now=utc_now())

    whole = verify()
    assert (whole.returncode, "The books are whole: 4 transfers" in whole.stdout) == (0, True), whole.stdout

    with transaction() as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        session.execute(sa.text("DELETE FROM ledger_transfer WHERE reason = 'earned'"))

    broken = verify()
    assert broken.returncode == 1
    assert f"The transfer “earned” of payment {payment.reference} is not there." in broken.stdout
