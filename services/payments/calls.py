"""Every outside call made for a payment is kept beside its ledger: what a person sees between two events."""

from __future__ import annotations

from sqlmodel import Session

from app import correlation
from app.outbound import BREAKER_OPEN, OutboundCall
from services.payments.models import OutboundCallRecord


def keep_calls(session: Session, payment_id: int, calls: list[OutboundCall]) -> None:
    for call in calls:
        if call.outcome == "unavailable" and call.detail == BREAKER_OPEN:
            continue  # nobody was asked; the ledger says that it waits
        session.add(
            OutboundCallRecord(
                payment_id=payment_id,
                service=call.service,
                operation=call.operation,
                outcome=call.outcome,
                detail=call.detail[:300],
                duration_ms=call.duration_ms,
                correlation_id=correlation.current(),
                started_at=call.started_at,
            )
        )
