"""What people want: opting out and in, quiet hours, and the link in a mail that ends mails (RFC 8058)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import InvalidInput, NotFound
from app.keys import BadSeal, keyed_macs, seal, seal_json, unseal_json
from app.settings import get_settings
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications.models import ContactPreference, Medium, Notification, Urgency
from services.notifications.service import ADDRESS

ADDRESS_MAC = "contact-address"
UNSUBSCRIBE_PATH = "/mail/stop"
_WAY_OUT = "mail-stop"
_STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "arret", "arreter"})
_START = frozenset({"start", "unstop", "yes"})


class NoSuchLink(NotFound):
    code, title = "no_such_link", "That link is not ours"
    message = "The link is not whole, or not ours. Open it once more from the mail itself."


class BadQuietHours(InvalidInput):
    code, title = "bad_quiet_hours", "Those quiet hours would not work"
    message = "Quiet hours have a beginning and an end, and the two differ."


def of_address(session: Session, address: str) -> ContactPreference | None:
    """What was said for a mail address that belongs to no customer."""
    macs = keyed_macs(ADDRESS_MAC, _normal(address))
    wanted = select(ContactPreference).where(col(ContactPreference.address_mac).in_(macs)).execution_options(populate_existing=True)
    return session.exec(wanted).first()


def of_customer(session: Session, customer_id: int) -> dict[Medium, ContactPreference]:
    wanted = select(ContactPreference).where(ContactPreference.customer_id == customer_id).execution_options(populate_existing=True)
    return {preference.medium: preference for preference in session.exec(wanted).all()}


def of_staff(session: Session, staff_id: int) -> dict[Medium, ContactPreference]:
    wanted = select(ContactPreference).where(ContactPreference.staff_id == staff_id).execution_options(populate_existing=True)
    return {preference.medium: preference for preference in session.exec(wanted).all()}


def for_pushes(session: Session, messages: Iterable[Notification]) -> dict[tuple[int | None, int | None], ContactPreference]:
    """What the people of these messages say of pushes, by (customer, staff)."""
    customers, staff = ({getattr(one, name) for one in messages} - {None} for name in ("customer_id", "staff_id"))
    if not customers and not staff:
        return {}
    theirs = sa.or_(col(ContactPreference.customer_id).in_(customers), col(ContactPreference.staff_id).in_(staff))
    found = session.exec(
        select(ContactPreference).where(theirs, ContactPreference.medium == Medium.PUSH).execution_options(populate_existing=True)
    ).all()
    return {(one.customer_id, one.staff_id): one for one in found}


def opt_out(
    session: Session,
    *,
    customer_id: int | None = None,
    staff_id: int | None = None,
    address: str | None = None,
    medium: Medium,
    by: str,
    now: datetime,
) -> None:
    """The person wants no more of this medium. The first to say so stays on record."""
    _write(session, customer_id, address, medium, {"opted_out_at": now, "opted_out_by": by[:120]}, staff_id=staff_id, only_if_in=True)


def opt_in(
    session: Session, *, customer_id: int | None = None, staff_id: int | None = None, address: str | None = None, medium: Medium
) -> None:
    _write(session, customer_id, address, medium, {"opted_out_at": None, "opted_out_by": None}, staff_id=staff_id)


def set_quiet_hours(
    session: Session, *, customer_id: int | None = None, staff_id: int | None = None, medium: Medium, begin: time | None, end: time | None
) -> None:
    """Both None: the usual hours. Raises BadQuietHours."""
    if (begin is None) != (end is None) or (begin is not None and begin == end):
        raise BadQuietHours
    _write(session, customer_id, None, medium, {"quiet_from": begin, "quiet_until": end}, staff_id=staff_id)


def change_by_staff(session: Session, *, actor: Principal, customer_id: int, medium: Medium, wants: bool, now: datetime) -> None:
    """Staff notes what a customer said by phone or in person. Raises Forbidden."""
    actor.require(Permission.NOTIFICATIONS_EDIT)
    if wants:
        opt_in(session, customer_id=customer_id, medium=medium)
    else:
        opt_out(session, customer_id=customer_id, medium=medium, by=actor.label, now=now)
    audit.record(
        session, actor, "preference.change", target=("customer", str(customer_id)), now=now, after={"medium": medium.value, "wants": wants}
    )


def heard_by_sms(session: Session, *, phone: str, text: str, now: datetime) -> str | None:
    """Whether an inbound text says STOP or START and nothing else: does it, and answers the word, None for any other text."""
    word = text.strip().strip(".!").casefold()
    if word not in _STOP | _START:
        return None
    try:
        customer = find_customer(session, phone=phone)
    except BadPhone:
        customer = None
    if customer is not None:
        if word in _STOP:
            opt_out(session, customer_id=customer.id, medium=Medium.SMS, by="STOP", now=now)
        else:
            opt_in(session, customer_id=customer.id, medium=Medium.SMS)
    return "stop" if word in _STOP else "start"


def with_way_out(message: Notification, to: str, text: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The mail with a link that ends such mails, in its text and for the mail program's own button (RFC 2369, RFC 8058)."""
    if message.urgency is Urgency.ONE_TIME:
        return text, dict(headers)
    owner: dict[str, object] = {"c": message.customer_id} if message.customer_id is not None else {"a": _normal(to)}
    url = f"{get_settings().public_url}{UNSUBSCRIBE_PATH}/{seal_json(_WAY_OUT, owner)}"
    more = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return f"{text}\n\n--\nNo more such mails: {url}\n", {**headers, **more}


def open_link(token: str) -> dict[str, Any]:
    """Whom a link speaks of. Raises NoSuchLink."""
    try:
        owner = unseal_json(_WAY_OUT, token)
    except (BadSeal, ValueError):
        raise NoSuchLink from None
    return {"customer_id": owner["c"]} if "c" in owner else {"address": owner["a"]}


def stop_by_link(session: Session, token: str, *, now: datetime) -> None:
    """End mails to whom the link speaks of; again and again if need be. Raises NoSuchLink."""
    opt_out(session, **open_link(token), medium=Medium.EMAIL, by="link", now=now)


def start_by_link(session: Session, token: str) -> None:
    """Take it back. Raises NoSuchLink."""
    opt_in(session, **open_link(token), medium=Medium.EMAIL)


def _write(
    session: Session,
    customer_id: int | None,
    address: str | None,
    medium: Medium,
    values: dict[str, Any],
    *,
    staff_id: int | None = None,
    only_if_in: bool = False,
) -> None:
    if staff_id is not None:
        owner: dict[str, Any] = {"staff_id": staff_id}
        index, where = ["staff_id", "medium"], "staff_id IS NOT NULL"
    elif customer_id is not None:
        # Only customers that there are: a link may be older than a merge of two.
        if session.get(Customer, customer_id) is None:
            return
        owner = {"customer_id": customer_id}
        index, where = ["customer_id", "medium"], "customer_id IS NOT NULL"
    elif address:
        normal = _normal(address)
        known = of_address(session, normal)
        mac = known.address_mac if known is not None else keyed_macs(ADDRESS_MAC, normal)[0]
        owner = {"address_mac": mac, "address_sealed": seal(ADDRESS, normal.encode())}
        index, where = ["address_mac", "medium"], "address_mac IS NOT NULL"
    else:
        return
    statement = insert(ContactPreference).values(owner | {"medium": medium} | values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=index,
            index_where=sa.text(where),
            set_=values,
            where=col(ContactPreference.opted_out_at).is_(None) if only_if_in else None,
        )
    )


def _normal(address: str) -> str:
    return address.strip().lower()
