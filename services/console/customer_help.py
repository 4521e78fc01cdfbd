"""What a desk does for a customer from their own page, without a ticket: each through the service that knows how.

Only what belongs to that customer is touched, and the audit says what was done.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from app.errors import Conflict, InvalidInput, NotFound
from services.access.again import offer_again
from services.access.models import Entitlement, Grant
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.apps import phones
from services.audit import service as audit
from services.notifications.receipts import queue_gift_reminder, queue_reminder
from services.payments.models import Payment
from services.vouchers.models import Voucher
from services.vouchers.service import issue_voucher

MIN_REASON = 3


class NotTheirs(NotFound):
    code, title = "not_of_this_customer", "Not of this customer"
    message = "That does not belong to this customer. Open its own page instead."


class NotTextedAgain(Conflict):
    code, title = "not_texted_again", "Not sent again"
    message = "It was sent within the last quarter of an hour, or there is no way to the customer. Try again later, or tell it them."


class CustomerGone(Conflict):
    code, title = "customer_gone", "The customer is gone"
    message = "This customer deleted their account. Nothing can be done for it any more."


def let_in_again(session: Session, *, actor: Principal, customer_id: int, entitlement_id: int, now: datetime) -> Grant:
    """Have the router that the customer's device stood before last asked to let it in, for the time that is left.

    Raises Forbidden, CustomerNotFound, CustomerGone, NotTheirs, NowhereToLetIn or NoTimeLeft.
    """
    actor.require(Permission.ACCESS_GRANT)
    actor.require(Permission.CUSTOMERS_READ)
    _standing(session, customer_id)
    entitlement = session.get(Entitlement, entitlement_id)
    if entitlement is None or entitlement.customer_id != customer_id:
        raise NotTheirs
    grant = offer_again(session, entitlement, by=actor.label, now=now)
    audit.record(session, actor, "entitlement.let_in", target=("entitlement", entitlement_id), now=now, after={"customer": customer_id})
    return grant


def text_code_again(session: Session, *, actor: Principal, customer_id: int, reference: str, now: datetime) -> None:
    """Text the receipt code of a payment once more; of a gift, the voucher's code. At most once in a quarter of an hour.

    Raises Forbidden, CustomerNotFound, CustomerGone, NotTheirs or NotTextedAgain.
    """
    actor.require(Permission.TICKETS_REPLY)
    actor.require(Permission.PAYMENTS_READ)
    _standing(session, customer_id)
    payment = session.exec(select(Payment).where(Payment.reference == reference.upper())).one_or_none()
    if payment is None or payment.customer_id != customer_id or payment.paid_at is None:
        raise NotTheirs
    if payment.is_gift:
        is_sent = queue_gift_reminder(session, payment=payment, now=now)
    else:
        is_sent = queue_reminder(session, customer_id=customer_id, references=[payment.reference], now=now)
    if not is_sent:
        raise NotTextedAgain
    audit.record(session, actor, "payment.receipt", target=("payment", payment.reference), now=now, after={"customer": customer_id})


def give_voucher(
    session: Session, *, actor: Principal, customer_id: int, package_id: str, reason: str, now: datetime
) -> tuple[Voucher, str]:
    """Make a voucher for the customer, with its code for this one time.

    Raises Forbidden, CustomerNotFound, CustomerGone, PackageNotFound, or InvalidInput without a reason.
    """
    actor.require(Permission.VOUCHERS_ISSUE)
    customer = _standing(session, customer_id)
    said = reason.replace("\x00", "").strip()
    if len(said) < MIN_REASON:
        raise InvalidInput("Say in a few words why.", field="reason")
    return issue_voucher(session, actor=actor, package_id=package_id, phone=customer.phone_e164, note=said[:200], now=now)


def log_out_everywhere(session: Session, *, actor: Principal, customer_id: int, now: datetime) -> int:
    """Log out every phone that is logged in with the app, for whoever lost theirs. Answers how many. Raises Forbidden."""
    standing = phones.phones_of_customer(session, actor=actor, customer_id=customer_id)
    for phone in standing:
        phones.log_out_of_customer(session, actor=actor, customer_id=customer_id, phone_id=phone.id, now=now)
    return len(standing)


def _standing(session: Session, customer_id: int) -> Customer:
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise CustomerNotFound("There is no customer under that number.")
    if customer.erased_at is not None:
        raise CustomerGone
    return customer
