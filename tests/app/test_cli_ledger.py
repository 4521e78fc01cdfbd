"""`inet ledger verify`."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from app.cli import cli
from app.clock import utc_now
from app.db import transaction
from tests.services.payments.clearing.sales import served


@pytest.mark.usefixtures("database")
def test_whole_books_are_said_to_be_whole_and_a_lost_row_is_named() -> None:
    with transaction() as session:
        payment = served(session, now=utc_now())

    whole = CliRunner().invoke(cli, ["ledger", "verify"])
    assert (whole.exit_code, "The books are whole: 4 transfers" in whole.output) == (0, True), whole.output

    with transaction() as session:
        session.execute(sa.text("SET LOCAL session_replication_role = replica"))
        session.execute(sa.text("DELETE FROM ledger_transfer WHERE reason = 'earned'"))

    broken = CliRunner().invoke(cli, ["ledger", "verify"])
    assert broken.exit_code == 1
    assert f"The transfer “earned” of payment {payment.reference} is not there." in broken.output
