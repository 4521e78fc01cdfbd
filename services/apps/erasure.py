"""Delete my account: the person goes, and what the books and the desk need stays without them.

The customer's row stays with a made-up number, because payments, vouchers and tickets stand on it. Nothing of it leads back: numbers,
names, devices, addresses, words and files go in one transaction (services/apps/erasing.py, services/tickets/forgetting.py). The real number
is nobody's then, and may be a new customer at once.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlmodel import Session

from app.db import after_commit
from app.errors import Conflict
from services.accounts.models import Customer
from services.apps import erasing, login, scrubbing, unspent
from services.apps.callers import Caller
from services.apps.login import Asked
from services.apps.models import KeyPurpose
from services.audit import service as audit
from services.tickets import forgetting
from services.tickets.changes import By

log = structlog.get_logger(__name__)


class PaymentUnderWay(Conflict):
    code, title = "payment_under_way", "A payment is under way"
    message = "One of your payments is not finished yet. Wait until it is, or until it has expired, then delete your account."


class TimeUnspent(Conflict):
    code, title = "time_unspent", "You have Wi-Fi that you paid for"
    message = "You have time or vouchers left. Use them or give them to somebody first, or say that you give them up."


def request_key(session: Session, caller: Caller, *, now: datetime) -> Asked:
    """Have a key sent to the customer's own number. Raises Forbidden for a technician's phone, TooMany, or Unavailable without Redis."""
    customer = session.get_one(Customer, caller.customer())
    return login.request_key(session, phone=customer.phone_e164, purpose=KeyPurpose.DELETE_ACCOUNT, customer_id=customer.id, now=now)


def erase(session: Session, caller: Caller, *, key: str, give_up_time: bool = False, now: datetime) -> None:
    """Delete the caller's account. Done already, nothing happens.

    Raises Forbidden for a technician's phone, PaymentUnderWay, TimeUnspent, and what `login.check_key` raises.
    """
    customer = session.get_one(Customer, caller.customer(), with_for_update=True, populate_existing=True)
    if customer.erased_at is not None:
        return
    assert customer.id is not None
    is_time_left = refuse_while_open(session, customer.id, gives_up_time=give_up_time, now=now)
    login.check_key(session, customer.phone_e164, KeyPurpose.DELETE_ACCOUNT, key, now=now)
    carry_out(session, customer, who=By(caller.label), now=now)
    audit.record(session, caller, "customer.erase", target=("customer", customer.id), now=now, after={"gave_up_time": is_time_left})


def refuse_while_open(session: Session, customer_id: int, *, gives_up_time: bool, now: datetime) -> bool:
    """Whether paid time or codes are left, which are given up. Raises PaymentUnderWay, or TimeUnspent unless they are given up."""
    if unspent.is_payment_under_way(session, customer_id):
        raise PaymentUnderWay
    is_time_left = unspent.is_time_left(session, customer_id, now=now)
    if is_time_left and not gives_up_time:
        raise TimeUnspent(field="give_up_time")
    return is_time_left


def carry_out(session: Session, customer: Customer, *, who: By, now: datetime) -> None:
    """Take the person out of everything. The customer's row is locked; whether it may be done was asked (`refuse_while_open`)."""
    assert customer.id is not None
    known_by = scrubbing.traces(session, customer)
    unspent.give_up(session, customer.id, now=now)
    tickets = forgetting.forget(session, customer, who=who, now=now)
    scrubbing.scrub(session, customer.id, tickets, known_by)
    erasing.wipe(session, customer, tickets, now=now)
    customer_id = customer.id
    # A back-up from before brings the person back: the log says who has to be erased once more (docs/personal-data.md).
    after_commit(session, lambda: log.warning("customer.erased", customer_id=customer_id))
