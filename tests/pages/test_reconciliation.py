"""The reconciliation desk in a simulated browser: findings, one finding, a run, and what is done with them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.payments.clearing.models import LedgerTransfer
from services.payments.reconciliation.models import (
    FindingKind,
    FindingState,
    Fix,
    ReconciliationFinding,
    ReconciliationRun,
    RunState,
    WaveMovement,
)
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, until

DESK = "/console/reconciliation"


@pytest.fixture
def finding_id(shop: None, now: datetime) -> int:
    """A foreign payment, found by a run that read PortaBilling in part."""
    day = now.date()
    with transaction() as session:
        run = ReconciliationRun(
            from_day=day,
            to_day=day,
            state=RunState.PARTIAL,
            error="PortaBilling's accounts were not read whole (no answer).",
            created_at=now,
            started_at=now,
            ended_at=now,
            found=1,
            totals={
                "wave": {day.isoformat(): {"rows": 3, "whole": True, "error": None}},
                "porta": {"offset": 200, "rows": 200, "whole": False, "ended": True, "error": "no answer"},
                "sums": {
                    "wave": {"payments": 3, "gross": 7500, "fees": 75, "net": 7425, "refunds": 0},
                    "ledger": {"payments": 2, "gross": 5000, "refunds": 0},
                    "porta": {"accounts": 2, "charged": 5000},
                },
                "changed": [{"id": "T9", "changed": {"gross_bututs": [2000, 2500]}}],
            },
        )
        session.add(run)
        movement = WaveMovement(
            id="TFOREIGN1", type="merchant_payment", day=day, at=now, gross_bututs=3300, fee_bututs=100, currency="GMD", seen_at=now
        )
        session.add(movement)
        session.flush()
        finding = ReconciliationFinding(
            run_id=run.id or 0,
            key="foreign_payment:TFOREIGN1",
            kind=FindingKind.FOREIGN_PAYMENT,
            day=day,
            movement_id="TFOREIGN1",
            wave_bututs=3300,
            evidence={"wave": {"transaction": "TFOREIGN1", "gross_bututs": 3300, "shown_at": now.isoformat()}, "ledger": {}, "porta": {}},
            fix=Fix.HOLD_IN_SUSPENSE,
            created_at=now - timedelta(days=2),
            seen_at=now,
        )
        session.add(finding)
        session.flush()
        return finding.id or 0


async def test_the_desk_lists_what_does_not_agree_and_the_runs(finding_id: int, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    await user.should_see("Open findings")
    assert [row["kind"] for row in _rows(user, "findings-table")] == ["Foreign money"]
    assert [row["state"]["text"] for row in _rows(user, "runs-table")] == ["In part"]


async def test_accepting_a_finding_holds_the_money_in_suspense_and_says_so(finding_id: int, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"{DESK}/findings/{finding_id}")
    await user.should_see(marker="proposal")
    await user.should_see("TFOREIGN1")
    user.find(marker="accept-finding").click()
    await user.should_see(marker="confirm")
    user.find(marker="confirm").click()
    await user.should_see("Accepted", retries=50)
    assert await in_transaction(_state, finding_id) is FindingState.ACCEPTED
    assert await in_transaction(_sums) == [100, 3200]


async def test_rejecting_asks_for_a_reason_at_its_field(finding_id: int, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"{DESK}/findings/{finding_id}")
    user.find(marker="reject-finding").click()
    await user.should_see(marker="field-note")
    user.find(marker="reject").click()
    await user.should_see(marker="field-note")
    assert await in_transaction(_state, finding_id) is FindingState.OPEN
    user.find(marker="field-note").type("It was a test of ours")
    user.find(marker="reject").click()
    await user.should_see("Rejected", retries=50)
    assert await in_transaction(_state, finding_id) is FindingState.REJECTED


async def test_a_run_says_how_far_it_read_and_what_changed(finding_id: int, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.BILLING_OFFICER)
    run_id = await in_transaction(_run_id)
    await user.open(f"{DESK}/runs/{run_id}")
    await user.should_see("PortaBilling's accounts were not read whole")
    await user.should_see(marker="sums")
    await user.should_see("Rows that Wave showed differently before")
    assert len(_rows(user, "run-findings-table")) == 1


async def test_who_may_not_see_money_does_not(finding_id: int, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(DESK)
    await user.should_see(marker="not-allowed")


def _state(session: Session, finding_id: int) -> FindingState:
    return session.get_one(ReconciliationFinding, finding_id).state


def _sums(session: Session) -> list[int]:
    return sorted(session.exec(select(LedgerTransfer.amount_bututs).where(LedgerTransfer.subject == "wave:TFOREIGN1")).all())


def _run_id(session: Session) -> int:
    return int(session.execute(sa.text("SELECT id FROM reconciliation_run")).scalar_one())


def _rows(user: User, marker: str) -> list[dict[str, object]]:
    (table,) = user.find(marker=marker).elements
    return list(table.rows)  # type: ignore[attr-defined]


async def test_on_a_phone_the_findings_are_sorted_by_their_own_order_or_a_column(finding_id: int, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    (menu,) = user.find(marker="findings-sort").elements
    assert isinstance(menu, ui.select)
    assert menu.options[menu.value] == "Usual order"
    menu.set_value("day")
    await until(lambda: table(user, "findings").props["pagination"]["sortBy"] == "day")
    menu.set_value("-id")
    await until(lambda: table(user, "findings").props["pagination"]["sortBy"] == "id")
