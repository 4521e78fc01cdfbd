"""The rows that tell of what happened: read by their numbers, each kind in one query, with what is said beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from services.access.models import AccessSession, Entitlement, Gateway
from services.access.outage_models import Compensation
from services.accounts.models import Customer, Device
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.console.customer_network import Outage, Point, outages_within, points_behind, points_then
from services.console.customer_parts import What
from services.listing import pick
from services.network.incident_models import Incident
from services.notifications.models import Notification
from services.notifications.queries import words_shown
from services.packages.models import PackageVersion
from services.payments.models import EventKind, Payment, PaymentEvent, Refund
from services.tickets.closure_models import TicketRating
from services.tickets.models import Ticket, TicketEvent, TicketMessage
from services.vouchers.models import Voucher

# Of a payment's ledger, what went otherwise than it should.
_TROUBLES = (
    EventKind.ATTEMPT_FAILED,
    EventKind.FAILED,
    EventKind.DELAYED,
    EventKind.STOCK_BOUND,
    EventKind.SECOND_SUCCESS,
    EventKind.ATTENTION,
)


@dataclass(frozen=True)
class Trouble:
    """What went wrong with a payment, how often, and why it did the last time."""

    kind: EventKind
    times: int
    why: str


@dataclass(frozen=True)
class PaymentRow:
    """`other` is the other person of a gift, masked: who gave it, or who got it."""

    payment: Payment
    package: str
    gateway: str | None
    gateway_slug: str | None
    troubles: tuple[Trouble, ...] = ()
    other: str | None = None


@dataclass(frozen=True)
class RefundStep:
    refund: Refund
    reference: str


@dataclass(frozen=True)
class VoucherRow:
    """`seconds` is what it is worth, `reference` the payment's that bought it."""

    voucher: Voucher
    package: str
    seconds: int
    reference: str | None


@dataclass(frozen=True)
class Audited:
    """What the audit holds of a voucher, of purchased time or of the account. `is_received`: a voucher that somebody gave to them."""

    id: int
    action: str
    by: str
    target_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str = ""
    is_received: bool = False


@dataclass(frozen=True)
class SessionStory:
    """`down` and `up` are None while nothing was told. `outages` and `point` only for who may know of the network."""

    row: AccessSession
    gateway: str
    gateway_slug: str
    reference: str | None
    outages: tuple[Outage, ...] = ()
    point: Point | None = None

    @property
    def bytes_so_far(self) -> int | None:
        """Down and up together."""
        row = self.row
        down, up = (row.live_bytes_down, row.live_bytes_up) if row.bytes_down is None else (row.bytes_down, row.bytes_up)
        return None if down is None else down + (up or 0)


@dataclass(frozen=True)
class TicketRow:
    """`message`, `event` or `rating` where the line is about one of them."""

    ticket: Ticket
    message: TicketMessage | None = None
    event: TicketEvent | None = None
    rating: TicketRating | None = None
    point: Point | None = None
    incident: str | None = None


@dataclass(frozen=True)
class MessageRow:
    """`words` as they went; of what holds a code or a key, that it does."""

    message: Notification
    words: str


@dataclass(frozen=True)
class GivenBackRow:
    row: Compensation
    incident: str


Row = PaymentRow | RefundStep | VoucherRow | Audited | SessionStory | TicketRow | MessageRow | GivenBackRow | Device


@dataclass(frozen=True)
class _Reader:
    """For whom, of whom, and when."""

    session: Session
    actor: Principal
    customer_id: int
    now: datetime


_Read = Callable[[_Reader, Sequence[int]], Mapping[int, Row]]


def rows_of(
    session: Session, wanted: Collection[tuple[What, int]], *, customer_id: int, actor: Principal, now: datetime
) -> dict[tuple[What, int], Row]:
    """What there is of these. The caller has made sure that the reader may know of them."""
    reader, by_what = _Reader(session, actor, customer_id, now), defaultdict(list)
    for what, row_id in wanted:
        by_what[what].append(row_id)
    found: dict[tuple[What, int], Row] = {}
    # Several parts tell of the same table: each is read once.
    together: dict[_Read, list[What]] = defaultdict(list)
    for what in by_what:
        together[_READERS[what]].append(what)
    for read, whats in together.items():
        rows = read(reader, sorted({row_id for what in whats for row_id in by_what[what]}))
        for what in whats:
            found |= {(what, row_id): rows[row_id] for row_id in by_what[what] if row_id in rows}
    return found


def _payments(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = (
        pick(Payment, PackageVersion.name, Gateway.name, Gateway.slug)
        .join(PackageVersion, col(PackageVersion.id) == Payment.package_version_id)
        .outerjoin(Gateway, col(Gateway.id) == Payment.gateway_id)
        .where(col(Payment.id).in_(ids))
    )
    rows = reader.session.execute(query).all()
    troubles = _troubles(reader.session, ids)
    others = _masked(reader.session, {_other(row[0], reader.customer_id) for row in rows})
    return {
        payment.id: PaymentRow(
            payment, package, gateway, slug, troubles.get(payment.id, ()), others.get(_other(payment, reader.customer_id))
        )
        for payment, package, gateway, slug in rows
    }


def _other(payment: Payment, customer_id: int) -> int | None:
    if not payment.is_gift:
        return None
    return payment.bought_by_id if payment.customer_id == customer_id else payment.customer_id


def _masked(session: Session, ids: Collection[int | None]) -> dict[int | None, str]:
    known = [one for one in ids if one is not None]
    people = session.exec(select(Customer).where(col(Customer.id).in_(known))).all() if known else ()
    return {one.id: one.masked_phone for one in people}


def _troubles(session: Session, ids: Sequence[int]) -> dict[int, tuple[Trouble, ...]]:
    query = select(PaymentEvent).where(col(PaymentEvent.payment_id).in_(ids), col(PaymentEvent.kind).in_(_TROUBLES))
    times: dict[int, dict[EventKind, list[PaymentEvent]]] = defaultdict(lambda: defaultdict(list))
    for event in session.exec(query.order_by(col(PaymentEvent.payment_id), col(PaymentEvent.sequence))):
        times[event.payment_id][event.kind].append(event)
    return {
        payment_id: tuple(Trouble(kind, len(events), _why(events[-1])) for kind, events in kinds.items())
        for payment_id, kinds in times.items()
    }


def _why(event: PaymentEvent) -> str:
    return str(event.detail.get("why") or event.detail.get("detail") or "")


def _refunds(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = pick(Refund, Payment.reference).join(Payment, col(Payment.id) == Refund.payment_id).where(col(Refund.id).in_(ids))
    return {row[0].id: RefundStep(*row) for row in reader.session.execute(query)}


def _vouchers(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = (
        pick(Voucher, PackageVersion.name, PackageVersion.duration_seconds, Payment.reference)
        .join(PackageVersion, col(PackageVersion.id) == Voucher.package_version_id)
        .outerjoin(Payment, col(Payment.id) == Voucher.payment_id)
        .where(col(Voucher.id).in_(ids))
    )
    return {
        voucher.id: VoucherRow(voucher, package, voucher.seconds or seconds, reference)
        for voucher, package, seconds, reference in reader.session.execute(query)
    }


def _audited(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    found = reader.session.exec(select(AuditEntry).where(col(AuditEntry.id).in_(ids))).all()
    return {entry.id: _entry(entry, reader.customer_id) for entry in found}


def _entry(entry: AuditEntry, customer_id: int) -> Audited:
    after = entry.after or {}
    reason = str(after.get("reason") or "")
    is_received = entry.action == "voucher.give" and after.get("customer_id") == customer_id
    return Audited(entry.id, entry.action, entry.actor, entry.target_id, entry.before or {}, after, reason, is_received)


def _sessions(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = (
        pick(AccessSession, Gateway.name, Gateway.slug, Payment.reference)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .outerjoin(Entitlement, col(Entitlement.id) == AccessSession.entitlement_id)
        .outerjoin(Payment, col(Payment.id) == Entitlement.payment_id)
        .where(col(AccessSession.id).in_(ids))
    )
    rows = reader.session.execute(query).all()
    outages, points = dict[int, tuple[Outage, ...]](), dict[int, Point]()
    if reader.actor.may(Permission.NETWORK_READ):
        outages = outages_within(reader.session, ids, now=reader.now)
        points = _points(reader.session, {row[0].id: (None, row[0].gateway_id, row[0].started_at) for row in rows})
    return {
        online.id: SessionStory(online, gateway, slug, reference, outages.get(online.id, ()), points.get(online.id))
        for online, gateway, slug, reference in rows
    }


def _points(session: Session, wanted: Mapping[int, tuple[int | None, int | None, datetime]]) -> dict[int, Point]:
    """By the row's number, from its access point, or else its gateway, and the moment."""
    behind = points_behind(session, {gateway_id for _, gateway_id, _ in wanted.values() if gateway_id is not None})
    places = {row_id: (point_id or behind.get(gateway_id or 0), at) for row_id, (point_id, gateway_id, at) in wanted.items()}
    known = {row_id: (point_id, at) for row_id, (point_id, at) in places.items() if point_id is not None}
    found = points_then(session, list(known.values()))
    return {row_id: found[place] for row_id, place in known.items() if place in found}


def _tickets(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = pick(Ticket, Incident.reference).outerjoin(Incident, col(Incident.id) == Ticket.incident_id).where(col(Ticket.id).in_(ids))
    rows = reader.session.execute(query).all()
    if not reader.actor.may(Permission.NETWORK_READ):
        return {ticket.id: TicketRow(ticket) for ticket, _ in rows}
    places = {ticket.id: (ticket.access_point_id, ticket.gateway_id, ticket.created_at) for ticket, _ in rows}
    points = _points(reader.session, places)
    return {ticket.id: TicketRow(ticket, point=points.get(ticket.id), incident=incident) for ticket, incident in rows}


def _said(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = pick(TicketMessage, Ticket).join(Ticket, col(Ticket.id) == TicketMessage.ticket_id).where(col(TicketMessage.id).in_(ids))
    return {message.id: TicketRow(ticket, message=message) for message, ticket in reader.session.execute(query)}


def _moved(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = pick(TicketEvent, Ticket).join(Ticket, col(Ticket.id) == TicketEvent.ticket_id).where(col(TicketEvent.id).in_(ids))
    return {event.id: TicketRow(ticket, event=event) for event, ticket in reader.session.execute(query)}


def _rated(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = pick(TicketRating, Ticket).join(Ticket, col(Ticket.id) == TicketRating.ticket_id).where(col(TicketRating.ticket_id).in_(ids))
    return {rating.ticket_id: TicketRow(ticket, rating=rating) for rating, ticket in reader.session.execute(query)}


def _messages(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    found = reader.session.exec(select(Notification).where(col(Notification.id).in_(ids))).all()
    return {message.id or 0: MessageRow(message, words_shown(message)[1]) for message in found}


def _given_back(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    query = (
        pick(Compensation, Incident.reference)
        .join(Incident, col(Incident.id) == Compensation.incident_id)
        .where(col(Compensation.id).in_(ids))
    )
    return {row[0].id: GivenBackRow(*row) for row in reader.session.execute(query)}


def _devices(reader: _Reader, ids: Sequence[int]) -> Mapping[int, Row]:
    return {device.id or 0: device for device in reader.session.exec(select(Device).where(col(Device.id).in_(ids)))}


_READERS: dict[What, _Read] = {
    What.BOUGHT: _payments,
    What.GIFT_BOUGHT: _payments,
    What.VOUCHER_MADE: _vouchers,
    What.VOUCHER_USED: _vouchers,
    What.VOUCHER_EXPIRED: _vouchers,
    What.VOUCHER_CHANGED: _audited,
    What.VOUCHER_GIVEN: _audited,
    What.DEVICE_SEEN: _devices,
    What.SESSION: _sessions,
    What.TIME_CHANGED: _audited,
    What.TICKET_OPENED: _tickets,
    What.TICKET_SAID: _said,
    What.TICKET_MOVED: _moved,
    What.TICKET_RATED: _rated,
    What.REFUND_ASKED: _refunds,
    What.REFUND_ENDED: _refunds,
    What.GIVEN_BACK: _given_back,
    What.ACCOUNT: _audited,
    What.MESSAGE: _messages,
}
