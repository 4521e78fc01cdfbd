"""A customer's phone number is changed from the app: a key goes to the new number, and word of it to the old one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput
from services.accounts.customers import find_customer
from services.accounts.models import Customer
from services.accounts.phones import parse_phone
from services.apps import login, texts
from services.apps.callers import Caller
from services.apps.login import Asked
from services.apps.models import KeyPurpose
from services.audit import service as audit
from services.tickets import search
from services.tickets.models import Ticket


class NumberTaken(Conflict):
    code, title = "number_taken", "That number has an account already"
    message = "That number has an account of its own. Log in with it, or delete that account first; two accounts cannot become one."


def request_key(session: Session, *, caller: Caller, phone: str, now: datetime) -> Asked:
    """Have a key sent to the new number. Whether it has an account already is told only to who holds it.

    Raises InvalidInput for the number that one has, and what `login.request_key` raises.
    """
    customer = session.get_one(Customer, caller.customer())
    if parse_phone(phone).canonical == customer.phone_e164:
        raise InvalidInput("That is your number already.", field="phone")
    return login.request_key(session, phone=phone, purpose=KeyPurpose.CHANGE_NUMBER, customer_id=customer.id, now=now)


def change_number(session: Session, *, caller: Caller, phone: str, key: str, now: datetime) -> Customer:
    """The account belongs to the new number from now on; its phones stay logged in. Repeated when it does already, nothing happens.

    Raises NumberTaken, and what `login.check_key` raises.
    """
    wanted = parse_phone(phone)
    customer = session.get_one(Customer, caller.customer(), with_for_update=True, populate_existing=True)
    if customer.phone_e164 == wanted.canonical:
        return customer
    login.check_key(session, phone, KeyPurpose.CHANGE_NUMBER, key, now=now)
    if find_customer(session, phone=phone) is not None:
        raise NumberTaken(field="phone")
    old, masked = customer.phone_e164, customer.masked_phone
    try:
        with session.begin_nested():
            customer.phone_e164, customer.legacy_e164 = wanted.canonical, wanted.legacy
    except IntegrityError:  # another account took it this very moment
        raise NumberTaken(field="phone") from None
    _tell_old_number(session, customer, old, now=now)
    # Staff find tickets by the number, so by the new one.
    for ticket in session.exec(select(Ticket).where(Ticket.customer_id == customer.id).order_by(col(Ticket.id))).all():
        search.index(session, ticket)
    audit.record(
        session,
        caller,
        "customer.change_number",
        target=("customer", customer.id),
        now=now,
        before={"phone": masked},
        after={"phone": customer.masked_phone},
    )
    return customer


def _tell_old_number(session: Session, customer: Customer, old: str, *, now: datetime) -> None:
    texts.to_number(
        session,
        old,
        event="number_changed",
        values={"number": f"..{customer.phone_e164[-4:]}"},
        dedupe_key=f"number-changed:{customer.id}:{int(now.timestamp())}",
        language=customer.language,
        now=now,
    )
