"""The comparisons, each one question over sets: which rows of the three sides do not agree, with what each of them shows.

Parameters: `from_day`, `to_day`; `since`, the moment from which a row counts as shown; `young`, before which both sides must have been;
`whole`, the days whose list at Wave was read to its end.
"""

from __future__ import annotations

from services.payments.reconciliation.models import FindingKind as K
from services.payments.reconciliation.models import Fix as F

# What an account was charged: a voucher's opening balance, of the stock what was taken of it.
_CHARGED = "CASE v.origin WHEN 'stock' THEN a.opening_bututs - a.balance_bututs ELSE coalesce(a.opening_bututs, a.balance_bututs) END"
_WAVE = """jsonb_strip_nulls(jsonb_build_object('transaction', m.id, 'type', m.type, 'day', m.day, 'shown_at', m.at,
    'gross_bututs', m.gross_bututs, 'fee_bututs', m.fee_bututs, 'net_bututs', m.gross_bututs - m.fee_bututs,
    'currency', nullif(m.currency, 'GMD'), 'checkout', m.session_id, 'our_reference', m.client_reference,
    'phone', '••• ' || right(m.counterparty_mobile, 4)))"""
_LEDGER = """jsonb_strip_nulls(jsonb_build_object('payment', p.reference, 'state', p.status, 'amount_bututs', p.amount_bututs,
    'created_at', p.created_at, 'paid_at', p.paid_at, 'transaction', p.wave_transaction_id))"""
_PORTA = f"""CASE WHEN a.account_id IS NULL THEN '{{}}'::jsonb ELSE jsonb_strip_nulls(jsonb_build_object('account_number', a.i_account,
    'opening_bututs', a.opening_bututs, 'balance_bututs', a.balance_bututs, 'charged_bututs', {_CHARGED}, 'is_blocked', a.is_blocked,
    'batch', a.batch, 'seen_at', a.seen_at)) END"""
_EVIDENCE = f"jsonb_build_object('wave', {_WAVE}, 'ledger', {_LEDGER}, 'porta', {_PORTA})"
_VOUCHER = "LEFT JOIN voucher v ON v.payment_id = p.id LEFT JOIN porta_mirror a ON a.account_id = v.porta_account_id"
_LISTED = "m.day BETWEEN :from_day AND :to_day AND m.seen_at >= :since AND coalesce(m.at, m.seen_at) < :young"
_BACK_HERE = """EXISTS (SELECT FROM refund r JOIN checkout c ON c.id = r.checkout_id WHERE r.payment_id = p.id AND r.state = 'refunded'
    AND (m.session_id IS NULL OR c.wave_session_id = m.session_id))"""
_KNOWN = """(p.wave_transaction_id IS NOT DISTINCT FROM m.id
    OR EXISTS (SELECT FROM checkout c WHERE c.transaction_id = m.id AND c.payment_id = p.id))"""


def _row(key: str, kind: K, day: str, fix: F, *, wave: str, ledger: str, porta: str, evidence: str, joins: str, movement: str) -> str:
    return f"""
SELECT {key} AS key, '{kind}' AS kind, {day} AS day, p.id AS payment_id, v.id AS voucher_id, {movement} AS movement_id, {wave} AS wave,
    {ledger} AS ledger, {porta} AS porta, {evidence} AS evidence, '{fix}' AS fix
FROM {joins}"""  # noqa: S608 - of our own texts only


def _of_movement(kind: K, fix: F, where: str) -> str:
    return _row(
        f"'{kind}:' || m.id",
        kind,
        "m.day",
        fix,
        wave="m.gross_bututs",
        ledger="CASE WHEN m.is_reversal THEN -p.amount_bututs ELSE p.amount_bututs END",
        porta=_CHARGED,
        evidence=_EVIDENCE,
        movement="m.id",
        joins=f"wave_movement m LEFT JOIN payment p ON p.id = m.payment_id {_VOUCHER} WHERE {_LISTED} AND {where}",
    )


FOREIGN_PAYMENT = _of_movement(K.FOREIGN_PAYMENT, F.HOLD_IN_SUSPENSE, "NOT m.is_reversal AND m.gross_bututs > 0 AND m.payment_id IS NULL")
WRONG_AMOUNT = _of_movement(
    K.WRONG_AMOUNT,
    F.LOOK,
    f"""p.id IS NOT NULL AND (
        m.gross_bututs <> CASE WHEN m.is_reversal THEN -p.amount_bututs ELSE p.amount_bututs END
        OR m.currency <> p.currency
        OR EXISTS (SELECT FROM ledger_transfer t
            WHERE t.once = 'wave_listed:' || m.id AND t.amount_bututs <> abs(m.gross_bututs - m.fee_bututs))
    ) AND (NOT m.is_reversal OR {_BACK_HERE})""",
)
PAID_AT_WAVE_ONLY = _of_movement(
    K.PAID_AT_WAVE_ONLY,
    F.ASK_WAVE,
    f"NOT m.is_reversal AND p.id IS NOT NULL AND m.gross_bututs = p.amount_bututs AND m.currency = p.currency AND NOT {_KNOWN}",
)
REFUND_AT_WAVE_ONLY = _of_movement(
    K.REFUND_AT_WAVE_ONLY,
    F.RECORD_REFUND,
    f"m.is_reversal AND m.gross_bututs < 0 AND (p.id IS NULL OR NOT {_BACK_HERE})",
)
# Its row at Wave is of the day of its making, or of the next when it was paid over midnight: both lists must have been read to their ends.
PAID_HERE_ONLY = _row(
    f"'{K.PAID_HERE_ONLY}:' || k.tx",
    K.PAID_HERE_ONLY,
    "p.created_at::date",
    F.ASK_WAVE,
    wave="NULL::bigint",
    ledger="p.amount_bututs",
    porta=_CHARGED,
    evidence=f"""jsonb_build_object('ledger', {_LEDGER} || jsonb_build_object('transaction', k.tx), 'porta', {_PORTA},
        'wave', jsonb_strip_nulls(jsonb_build_object('row', 'not in the list', 'was_shown_until', m.seen_at)))""",
    movement="m.id",
    joins=f"""(
        SELECT id, wave_transaction_id AS tx FROM payment
        WHERE created_at >= :from_day AND created_at < CAST(:to_day AS date) + 1 AND paid_at < :young
        UNION
        SELECT p.id, c.transaction_id FROM payment p JOIN checkout c ON c.payment_id = p.id
        WHERE p.created_at >= :from_day AND p.created_at < CAST(:to_day AS date) + 1 AND p.paid_at < :young AND c.transaction_id IS NOT NULL
    ) AS k
    JOIN payment p ON p.id = k.id
    LEFT JOIN wave_movement m ON m.id = k.tx {_VOUCHER}
    WHERE CASE WHEN m.id IS NULL
        THEN p.created_at::date = ANY(:whole) AND least(p.paid_at, p.created_at + interval '1 day')::date = ANY(:whole)
        ELSE m.day = ANY(:whole) AND m.seen_at < :since END""",  # noqa: S608 - of our own texts only
)
REFUND_HERE_ONLY = _row(
    f"'{K.REFUND_HERE_ONLY}:' || r.id",
    K.REFUND_HERE_ONLY,
    "r.settled_at::date",
    F.SEND_REFUND,
    wave="NULL::bigint",
    ledger="-r.amount_bututs",
    porta="NULL::bigint",
    evidence=f"""jsonb_build_object('ledger', {_LEDGER} || jsonb_build_object('refunded_bututs', r.amount_bututs,
        'refunded_at', r.settled_at, 'asked_by', r.asked_by), 'porta', {_PORTA},
        'wave', jsonb_build_object('row', 'no refund in the list', 'checkout', c.wave_session_id))""",
    movement="NULL::text",
    joins=f"""refund r JOIN payment p ON p.id = r.payment_id JOIN checkout c ON c.id = r.checkout_id {_VOUCHER}
    WHERE r.state = 'refunded' AND r.settled_at >= :from_day AND r.settled_at < CAST(:to_day AS date) + 1 AND r.settled_at < :young
        AND r.created_at::date = ANY(:whole) AND r.settled_at::date = ANY(:whole)
        AND NOT EXISTS (SELECT FROM wave_movement m WHERE m.payment_id = p.id AND m.is_reversal AND m.gross_bututs < 0
            AND (m.session_id IS NULL OR m.session_id = c.wave_session_id) AND (m.seen_at >= :since OR m.day <> ALL(:whole)))""",
)
_CHARGED_HERE = """EXISTS (SELECT FROM payment_event e WHERE e.payment_id = p.id AND e.kind = 'charged' AND e.at < :young)
    AND p.paid_at >= :from_day AND p.paid_at < CAST(:to_day AS date) + 1"""


def _of_charge(kind: K, fix: F, where: str) -> str:
    return _row(
        f"'{kind}:' || p.id",
        kind,
        "p.paid_at::date",
        fix,
        wave="m.gross_bututs",
        ledger="p.amount_bututs",
        porta=_CHARGED,
        evidence=f"""jsonb_build_object('ledger', {_LEDGER}, 'porta', {_PORTA},
            'wave', CASE WHEN m.id IS NULL THEN '{{}}'::jsonb ELSE {_WAVE} END)""",
        movement="m.id",
        joins=f"""payment p JOIN voucher v ON v.payment_id = p.id LEFT JOIN porta_mirror a ON a.account_id = v.porta_account_id
        LEFT JOIN wave_movement m ON m.id = p.wave_transaction_id WHERE {_CHARGED_HERE} AND {where}""",
    )


CHARGE_MISSING = _of_charge(K.CHARGE_MISSING, F.ISSUE_AGAIN, "(a.account_id IS NULL OR a.seen_at < :since)")
CHARGE_DIFFERS = _of_charge(K.CHARGE_DIFFERS, F.LOOK, f"a.seen_at >= :since AND {_CHARGED} <> p.amount_bututs")


def _without_wave(ledger: str) -> str:
    return f"jsonb_build_object('wave', '{{}}'::jsonb, 'ledger', {ledger}, 'porta', {_PORTA})"


FOREIGN_ACCOUNT = _row(
    f"'{K.FOREIGN_ACCOUNT}:' || a.i_account",
    K.FOREIGN_ACCOUNT,
    "CAST(:to_day AS date)",
    F.LOOK,
    wave="NULL::bigint",
    ledger="NULL::bigint",
    porta="coalesce(a.opening_bututs, a.balance_bututs)",
    evidence=_without_wave("'{}'::jsonb"),
    movement="NULL::text",
    # The account of a payment whose voucher was lost is not foreign: the lost row is the finding.
    joins="""porta_mirror a LEFT JOIN voucher v ON v.porta_account_id = a.account_id
    LEFT JOIN payment p ON a.account_id LIKE 'inet-%' AND p.reference = upper(substr(a.account_id, 6))
    WHERE a.seen_at >= :since AND v.id IS NULL AND p.id IS NULL""",
)
NOT_BLOCKED = _row(
    f"'{K.NOT_BLOCKED}:' || v.id",
    K.NOT_BLOCKED,
    "CAST(:to_day AS date)",
    F.BLOCK_ACCOUNT,
    wave="NULL::bigint",
    ledger="p.amount_bututs",
    porta=_CHARGED,
    evidence=_without_wave(
        """jsonb_strip_nulls(jsonb_build_object('voucher', v.id, 'state', v.state, 'used_at', v.used_at,
            'blocked_there_at', v.porta_blocked_at, 'payment', p.reference))"""
    ),
    movement="NULL::text",
    # One that is owed its block is on its way, for an hour.
    joins="""porta_mirror a JOIN voucher v ON v.porta_account_id = a.account_id LEFT JOIN payment p ON p.id = v.payment_id
    WHERE a.seen_at >= :since AND NOT a.is_blocked AND v.state IN ('used', 'blocked') AND v.use_before > :since
        AND (v.porta_blocked_at < :young OR (v.porta_blocked_at IS NULL
            AND (v.porta_next_attempt_at IS NULL OR v.used_at < CAST(:young AS timestamptz) - interval '1 hour')))
        AND (v.used_at IS NULL OR v.used_at < :young)""",
)
OF_WAVE = (FOREIGN_PAYMENT, WRONG_AMOUNT, PAID_AT_WAVE_ONLY, REFUND_AT_WAVE_ONLY, PAID_HERE_ONLY, REFUND_HERE_ONLY)
OF_PORTA = (CHARGE_MISSING, CHARGE_DIFFERS, NOT_BLOCKED, FOREIGN_ACCOUNT)
# These say something of a side that was not read whole only where it was seen.
OF_PORTA_SEEN = (CHARGE_DIFFERS, NOT_BLOCKED, FOREIGN_ACCOUNT)
WAVE_KINDS = (K.FOREIGN_PAYMENT, K.WRONG_AMOUNT, K.PAID_AT_WAVE_ONLY, K.REFUND_AT_WAVE_ONLY, K.PAID_HERE_ONLY, K.REFUND_HERE_ONLY)
CHARGE_KINDS = (K.CHARGE_MISSING, K.CHARGE_DIFFERS)
# What PortaBilling holds now, whatever day is compared.
NOW_KINDS = (K.NOT_BLOCKED, K.FOREIGN_ACCOUNT)
