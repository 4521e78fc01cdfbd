"""The tables a customer's story is read from: of each, which rows are theirs, when each happened, and who may know of them.

Every part finds its rows by an index that begins with the customer, or with something that is the customer's (a voucher, a ticket); what it
costs follows what this customer did, whatever the tables hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.db import UtcDateTime
from services.access.models import AccessSession, Entitlement
from services.access.outage_models import Compensation
from services.accounts.models import Device
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.listing import pick
from services.notifications.models import Medium, Notification
from services.payments.models import Payment, Refund, RefundState
from services.tickets.closure_models import TicketRating
from services.tickets.models import MessageKind, Ticket, TicketEvent, TicketMessage
from services.tickets.sight import in_sight
from services.vouchers.models import Voucher, VoucherState


class Kind(StrEnum):
    """What the story is filtered by."""

    PAYMENTS = "payments"
    REFUNDS = "refunds"
    VOUCHERS = "vouchers"
    SESSIONS = "sessions"
    DEVICES = "devices"
    TICKETS = "tickets"
    MESSAGES = "messages"
    COMPENSATION = "compensation"
    APP = "app"


# Who deleted their account leaves what the books need: the money, and what was given for it.
BOOKS = frozenset({Kind.PAYMENTS, Kind.REFUNDS, Kind.VOUCHERS, Kind.COMPENSATION})
_PERMISSIONS: dict[Kind, Permission] = {
    Kind.PAYMENTS: Permission.PAYMENTS_READ,
    Kind.REFUNDS: Permission.PAYMENTS_READ,
    Kind.VOUCHERS: Permission.VOUCHERS_READ,
    Kind.SESSIONS: Permission.SESSIONS_READ,
    Kind.DEVICES: Permission.CUSTOMERS_READ,
    Kind.TICKETS: Permission.TICKETS_READ,
    Kind.MESSAGES: Permission.NOTIFICATIONS_READ,
    Kind.COMPENSATION: Permission.COMPENSATION_READ,
    Kind.APP: Permission.CUSTOMERS_READ,
}


def kinds_for(actor: Principal, *, is_gone: bool = False) -> tuple[Kind, ...]:
    """What this person may know of; of a customer who `is_gone`, the books alone."""
    return tuple(kind for kind in Kind if actor.may(_PERMISSIONS[kind]) and (kind in BOOKS or not is_gone))


class What(StrEnum):
    """What happened. The order is that of two things of the same instant: the later here, the later it is told."""

    BOUGHT = "bought"
    GIFT_BOUGHT = "gift_bought"
    VOUCHER_MADE = "voucher_made"
    VOUCHER_USED = "voucher_used"
    VOUCHER_EXPIRED = "voucher_expired"
    VOUCHER_CHANGED = "voucher_changed"
    VOUCHER_GIVEN = "voucher_given"
    DEVICE_SEEN = "device_seen"
    SESSION = "session"
    TIME_CHANGED = "time_changed"
    TICKET_OPENED = "ticket_opened"
    TICKET_SAID = "ticket_said"
    TICKET_MOVED = "ticket_moved"
    TICKET_RATED = "ticket_rated"
    REFUND_ASKED = "refund_asked"
    REFUND_ENDED = "refund_ended"
    GIVEN_BACK = "given_back"
    ACCOUNT = "account"
    MESSAGE = "message"


Rows = Callable[[int, Principal], sa.Select[Any]]
"""Of a customer, for a reader: a query of the instant and the number of each row."""


@dataclass(frozen=True)
class Part:
    what: What
    kind: Kind
    rows: Rows


VOUCHER_ACTIONS = ("voucher.block", "voucher.unblock", "voucher.give")
TIME_ACTIONS = ("entitlement.extend", "entitlement.let_in", "slot.free")
ACCOUNT_ACTIONS = ("customer.log_in", "customer.log_out_phone", "customer.change_number")
_DONE = ("resolved", "closed")


def _bought(customer_id: int, _: Principal) -> sa.Select[Any]:
    return pick(Payment.created_at, Payment.id).where(col(Payment.customer_id) == customer_id)


def _gift_bought(customer_id: int, _: Principal) -> sa.Select[Any]:
    for_another = (col(Payment.bought_by_id) == customer_id) & (col(Payment.customer_id) != customer_id)
    return pick(Payment.created_at, Payment.id).where(for_another)


def _refunds(customer_id: int, at: Any) -> sa.Select[Any]:
    return pick(at, Refund.id).join(Payment, col(Payment.id) == Refund.payment_id).where(col(Payment.customer_id) == customer_id)


def _refund_asked(customer_id: int, _: Principal) -> sa.Select[Any]:
    return _refunds(customer_id, Refund.created_at)


def _refund_ended(customer_id: int, _: Principal) -> sa.Select[Any]:
    ended = sa.case((col(Refund.state) == RefundState.DECLINED, col(Refund.decided_at)), else_=col(Refund.settled_at))
    return _refunds(customer_id, ended).where(ended.is_not(None))


def _own_vouchers(customer_id: int, at: Any) -> sa.Select[Any]:
    return pick(at, Voucher.id).where(col(Voucher.customer_id) == customer_id)


def _voucher_made(customer_id: int, _: Principal) -> sa.Select[Any]:
    # One of the stock was made before anybody bought it: it is the customer's from the payment on.
    theirs = sa.func.greatest(col(Voucher.created_at), col(Payment.paid_at), type_=UtcDateTime)
    return _own_vouchers(customer_id, theirs).outerjoin(Payment, col(Payment.id) == Voucher.payment_id)


def _voucher_used(customer_id: int, _: Principal) -> sa.Select[Any]:
    return _own_vouchers(customer_id, Voucher.used_at).where(col(Voucher.used_at).is_not(None))


def _voucher_expired(customer_id: int, _: Principal) -> sa.Select[Any]:
    return _own_vouchers(customer_id, Voucher.use_before).where(col(Voucher.state) == VoucherState.EXPIRED)


def _audited(target_type: str, actions: Iterable[str], targets: Any) -> sa.Select[Any]:
    about = (col(AuditEntry.target_type) == target_type) & col(AuditEntry.target_id).in_(targets)
    return pick(AuditEntry.at, AuditEntry.id).where(about, col(AuditEntry.action).in_(tuple(actions)))


def _voucher_changed(customer_id: int, _: Principal) -> sa.Select[Any]:
    own = sa.select(sa.cast(col(Voucher.id), sa.Text)).where(col(Voucher.customer_id) == customer_id)
    return _audited("voucher", VOUCHER_ACTIONS, own)


def _voucher_given(customer_id: int, _: Principal) -> sa.Select[Any]:
    """What they gave away is another person's now: the audit knows it by who gave it."""
    by_them = (col(AuditEntry.actor) == f"customer:{customer_id}") & (col(AuditEntry.action) == "voucher.give")
    theirs_again = sa.select(col(Voucher.id)).where(
        col(Voucher.customer_id) == customer_id, sa.cast(col(Voucher.id), sa.Text) == col(AuditEntry.target_id)
    )
    # One that came back to them is told among the changes of their own vouchers.
    return pick(AuditEntry.at, AuditEntry.id).where(by_them, ~theirs_again.exists())


def _session(customer_id: int, _: Principal) -> sa.Select[Any]:
    return pick(AccessSession.started_at, AccessSession.id).where(col(AccessSession.customer_id) == customer_id)


def _time_changed(customer_id: int, _: Principal) -> sa.Select[Any]:
    own = sa.select(sa.cast(col(Entitlement.id), sa.Text)).where(col(Entitlement.customer_id) == customer_id)
    return _audited("entitlement", TIME_ACTIONS, own)


def _device_seen(customer_id: int, _: Principal) -> sa.Select[Any]:
    return pick(Device.created_at, Device.id).where(col(Device.customer_id) == customer_id)


def _of_tickets(query: sa.Select[Any], ticket_id: Any, customer_id: int, actor: Principal) -> sa.Select[Any]:
    return query.join(Ticket, col(Ticket.id) == ticket_id).where(col(Ticket.customer_id) == customer_id, *in_sight(actor))


def _ticket_opened(customer_id: int, actor: Principal) -> sa.Select[Any]:
    return pick(Ticket.created_at, Ticket.id).where(col(Ticket.customer_id) == customer_id, *in_sight(actor))


def _ticket_said(customer_id: int, actor: Principal) -> sa.Select[Any]:
    said = _of_tickets(pick(TicketMessage.created_at, TicketMessage.id), TicketMessage.ticket_id, customer_id, actor)
    # The first words are the ticket's own line.
    later = col(TicketMessage.created_at) > col(Ticket.created_at)
    return said.where(col(TicketMessage.kind).in_((MessageKind.REPLY, MessageKind.CUSTOMER)), later)


def _ticket_moved(customer_id: int, actor: Principal) -> sa.Select[Any]:
    """Resolved, closed, or opened again; what lies between is the desk's own business."""
    moved = _of_tickets(pick(TicketEvent.at, TicketEvent.id), TicketEvent.ticket_id, customer_id, actor)
    data: Any = col(TicketEvent.data)
    ends = data["to"].astext.in_(_DONE) | data["from"].astext.in_(_DONE)
    return moved.where(col(TicketEvent.kind) == "state", ends)


def _ticket_rated(customer_id: int, actor: Principal) -> sa.Select[Any]:
    return _of_tickets(pick(TicketRating.at, TicketRating.ticket_id.label("id")), TicketRating.ticket_id, customer_id, actor)  # type: ignore[attr-defined]


def _message(customer_id: int, _: Principal) -> sa.Select[Any]:
    to_them = (col(Notification.customer_id) == customer_id) & col(Notification.staff_id).is_(None)
    return pick(Notification.created_at, Notification.id).where(to_them, col(Notification.medium) != Medium.BELL)


def _given_back(customer_id: int, _: Principal) -> sa.Select[Any]:
    return pick(Compensation.created_at, Compensation.id).where(col(Compensation.customer_id) == customer_id)


def _account(customer_id: int, _: Principal) -> sa.Select[Any]:
    return _audited("customer", ACCOUNT_ACTIONS, [str(customer_id)])


_K, _W = Kind, What
PARTS: tuple[Part, ...] = (
    Part(_W.BOUGHT, _K.PAYMENTS, _bought),
    Part(_W.GIFT_BOUGHT, _K.PAYMENTS, _gift_bought),
    Part(_W.VOUCHER_MADE, _K.VOUCHERS, _voucher_made),
    Part(_W.VOUCHER_USED, _K.VOUCHERS, _voucher_used),
    Part(_W.VOUCHER_EXPIRED, _K.VOUCHERS, _voucher_expired),
    Part(_W.VOUCHER_CHANGED, _K.VOUCHERS, _voucher_changed),
    Part(_W.VOUCHER_GIVEN, _K.VOUCHERS, _voucher_given),
    Part(_W.DEVICE_SEEN, _K.DEVICES, _device_seen),
    Part(_W.SESSION, _K.SESSIONS, _session),
    Part(_W.TIME_CHANGED, _K.SESSIONS, _time_changed),
    Part(_W.TICKET_OPENED, _K.TICKETS, _ticket_opened),
    Part(_W.TICKET_SAID, _K.TICKETS, _ticket_said),
    Part(_W.TICKET_MOVED, _K.TICKETS, _ticket_moved),
    Part(_W.TICKET_RATED, _K.TICKETS, _ticket_rated),
    Part(_W.REFUND_ASKED, _K.REFUNDS, _refund_asked),
    Part(_W.REFUND_ENDED, _K.REFUNDS, _refund_ended),
    Part(_W.GIVEN_BACK, _K.COMPENSATION, _given_back),
    Part(_W.ACCOUNT, _K.APP, _account),
    Part(_W.MESSAGE, _K.MESSAGES, _message),
)
"""In the order in which two things of one instant happened."""
