"""The sweep of unused access, as the scheduler rings for it."""

from __future__ import annotations

import pytest
from sqlmodel import select

from app.clock import utc_now
from app.db import transaction
from jobs.money import lapse_unused
from services.access.models import Entitlement
from services.payments.clearing.models import LedgerTransfer, TransferReason
from tests.services.payments.clearing.sales import with_access


@pytest.mark.usefixtures("database")
def test_the_sweep_lets_lapse_what_is_over_and_may_run_twice() -> None:
    with transaction() as session:
        payment = with_access(session, now=utc_now())
        entitlement = session.exec(select(Entitlement).where(Entitlement.payment_id == payment.id)).one()
        entitlement.use_before = utc_now()

    lapse_unused()
    lapse_unused()

    with transaction() as session:
        (lapsed,) = session.exec(select(LedgerTransfer).where(LedgerTransfer.reason == TransferReason.LAPSED)).all()
        assert lapsed.subject == f"payment:{payment.id}"
