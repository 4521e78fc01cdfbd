"""Why an item stands open on a clearing account: the rules of what is on its way. What fits none of them is unexplained, and loud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session

from services.access.models import Entitlement, EntitlementState
from services.payments.clearing.known import Known, known_of
from services.payments.clearing.models import LedgerAccount, LedgerOpen
from services.payments.models import TO_BE_SERVED, Payment, PaymentStatus, Refund, RefundState
from services.payments.reconciliation.models import ReconciliationFinding
from services.vouchers.models import VoucherState

A = LedgerAccount
# Wave's list of a day is whole the day after.
_LISTED_WITHIN = timedelta(days=2)
# The sweep that lets unused access lapse comes every hour.
_LAPSES_WITHIN = timedelta(hours=2)
_S = PaymentStatus


@dataclass(frozen=True)
class Explanation:
    """`words` say why it is open. `todo` is what a person can do, empty where time alone settles it; `target` is what to open for that."""

    words: str
    is_explained: bool
    todo: str = ""
    target: tuple[str, str] | None = None

    @property
    def needs_person(self) -> bool:
        return bool(self.todo)


def explain(session: Session, items: Sequence[LedgerOpen], *, now: datetime) -> tuple[Explanation, ...]:
    """One explanation for each item, in their order; everything they refer to is read in one go."""
    known = known_of(session, items)
    return tuple(_RULES[item.account](item, known, now) for item in items)


def _unexplained(why: str, known: Known, item: LedgerOpen, *, todo: str = "Find out what happened to it.") -> Explanation:
    return Explanation(why, False, todo, _target(known, item))


def _target(known: Known, item: LedgerOpen) -> tuple[str, str] | None:
    payment, voucher = known.payment(item.subject), known.voucher(item.subject)
    if payment is not None:
        return "payment", payment.reference
    return ("voucher", str(voucher.id)) if voucher is not None else None


def _of(finding: ReconciliationFinding, known: Known) -> Explanation:
    """Reconciliation found it; it has a reason as soon as it is somebody's."""
    who = known.assignee(finding)
    found = f"Reconciliation found it: {finding.kind.value.replace('_', ' ')}"
    if who is None:
        return Explanation(f"{found}. Nobody looks after it yet.", False, "Assign or decide the finding.", ("finding", str(finding.id)))
    return Explanation(f"{found}. {who} looks after it.", True, "Decide the finding.", ("finding", str(finding.id)))


def _receivable(item: LedgerOpen, known: Known, now: datetime) -> Explanation:
    if known.payment(item.subject) is None:
        return _unexplained("No payment of ours belongs to it.", known, item)
    finding = known.finding(item.subject)
    if finding is not None:
        return _of(finding, known)
    day = item.since.date()
    what = "a refund" if item.balance_bututs < 0 else "a payment"
    if not known.was_reconciled(day):
        todo = "" if now - item.since < _LISTED_WITHIN else f"Reconcile {_day(day)}."
        return Explanation(f"Wave's list of {_day(day)} has not been read yet.", True, todo, ("reconciliation", day.isoformat()))
    if now - item.since < _LISTED_WITHIN:
        return Explanation(f"Wave's list of {_day(day)} did not show {what} yet; the next one is looked through for it too.", True)
    return _unexplained(f"Wave's list of {_day(day)} does not show {what} of this sum.", known, item, todo="Ask Wave, or reconcile again.")


def _unearned(item: LedgerOpen, known: Known, now: datetime) -> Explanation:
    payment = known.payment(item.subject)
    if payment is not None:
        return _unearned_payment(item, payment, known, now)
    voucher = known.voucher(item.subject)
    if voucher is None:
        return _unexplained("Nothing that was sold belongs to it.", known, item)
    entitlement = known.entitlement_of_voucher(voucher)
    if entitlement is not None:
        return _waiting(item, entitlement, known, now)
    if voucher.state in (VoucherState.EXPIRED, VoucherState.USED) or now >= voucher.use_before:
        return _lapsing(item, voucher.use_before, known, now)
    blocked = "blocked, and " if voucher.state is VoucherState.BLOCKED else ""
    return Explanation(f"A credit, {blocked}not used yet; may be used until {_day(voucher.use_before)}.", True, "", _target(known, item))


def _unearned_payment(item: LedgerOpen, payment: Payment, known: Known, now: datetime) -> Explanation:
    target = ("payment", payment.reference)
    if payment.status is _S.ATTENTION:
        return Explanation(f"Needs a person: {payment.reason or 'it stopped'}", True, "Open the payment and decide.", target)
    if payment.status in TO_BE_SERVED:
        if not _is_worked_on(payment, now):
            return _unexplained("Paid, and nobody is working on it.", known, item, todo="Retry the payment.")
        return Explanation(payment.reason or "Paid a moment ago; access is on its way.", True, "", target)
    entitlement = known.entitlement_of_payment(payment)
    if payment.status is _S.ACCESS_GRANTED and entitlement is not None:
        return _waiting(item, entitlement, known, now)
    return _unexplained(f"The payment is {payment.status.value.replace('_', ' ')}, and its sum was not earned.", known, item)


def _waiting(item: LedgerOpen, entitlement: Entitlement, known: Known, now: datetime) -> Explanation:
    if entitlement.state is EntitlementState.READY and now < entitlement.use_before:
        return Explanation(f"Not started yet; may be started until {_day(entitlement.use_before)}.", True, "", _target(known, item))
    if entitlement.state is EntitlementState.RUNNING:
        return _unexplained("In use, and its sum was not earned.", known, item)
    return _lapsing(item, min(entitlement.use_before, now), known, now)


def _lapsing(item: LedgerOpen, due: datetime, known: Known, now: datetime) -> Explanation:
    if now - due < _LAPSES_WITHIN:
        return Explanation("Its time has passed unused; it lapses within the hour.", True, "", _target(known, item))
    return _unexplained(f"Its time passed on {_day(due)}, and it did not lapse.", known, item)


def _charge(item: LedgerOpen, known: Known, now: datetime) -> Explanation:
    payment = known.payment(item.subject)
    if payment is None:
        return _unexplained("No payment of ours belongs to it.", known, item)
    finding = known.finding(item.subject)
    if finding is not None:
        return _of(finding, known)
    voucher = known.voucher(item.subject)
    said = f": {voucher.porta_error}" if voucher is not None and voucher.porta_error else "."
    words = f"PortaBilling has not been charged yet, since {_moment(item.since)}{said}"
    if payment.status is _S.ATTENTION:
        return Explanation(words, True, "Open the payment and decide.", ("payment", payment.reference))
    is_owed = voucher is not None and voucher.porta_next_attempt_at is not None
    if is_owed or (payment.status in TO_BE_SERVED and _is_worked_on(payment, now)):
        return Explanation(words, True, "", ("payment", payment.reference))
    return _unexplained("PortaBilling was not charged, and nothing is under way that would.", known, item)


def _refund(item: LedgerOpen, known: Known, now: datetime) -> Explanation:
    payment, refunds = known.payment(item.subject), known.refunds(item.subject)
    if payment is None:
        return _unexplained("No payment of ours belongs to it.", known, item)
    sending = [refund for refund in refunds if refund.state is RefundState.REQUESTED]
    failed = [refund for refund in refunds if refund.state is RefundState.FAILED]
    # Each refund gives back the whole sum of one session.
    if -item.balance_bututs != sum(refund.amount_bututs for refund in (*sending, *failed)):
        return _unexplained("What is owed to the customer is not what is being given back.", known, item)
    target = ("payment", payment.reference)
    if failed:
        return Explanation(f"Wave refused to give it back{_why(payment)}", True, "Send it again, or pay it out another way.", target)
    if any(refund.next_attempt_at is None for refund in sending):
        return _unexplained("Promised to the customer, and nobody is sending it.", known, item)
    return Explanation(f"On its way to Wave since {_moment(_oldest(sending))}{_tries(sending)}.", True, "", target)


def _why(payment: Payment) -> str:
    return f": {payment.reason}" if payment.reason else "."


def _oldest(refunds: Sequence[Refund]) -> datetime:
    return min(refund.decided_at or refund.created_at for refund in refunds)


def _tries(refunds: Sequence[Refund]) -> str:
    most = max(refund.attempts for refund in refunds)
    return f", tried {most} times" if most > 1 else ""


def _suspense(item: LedgerOpen, known: Known, _: datetime) -> Explanation:
    movement = known.movement(item.subject)
    if movement is None:
        return _unexplained("No row of Wave's list belongs to it.", known, item)
    payer = f" of {_masked(movement.counterparty_mobile)}" if movement.counterparty_mobile else ""
    finding = known.finding(item.subject)
    target = ("finding", str(finding.id)) if finding is not None else ("reconciliation", movement.day.isoformat())
    who = known.assignee(finding) if finding is not None else None
    given = f" {who} looks after it." if who else " Nobody looks after it yet."
    words = f"Foreign money{payer}, in Wave's list of {_day(movement.day)}.{given}"
    return Explanation(words, True, "Find its customer, or give it as credit.", target)


_RULES = {
    A.WAVE_RECEIVABLE: _receivable,
    A.UNEARNED_ACCESS: _unearned,
    A.PORTABILLING_CHARGE: _charge,
    A.REFUNDS: _refund,
    A.SUSPENSE: _suspense,
}


def _is_worked_on(payment: Payment, now: datetime) -> bool:
    return payment.next_attempt_at is not None or (payment.lease_until is not None and payment.lease_until > now)


def _masked(phone: str) -> str:
    return f"{phone[:4]} ••• {phone[-4:]}"


def _day(at: date | datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b %H:%M}"
