"""Access that was paid and not used in its time is earned by its lapse: once for each subject, found among what stands open."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.payments.clearing.models import LedgerAccount, LedgerOpen, TransferReason
from services.payments.clearing.posting import post

_BATCH = 500
# A grant that is still under way may be confirmed a little later, and earn it. What is being given back or needs a person is
# settled by those who do that. A credit's money stands under its voucher, or under the foreign payment that it was given for.
_IS_DUE = sa.text(
    """
    EXISTS (
        SELECT FROM payment p JOIN entitlement e ON e.payment_id = p.id
        WHERE p.id = CASE WHEN ledger_open.subject LIKE 'payment:%' THEN CAST(substr(ledger_open.subject, 9) AS bigint) END
            AND p.status IN ('access_granted', 'served')
            AND (e.state IN ('ended', 'void') OR (e.state = 'ready' AND e.use_before <= :now))
            AND NOT EXISTS (
                SELECT FROM access_grant g
                WHERE g.entitlement_id = e.id AND g.state IN ('queued', 'offered', 'acked', 'unconfirmed')
            )
    ) OR EXISTS (
        SELECT FROM voucher v LEFT JOIN entitlement e ON e.voucher_id = v.id
        WHERE v.id = CASE
                WHEN ledger_open.subject LIKE 'voucher:%' THEN CAST(substr(ledger_open.subject, 9) AS bigint)
                WHEN ledger_open.subject LIKE 'wave:%' THEN (
                    SELECT f.voucher_id FROM reconciliation_finding f
                    WHERE f.movement_id = substr(ledger_open.subject, 6) AND f.voucher_id IS NOT NULL ORDER BY f.id LIMIT 1
                )
            END
            AND CASE
                WHEN e.id IS NULL THEN v.state = 'expired' OR v.use_before <= :now
                ELSE e.state IN ('ended', 'void') OR (e.state = 'ready' AND e.use_before <= :now)
            END
            AND NOT EXISTS (
                SELECT FROM access_grant g
                WHERE g.entitlement_id = e.id AND g.state IN ('queued', 'offered', 'acked', 'unconfirmed')
            )
    )
    """
)


def lapse(session: Session, *, now: datetime, batch: int = _BATCH) -> int:
    """Move what lapsed to sales, at most `batch` of it. Safe to run twice and at once: each item is locked, and posted once."""
    due = session.exec(
        select(LedgerOpen)
        .where(col(LedgerOpen.account) == LedgerAccount.UNEARNED_ACCESS, _IS_DUE.bindparams(now=now))
        .order_by(col(LedgerOpen.since), col(LedgerOpen.subject))
        .limit(batch)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for item in due:
        post(
            session,
            TransferReason.LAPSED,
            LedgerAccount.UNEARNED_ACCESS,
            LedgerAccount.SALES,
            -item.balance_bututs,
            subject=item.subject,
            once=f"lapsed:{item.subject}",
            now=now,
        )
    session.flush()
    # The trigger took the items away: what this session remembers of them is gone.
    for item in due:
        session.expunge(item)
    return len(due)
