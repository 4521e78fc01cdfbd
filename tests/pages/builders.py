"""Rows for the console's tests and pictures: one of everything, and as many as a list needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from sqlmodel import Session, select

from services.access.gateways import add_gateway, new_identity
from services.access.models import (
    AccessSession,
    Entitlement,
    EntitlementState,
    Gateway,
    Grant,
    GrantState,
    SessionState,
)
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer, Device, Role, Staff
from services.accounts.passwords import hash_password
from services.packages.models import Package
from services.packages.service import Offer, PackageTerms, add_package, offers
from services.payments.models import (
    Checkout,
    EventKind,
    OutboundCallRecord,
    Payment,
    PaymentEvent,
    PaymentStatus,
    Refund,
    RefundState,
)
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.models import Channel, Ticket
from services.tickets.opening import Opening, open_ticket
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherState

PASSWORD = "a-password-for-tests"
S, E = PaymentStatus, EventKind
# What a payment has been through when it is in a state: kind, seconds after the beginning, sum.
_WAYS: dict[PaymentStatus, tuple[EventKind, ...]] = {
    S.CREATED: (E.CREATED, E.CREATE_CALLED),
    S.CHECKOUT_OPEN: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED),
    S.EXPIRED: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.EXPIRED),
    S.FAILED: (E.CREATED, E.CREATE_CALLED, E.FAILED),
    S.PAID: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.PAID, E.ISSUE_CALLED, E.DELAYED),
    S.VOUCHER_ISSUED: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.PAID, E.ISSUE_CALLED, E.VOUCHER_ISSUED),
    S.CHARGED: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.PAID, E.ISSUE_CALLED, E.VOUCHER_ISSUED, E.CHARGED),
    S.ATTENTION: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.PAID, E.ISSUE_CALLED, E.DELAYED, E.ATTENTION),
    S.REFUNDED: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.PAID, E.REFUND_REQUESTED, E.REFUNDED),
    S.REFUNDING: (E.CREATED, E.CREATE_CALLED, E.CHECKOUT_OPENED, E.PAID, E.REFUND_REQUESTED),
}
_ALL_THE_WAY = (
    E.CREATED,
    E.CREATE_CALLED,
    E.CHECKOUT_OPENED,
    E.PAID,
    E.ISSUE_CALLED,
    E.VOUCHER_ISSUED,
    E.CHARGED,
    E.VOUCHER_BLOCKED,
    E.ACCESS_GRANTED,
)
_WAYS[S.ACCESS_GRANTED] = _ALL_THE_WAY
_WAYS[S.SERVED] = (*_ALL_THE_WAY, E.SERVED)
_UNPAID = {S.CREATED, S.CHECKOUT_OPEN, S.EXPIRED, S.FAILED}
_WITH_ACCESS = {S.ACCESS_GRANTED, S.SERVED}
_WITH_VOUCHER = {*_WITH_ACCESS, S.VOUCHER_ISSUED, S.CHARGED, S.PAID}
_CALL_OF = {
    E.CREATE_CALLED: ("wave", "create_session", 420),
    E.PAID: ("wave", "get_session", 180),
    E.VOUCHER_ISSUED: ("portabilling", "add_account", 960),
    E.VOUCHER_BLOCKED: ("portabilling", "update_account", 310),
}


def email_of(role: Role) -> str:
    return f"{role.value.replace('_', '.')}@inet.test"


@lru_cache(maxsize=1)
def _password_hash() -> str:
    """Made once: argon2 is slow on purpose."""
    return hash_password(PASSWORD)


def a_staff(session: Session, role: Role, *, now: datetime) -> Staff:
    staff = Staff(email=email_of(role), name=role.label, role=role, password_hash=_password_hash(), created_at=now)
    session.add(staff)
    session.flush()
    return staff


def an_offer(session: Session, *, now: datetime, public_id: str = "day-1", name: str = "1 day", dalasi: int = 50, hours: int = 24) -> Offer:
    if session.exec(select(Package.id).where(Package.public_id == public_id)).one_or_none() is None:
        terms = PackageTerms(name=name, amount_bututs=dalasi * 100, duration_seconds=hours * 3600, quota_bytes=2 << 30, down_kbps=4096)
        add_package(session, actor=None, public_id=public_id, terms=terms, position=hours, now=now)
    return next(offer for offer in offers(session) if offer.public_id == public_id)


def a_gateway(
    session: Session, *, now: datetime, name: str = "Serekunda Market", polled_ago: timedelta | None = timedelta(seconds=4)
) -> Gateway:
    slug, gateway_name, faskey = new_identity()
    gateway = add_gateway(
        session, slug=slug, gateway_name=gateway_name, faskey=faskey, level=4, site_name=name, now=now - timedelta(days=40)
    )
    gateway.last_poll_at = None if polled_ago is None else now - polled_ago
    gateway.version = "10.3.1"
    session.flush()
    return gateway


def a_customer(session: Session, number: int, *, now: datetime) -> Customer:
    return find_or_create_customer(session, phone=f"+2208330{number:05d}", now=now)


def a_payment(
    session: Session,
    *,
    offer: Offer,
    customer: Customer,
    status: PaymentStatus,
    at: datetime,
    gateway: Gateway | None = None,
    reason: str | None = None,
) -> Payment:
    """A payment with the ledger, calls, checkout, voucher, entitlement, grant and session that belong to its state."""
    assert customer.id is not None
    is_paid = status not in _UNPAID
    way = _WAYS[status]
    last = at + timedelta(seconds=12 * (len(way) - 1))
    reference = codes.new_reference()
    payment = Payment(
        public_id=f"p-{reference}",
        reference=reference,
        customer_id=customer.id,
        package_version_id=offer.version_id,
        amount_bututs=offer.terms.amount_bututs,
        currency="GMD",
        status=status,
        status_since=last,
        attention_from=S.PAID if status is S.ATTENTION else None,
        reason=reason,
        gateway_id=gateway.id if gateway else None,
        client_hid=reference.lower().encode().hex().ljust(64, "0") if gateway else None,
        wave_transaction_id=f"T_{reference}" if is_paid else None,
        paid_at=at + timedelta(seconds=36) if is_paid else None,
        served_at=last if status is S.SERVED else None,
        created_at=at,
        event_count=len(way),
    )
    session.add(payment)
    session.flush()
    _ledger(session, payment, way, at)
    _checkouts(session, payment, at, is_paid=is_paid, opened=E.CHECKOUT_OPENED in way)
    if status in _WITH_VOUCHER:
        voucher = _voucher(session, payment, offer, at, is_used=status in _WITH_ACCESS)
        if status in _WITH_ACCESS:
            _access(session, payment, voucher, offer, last, gateway)
    return payment


def _ledger(session: Session, payment: Payment, way: tuple[EventKind, ...], at: datetime) -> None:
    assert payment.id is not None
    for sequence, kind in enumerate(way, start=1):
        amount = {E.PAID: payment.amount_bututs, E.REFUNDED: -payment.amount_bututs}.get(kind, 0)
        moment = at + timedelta(seconds=12 * (sequence - 1))
        detail = {"why": payment.reason or "no answer within 5 s"} if kind in (E.DELAYED, E.ATTENTION, E.FAILED) else {}
        session.add(
            PaymentEvent(
                payment_id=payment.id,
                sequence=sequence,
                kind=kind,
                status=payment.status,
                amount_bututs=amount,
                detail=detail,
                correlation_id="c0ffee00c0ffee00",
                at=moment,
            )
        )
        if kind in _CALL_OF:
            service, operation, duration = _CALL_OF[kind]
            session.add(
                _call(
                    payment,
                    service,
                    operation,
                    "ok",
                    duration,
                    moment + timedelta(milliseconds=40 if kind is E.CREATE_CALLED else -duration),
                )
            )
        if kind in (E.DELAYED, E.ATTENTION):
            session.add(_call(payment, "portabilling", "add_account", "unknown", 5003, moment - timedelta(seconds=5)))
    session.flush()


def _call(payment: Payment, service: str, operation: str, outcome: str, duration_ms: int, at: datetime) -> OutboundCallRecord:
    assert payment.id is not None
    return OutboundCallRecord(
        payment_id=payment.id,
        service=service,
        operation=operation,
        outcome=outcome,
        detail="" if outcome == "ok" else "no answer within 5 s",
        duration_ms=duration_ms,
        started_at=at,
    )


def _checkouts(session: Session, payment: Payment, at: datetime, *, is_paid: bool, opened: bool) -> None:
    if not opened:
        return
    assert payment.id is not None
    checkout = Checkout(
        payment_id=payment.id,
        wave_session_id=f"cos-{payment.reference.lower()}",
        launch_url=f"https://pay.wave.com/c/cos-{payment.reference.lower()}",
        checkout_status="complete" if is_paid else "open",
        payment_status="succeeded" if is_paid else "processing",
        transaction_id=payment.wave_transaction_id,
        is_winner=is_paid,
        expires_at=at + timedelta(minutes=30),
        created_at=at + timedelta(seconds=2),
        asked_at=at + timedelta(seconds=30),
    )
    session.add(checkout)
    session.flush()
    assert checkout.id is not None
    if payment.status in (S.REFUNDED, S.REFUNDING):
        state = RefundState.REFUNDED if payment.status is S.REFUNDED else RefundState.REQUESTED
        session.add(
            Refund(
                payment_id=payment.id,
                checkout_id=checkout.id,
                amount_bututs=payment.amount_bututs,
                reason="paid twice",
                state=state,
                created_at=at,
            )
        )
        session.flush()


def _voucher(session: Session, payment: Payment, offer: Offer, at: datetime, *, is_used: bool) -> Voucher:
    is_issued = payment.status is not S.PAID
    state = VoucherState.USED if is_used else VoucherState.ACTIVE if is_issued else VoucherState.PENDING
    voucher = a_voucher(session, offer=offer, state=state, at=at + timedelta(seconds=40))
    voucher.payment_id, voucher.customer_id, voucher.issued_by = payment.id, payment.customer_id, "payment"
    session.flush()
    return voucher


def a_voucher(
    session: Session, *, offer: Offer, state: VoucherState, at: datetime, note: str | None = None, customer: Customer | None = None
) -> Voucher:
    code = codes.new_code()
    voucher = Voucher(
        code_mac=codes.code_mac(code),
        code_sealed=codes.seal_code(code),
        package_version_id=offer.version_id,
        customer_id=customer.id if customer else None,
        state=state,
        issued_by="staff:care@inet.test",
        note=note,
        created_at=at,
        use_before=at + timedelta(days=30),
        used_at=at + timedelta(seconds=20) if state is VoucherState.USED else None,
        porta_account_id=f"inet-v-{codes.new_reference(12).lower()}",
        porta_issue_called_at=at,
        porta_issued_at=None if state is VoucherState.PENDING else at + timedelta(seconds=1),
        porta_blocked_at=at + timedelta(seconds=22) if state in (VoucherState.USED, VoucherState.BLOCKED) else None,
    )
    session.add(voucher)
    session.flush()
    return voucher


def _access(session: Session, payment: Payment, voucher: Voucher, offer: Offer, at: datetime, gateway: Gateway | None) -> None:
    assert voucher.id is not None
    is_online = payment.status is S.SERVED
    entitlement = Entitlement(
        voucher_id=voucher.id,
        payment_id=payment.id,
        customer_id=payment.customer_id,
        package_version_id=offer.version_id,
        seconds_total=offer.terms.duration_seconds,
        quota_bytes=offer.terms.quota_bytes,
        bytes_used=310 << 20 if is_online else 0,
        state=EntitlementState.RUNNING if is_online else EntitlementState.READY,
        created_at=at,
        use_before=at + timedelta(days=30),
        started_at=at if is_online else None,
        ends_at=at + timedelta(seconds=offer.terms.duration_seconds) if is_online else None,
    )
    session.add(entitlement)
    session.flush()
    if gateway is not None:
        a_grant(session, payment=payment, entitlement=entitlement, gateway=gateway, at=at, is_online=is_online)


def a_grant(session: Session, *, payment: Payment, entitlement: Entitlement, gateway: Gateway, at: datetime, is_online: bool) -> Grant:
    device = Device(customer_id=payment.customer_id, last_mac="02:00:00:bb:00:50", created_at=at, last_seen_at=at)
    session.add(device)
    session.flush()
    assert gateway.id is not None
    ends_at = at + timedelta(seconds=entitlement.seconds_total)
    grant = Grant(
        gateway_id=gateway.id,
        hid=payment.client_hid,
        mac="02:00:00:bb:00:50",
        entitlement_id=entitlement.id,
        device_id=device.id,
        seconds=entitlement.seconds_total,
        state=GrantState.ACKED if is_online else GrantState.QUEUED,
        created_at=at,
        offer_count=2 if is_online else 0,
        acked_at=at if is_online else None,
        ends_at=ends_at if is_online else None,
    )
    session.add(grant)
    session.flush()
    assert grant.id is not None
    if is_online:
        session.add(
            AccessSession(
                grant_id=grant.id,
                gateway_id=gateway.id,
                entitlement_id=entitlement.id,
                device_id=device.id,
                customer_id=payment.customer_id,
                mac=grant.mac,
                state=SessionState.ACTIVE,
                started_at=at,
                ends_at=ends_at,
            )
        )
        session.flush()
    return grant


def a_ticket(
    session: Session,
    *,
    customer: Customer | None = None,
    payment: Payment | None = None,
    gateway: Gateway | None = None,
    assignee: Staff | None = None,
    body: str = "No page comes up",
    at: datetime,
) -> Ticket:
    opening = Opening(
        body=body,
        channel=Channel.PORTAL,
        customer_id=customer.id if customer else None,
        payment_id=payment.id if payment else None,
        gateway_id=gateway.id if gateway else None,
        client_mac="02:00:00:bb:00:50",
    )
    ticket = open_ticket(session, opening, who=By("customer"), now=at)
    if assignee is not None:
        changes.set_field(session, ticket, "assignee_id", assignee.id, who=changes.SYSTEM, now=at)
    return ticket


def a_whole_shop(session: Session, *, now: datetime, payments_of_each: int = 3) -> None:
    """Something on every page: each state of a payment and voucher, live and silent gateways, people online, problem reports."""
    people = {role: a_staff(session, role, now=now) for role in Role}
    sold = [
        an_offer(session, now=now, public_id="hour-1", name="1 hour", dalasi=10, hours=1),
        an_offer(session, now=now, public_id="day-1", name="1 day", dalasi=50, hours=24),
        an_offer(session, now=now, public_id="week-1", name="1 week", dalasi=250, hours=168),
    ]
    gateways = [
        a_gateway(session, now=now, name="Serekunda Market"),
        a_gateway(session, now=now, name="Brikama Car Park"),
        a_gateway(session, now=now, name="Kololi Beach Lodge", polled_ago=timedelta(minutes=42)),
        a_gateway(session, now=now, name="Basse Ferry Terminal", polled_ago=None),
    ]
    payment = None
    for number, status in enumerate(S):
        for turn in range(payments_of_each if status is not S.SERVED else 4 * payments_of_each):
            customer = a_customer(session, number * 3 + turn, now=now - timedelta(days=9))
            reason = {
                S.ATTENTION: "PortaBilling refuses to issue the voucher.",
                S.PAID: "You have paid. The billing system is not answering; you will be online by yourself as soon as it does.",
                S.FAILED: "Wave is not answering.",
            }.get(status)
            payment = a_payment(
                session,
                offer=sold[(number + turn) % 3],
                customer=customer,
                status=status,
                at=now - timedelta(minutes=7 + 53 * turn + 3 * number),
                gateway=gateways[turn % 2] if turn % 4 != 3 else None,
                reason=reason,
            )
    for number, state in enumerate(VoucherState):
        a_voucher(session, offer=sold[number % 3], state=state, at=now - timedelta(hours=number + 1), note="Router was down on Friday")
    for number, body in enumerate(
        (
            "I paid but it still says connecting.\nPlease help me, I am at the market.",
            "Very slow since the morning",
            "How do I use my code?",
        )
    ):
        a_ticket(
            session,
            customer=a_customer(session, number, now=now),
            payment=payment,
            gateway=gateways[0],
            assignee=people[Role.FIELD_TECHNICIAN] if number == 1 else None,
            body=body,
            at=now - timedelta(hours=number),
        )
