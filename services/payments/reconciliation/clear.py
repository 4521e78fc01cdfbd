"""What Wave's list settles: each row finds its purchase, and those with the right sum move from the receivable to wallet and fees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Session

_AT_ONCE = 5000
# By the session, else by our reference, else by the transaction (protocols/wave.md §6).
_NAME = sa.text("""
UPDATE wave_movement AS m SET payment_id = coalesce(
    (SELECT c.payment_id FROM checkout c WHERE c.wave_session_id = m.session_id),
    (SELECT p.id FROM payment p WHERE p.reference = m.client_reference),
    (SELECT p.id FROM payment p WHERE p.wave_transaction_id = m.id),
    (SELECT c.payment_id FROM checkout c WHERE c.transaction_id = m.id))
WHERE m.payment_id IS NULL AND m.day BETWEEN :from_day AND :to_day AND (
    EXISTS (SELECT FROM checkout c WHERE c.wave_session_id = m.session_id OR c.transaction_id = m.id)
    OR EXISTS (SELECT FROM payment p WHERE p.reference = m.client_reference OR p.wave_transaction_id = m.id))
""")
# Sums are of our own books here: a row is posted only where it agrees with them.
_SETTLED = """
    SELECT m.id, m.payment_id, m.gross_bututs, m.fee_bututs, coalesce(m.at, m.seen_at) AS at, false AS back
    FROM wave_movement m JOIN payment p ON p.id = m.payment_id
    WHERE m.day BETWEEN :from_day AND :to_day AND NOT m.is_reversal AND m.gross_bututs = p.amount_bututs AND m.currency = p.currency
        AND (p.wave_transaction_id = m.id OR EXISTS (SELECT FROM checkout c WHERE c.transaction_id = m.id AND c.payment_id = p.id))
    UNION ALL
    SELECT m.id, m.payment_id, -m.gross_bututs, -m.fee_bututs, coalesce(m.at, m.seen_at), true
    FROM wave_movement m JOIN payment p ON p.id = m.payment_id
    WHERE m.day BETWEEN :from_day AND :to_day AND m.is_reversal AND m.gross_bututs = -p.amount_bututs AND m.currency = p.currency
        AND EXISTS (
            SELECT FROM refund r JOIN checkout c ON c.id = r.checkout_id
            WHERE r.payment_id = p.id AND r.state = 'refunded' AND (m.session_id IS NULL OR c.wave_session_id = m.session_id))
"""
_POST = sa.text(f"""
WITH settled AS MATERIALIZED ({_SETTLED}), wanted AS (
    SELECT s.*, t.reason, t.account, t.amount, t.reason || ':' || s.id AS once
    FROM settled s CROSS JOIN LATERAL (VALUES
        ('wave_listed', 'wave_wallet', s.gross_bututs - s.fee_bututs), ('wave_fee', 'wave_fees', s.fee_bututs)
    ) AS t (reason, account, amount)
    WHERE t.amount > 0
)
INSERT INTO ledger_transfer (at, reason, debit, credit, amount_bututs, subject, once, actor)
SELECT CAST(:now AS timestamptz), w.reason, CASE WHEN w.back THEN 'wave_receivable' ELSE w.account END,
    CASE WHEN w.back THEN w.account ELSE 'wave_receivable' END, w.amount, 'payment:' || w.payment_id, w.once, 'system'
FROM wanted w
WHERE NOT EXISTS (SELECT FROM ledger_transfer t WHERE t.once = w.once)
ORDER BY w.payment_id, w.once LIMIT :most
ON CONFLICT (once) DO NOTHING
""")  # noqa: S608 - of our own texts only


@dataclass(frozen=True)
class Span:
    from_day: date
    to_day: date


def name_payments(session: Session, span: Span) -> None:
    """Set whose each row of Wave's list is, where our books know."""
    session.execute(_NAME, {"from_day": span.from_day, "to_day": span.to_day})


def post_settled(session: Session, span: Span, *, now: datetime) -> int:
    """Post a portion of what Wave's list settles, each row once for good; 0 when nothing is left."""
    done = session.execute(_POST, {"from_day": span.from_day, "to_day": span.to_day, "now": now, "most": _AT_ONCE})
    return int(done.rowcount)  # type: ignore[attr-defined]  # an INSERT's result is a cursor result
