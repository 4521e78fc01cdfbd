"""Long reads of customers and staff for the console."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts import finding
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone, CustomerNotFound, StaffNotFound
from services.accounts.models import Customer, Device, Role, Staff
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick

_COUNTRY = "220"
# Nobody pages through more people of one name.
_NAMED = 1000
_SORTS: dict[str, Sequence[Any]] = {"newest": (col(Customer.id),)}


def list_customers(session: Session, *, actor: Principal, search: str, part: Slice) -> Listing[Customer]:
    """One page of customers; `search` is a phone number in either form, how one begins or ends, or words of a name. Raises Forbidden."""
    actor.require(Permission.CUSTOMERS_READ)
    conditions = [_found_by(session, search)] if search.strip() else []
    total, is_estimate = count(session, pick(Customer.id).where(*conditions), whole_table=None if conditions else "customer", part=part)
    if conditions and not is_estimate:
        return Listing(_few(session, conditions, part), total)
    found = fetch(session, pick(Customer).where(*conditions), part, sorts=_SORTS, default_sort="newest")
    return Listing(tuple(row[0] for row in found), total, is_estimate)


def _few(session: Session, conditions: Sequence[sa.ColumnElement[bool]], part: Slice) -> tuple[Customer, ...]:
    """First which ones: the planner takes who matches for spread evenly, and would walk through everybody to meet the newest of them."""
    # PostgreSQL plans what has an OFFSET by itself, whatever is asked of it: by the indexes of the search.
    matching = pick(Customer.id).where(*conditions).offset(0).subquery()
    ids = [row[0] for row in fetch(session, pick(matching.c.id), part, sorts={"newest": (matching.c.id,)}, default_sort="newest")]
    by_id = {customer.id: customer for customer in session.exec(select(Customer).where(col(Customer.id).in_(ids))).all()}
    return tuple(by_id[one] for one in ids)


def _found_by(session: Session, text: str) -> sa.ColumnElement[bool]:
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        customer = None
    if customer is not None:
        return col(Customer.id) == customer.id
    digits = re.sub(r"\D", "", text)
    if len(digits) >= finding.LEAST_DIGITS:
        is_international = text.strip().startswith(("+", "00")) or digits.startswith(_COUNTRY)
        return sa.or_(*(way for way, _ in finding.number_ways(digits, is_international=is_international)))
    words = finding.words_of(text)
    if digits or not words:
        return sa.false()
    # Looked up first: sorted by number, the planner would look through everybody for a rare name.
    named = pick(Customer.id).where(finding.name_has([[word] for word in words], begun=True)).limit(_NAMED)
    return col(Customer.id) == sa.func.any(sa.literal(list(finding.by_words(session, named)), sa.ARRAY(sa.BigInteger)))


@dataclass(frozen=True)
class CustomerPage:
    customer: Customer
    devices: tuple[Device, ...]
    first_seen_at: datetime


def customer_page(session: Session, *, actor: Principal, customer_id: int) -> CustomerPage:
    """Raises Forbidden or CustomerNotFound."""
    actor.require(Permission.CUSTOMERS_READ)
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise CustomerNotFound("There is no customer under that number.")
    devices = session.exec(
        select(Device).where(Device.customer_id == customer_id).order_by(col(Device.last_seen_at).desc()).limit(20)
    ).all()
    return CustomerPage(customer, tuple(devices), customer.created_at)


_STAFF_SORTS: dict[str, Sequence[Any]] = {"name": (col(Staff.name), col(Staff.id)), "seen": (col(Staff.last_login_at), col(Staff.id))}


@dataclass(frozen=True)
class StaffFilter:
    """`search` is how a name or an e-mail begins."""

    search: str = ""
    role: Role | None = None
    is_active: bool | None = None


def list_staff(session: Session, *, actor: Principal, wanted: StaffFilter, part: Slice) -> Listing[Staff]:
    """One page of the people who work with the console. Raises Forbidden."""
    actor.require(Permission.STAFF_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.role is not None:
        conditions.append(col(Staff.role) == wanted.role)
    if wanted.is_active is not None:
        conditions.append(col(Staff.is_active).is_(wanted.is_active))
    if text := wanted.search.strip().lower():
        columns = (col(Staff.email), sa.func.lower(Staff.name))
        conditions.append(sa.or_(*(column.startswith(text, autoescape=True) for column in columns)))
    found = fetch(session, pick(Staff).where(*conditions), part, sorts=_STAFF_SORTS, default_sort="name")
    total, is_estimate = count(session, pick(Staff.id).where(*conditions), part=part)
    return Listing(tuple(row[0] for row in found), total, is_estimate)


def staff_page(session: Session, *, actor: Principal, staff_id: int) -> Staff:
    """Raises Forbidden or StaffNotFound."""
    actor.require(Permission.STAFF_READ)
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise StaffNotFound
    return staff
