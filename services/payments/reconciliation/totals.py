"""What a run counted: sums by side over its days, findings by kind."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

_SUMS = sa.text("""
SELECT
    (SELECT jsonb_build_object('payments', count(*) FILTER (WHERE NOT is_reversal AND gross_bututs > 0),
        'gross', coalesce(sum(gross_bututs) FILTER (WHERE NOT is_reversal AND gross_bututs > 0), 0),
        'fees', coalesce(sum(fee_bututs), 0), 'net', coalesce(sum(gross_bututs - fee_bututs), 0),
        'refunds', coalesce(-sum(gross_bututs) FILTER (WHERE is_reversal AND gross_bututs < 0), 0))
     FROM wave_movement WHERE day BETWEEN :from_day AND :to_day) AS wave,
    (SELECT jsonb_build_object('payments', count(*), 'gross', coalesce(sum(p.amount_bututs), 0))
     FROM payment p WHERE p.paid_at >= :from_day AND p.paid_at < CAST(:to_day AS date) + 1) AS ledger,
    (SELECT coalesce(sum(r.amount_bututs), 0) FROM refund r
     WHERE r.state = 'refunded' AND r.settled_at >= :from_day AND r.settled_at < CAST(:to_day AS date) + 1) AS refunded,
    (SELECT jsonb_build_object('accounts', count(a.account_id), 'charged', coalesce(sum(CASE v.origin WHEN 'stock'
        THEN a.opening_bututs - a.balance_bututs ELSE coalesce(a.opening_bututs, a.balance_bututs) END), 0))
     FROM payment p JOIN voucher v ON v.payment_id = p.id JOIN porta_mirror a ON a.account_id = v.porta_account_id
     WHERE p.paid_at >= :from_day AND p.paid_at < CAST(:to_day AS date) + 1) AS porta,
    (SELECT coalesce(jsonb_object_agg(kind, number), '{}') FROM (
        SELECT kind, count(*) AS number FROM reconciliation_finding WHERE run_id = :run_id AND state = 'open' GROUP BY kind) AS k) AS kinds
""")


def count(session: Session, run_id: int, from_day: date, to_day: date) -> dict[str, Any]:
    """Sums in bututs. `open` is how many findings of this run are open."""
    session.flush()
    row = session.execute(_SUMS, {"run_id": run_id, "from_day": from_day, "to_day": to_day}).one()
    sums = {"wave": row.wave, "ledger": row.ledger | {"refunds": int(row.refunded)}, "porta": row.porta}
    return {"sums": sums, "kinds": row.kinds, "open": sum(row.kinds.values())}
