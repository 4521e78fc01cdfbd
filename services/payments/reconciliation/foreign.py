"""Money at Wave that no purchase of ours knows: held in suspense, or given to the customer of that phone as a voucher."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from services.accounts import customers
from services.accounts.errors import BadPhone
from services.accounts.permissions import Principal
from services.notifications.service import Recipient, tell
from services.packages import service as packages
from services.payments.clearing.models import LedgerAccount as A
from services.payments.clearing.models import TransferReason as R
from services.payments.clearing.posting import post
from services.payments.reconciliation.errors import CannotBeMended
from services.payments.reconciliation.models import ReconciliationFinding, WaveMovement
from services.vouchers import service as vouchers

EARN_AT_ONCE = 200


def hold_in_suspense(session: Session, finding: ReconciliationFinding, actor: Principal, now: datetime) -> str:
    """The money is in the wallet, and stands in suspense until somebody names it."""
    movement = _movement(session, finding)
    _take_in(session, movement, actor, now)
    return "The money is held in suspense until somebody can name it."


def give_credit(session: Session, finding: ReconciliationFinding, actor: Principal, now: datetime) -> str:
    """A voucher of the package at that price for the customer of that phone, and a text with its code.

    Raises Forbidden, or CannotBeMended when there is no such customer or package any more.
    """
    movement = _movement(session, finding)
    offer = next((one for one in packages.offers(session) if one.terms.amount_bututs == movement.gross_bututs), None)
    phone = movement.counterparty_mobile or ""
    try:
        customer = customers.find_customer(session, phone=phone)
    except BadPhone:
        customer = None
    if offer is None or customer is None:
        raise CannotBeMended("No package costs this sum now, or no customer has that number. Run that day again for another proposal.")
    note = f"Money received by Wave without a purchase ({movement.id})"
    voucher, code = vouchers.issue_voucher(session, actor=actor, package_id=offer.public_id, phone=phone, note=note, now=now)
    _take_in(session, movement, actor, now)
    subject = _subject(movement)
    post(
        session,
        R.CREDITED,
        A.SUSPENSE,
        A.UNEARNED_ACCESS,
        movement.gross_bututs,
        subject=subject,
        once=f"credited:{subject}",
        actor=actor.label,
        now=now,
    )
    finding.voucher_id = voucher.id
    tell(
        session,
        event="voucher_given",
        to=Recipient(customer_id=customer.id),
        values={"package": offer.terms.name, "code": code, "until": f"{voucher.use_before:%d.%m.%Y}"},
        dedupe_key=f"foreign:{movement.id}",
        now=now,
    )
    return f"{customer.masked_phone} was given a voucher of {offer.terms.name}, and is texted its code."


def _movement(session: Session, finding: ReconciliationFinding) -> WaveMovement:
    movement = session.get(WaveMovement, finding.movement_id, with_for_update=True, populate_existing=True) if finding.movement_id else None
    if movement is None or movement.payment_id is not None or movement.gross_bututs <= 0:
        raise CannotBeMended("This money belongs to a purchase by now. Run that day again.")
    return movement


def _take_in(session: Session, movement: WaveMovement, actor: Principal, now: datetime) -> None:
    subject = _subject(movement)
    for account, amount, reason in ((A.WAVE_WALLET, movement.net_bututs, R.FOREIGN), (A.WAVE_FEES, movement.fee_bututs, R.WAVE_FEE)):
        if amount > 0:
            once = f"{reason}:{movement.id}"
            post(session, reason, account, A.SUSPENSE, amount, subject=subject, once=once, actor=actor.label, now=now)
    session.flush()


def _subject(movement: WaveMovement) -> str:
    return f"wave:{movement.id}"


_EARN = sa.text("""
INSERT INTO ledger_transfer (at, reason, debit, credit, amount_bututs, subject, once, actor)
SELECT CAST(:now AS timestamptz), 'earned', 'unearned_access', 'sales', -o.balance_bututs, o.subject, 'earned:' || o.subject, 'system'
FROM ledger_open o
JOIN reconciliation_finding f ON f.movement_id = substr(o.subject, 6) AND f.voucher_id IS NOT NULL
JOIN entitlement e ON e.voucher_id = f.voucher_id
WHERE o.account = 'unearned_access' AND o.subject LIKE 'wave:%' AND e.state = 'running'
LIMIT :most
ON CONFLICT (once) DO NOTHING
""")


def earn(session: Session, *, now: datetime) -> None:
    """What was given for foreign money is earned once its voucher runs; what is never used lapses (clearing/lapse.py)."""
    session.execute(_EARN, {"now": now, "most": EARN_AT_ONCE})
