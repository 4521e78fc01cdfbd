"""How things stand with a customer, and what a desk does for them from their page: who may, what is refused, what is kept of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput
from services.access.again import NowhereToLetIn
from services.access.errors import NoTimeLeft
from services.access.models import AccessSession, DeviceSlot, Entitlement, EntitlementState, Grant, GrantState, SessionState
from services.accounts.models import Customer, Role
from services.accounts.permissions import Permission, Principal
from services.apps import devices
from services.apps.devices import Phone
from services.audit.models import AuditEntry
from services.console import customer_help
from services.console.customer_help import CustomerGone, NotTextedAgain, NotTheirs
from services.console.customer_now import Standing, standing
from services.notifications.models import Notification
from services.payments.models import Payment, PaymentStatus
from services.vouchers.models import VoucherOrigin, VoucherState
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders

CARE, BILLING = staff(Role.CUSTOMER_CARE), staff(Role.BILLING_OFFICER)
_HOUR = timedelta(hours=1)


@pytest.fixture
def customer(session: Session) -> Customer:
    """Online for an hour, with a place for the device."""
    customer, gateway = builders.a_customer(session, 7, now=NOON), builders.a_gateway(session, now=NOON)
    offer = builders.an_offer(session, now=NOON)
    builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=NOON - _HOUR, gateway=gateway)
    grant = session.exec(select(Grant)).one()
    session.add(DeviceSlot(entitlement_id=time_of(session), number=1, device_id=grant.device_id, mac_hint=grant.mac, taken_at=NOON))  # type: ignore[arg-type]
    session.flush()
    return customer


def time_of(session: Session) -> int:
    return session.exec(select(Entitlement.id)).one() or 0


def now_of(session: Session, customer: Customer, actor: Principal = CARE) -> Standing:
    return standing(session, actor=actor, customer_id=customer.id or 0, now=NOON)


def goes_offline(session: Session) -> None:
    row, grant = session.exec(select(AccessSession)).one(), session.exec(select(Grant)).one()
    row.state, row.ended_at, grant.state = SessionState.ENDED, NOON, GrantState.ENDED
    session.flush()


def test_where_somebody_is_online_and_until_when(session: Session, customer: Customer) -> None:
    found = now_of(session, customer)
    assert found.online is not None
    (online,) = found.online
    time = session.exec(select(Entitlement)).one()
    assert (online.gateway, online.until, online.entitlement_id) == ("Serekunda Market", time.ends_at, time.id)
    assert (found.not_online, found.unserved, found.spent_bututs, found.purchases) == (None, None, 5000, 1)


def test_time_without_a_device_online_is_seen_and_a_standing_clock_is_not(session: Session, customer: Customer) -> None:
    goes_offline(session)
    found = now_of(session, customer).not_online
    assert found is not None
    assert found.entitlement_id == time_of(session)
    session.exec(select(Entitlement)).one().paused_at = NOON
    session.flush()
    assert now_of(session, customer).not_online is None


def test_money_that_was_taken_and_led_to_nothing_is_said_after_a_moment(session: Session, customer: Customer) -> None:
    offer = builders.an_offer(session, now=NOON)
    stuck = builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.PAID, at=NOON - timedelta(minutes=1))
    assert now_of(session, customer).unserved is None
    assert stuck.paid_at is not None
    stuck.paid_at -= timedelta(minutes=3)
    session.flush()
    found = now_of(session, customer).unserved
    assert found is not None
    assert found.reference == stuck.reference


def test_vouchers_and_tickets_that_wait_are_counted_and_money_given_back_is_not(session: Session, customer: Customer) -> None:
    offer = builders.an_offer(session, now=NOON)
    builders.a_voucher(session, offer=offer, state=VoucherState.BLOCKED, at=NOON, customer=customer)
    builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.REFUNDED, at=NOON - _HOUR)
    ticket = builders.a_ticket(session, customer=customer, at=NOON)
    found = now_of(session, customer)
    assert (found.blocked_vouchers, found.spent_bututs, [one.reference for one in found.tickets or ()]) == (1, 5000, [ticket.reference])
    assert [one.may_be_refunded for one in found.payments or ()] == [False, True]


def test_each_piece_is_for_who_may_know_of_it(session: Session, customer: Customer) -> None:
    bare = Principal("staff", 1, "Bare", frozenset({Permission.CUSTOMERS_READ}), Role.CUSTOMER_CARE)
    found = now_of(session, customer, bare)
    assert (found.online, found.times, found.tickets, found.payments, found.spent_bututs, found.blocked_vouchers) == (None,) * 6
    with pytest.raises(Forbidden):
        now_of(session, customer, staff(Role.FIELD_TECHNICIAN))


def test_the_router_is_asked_again_and_the_audit_says_by_whom(session: Session, customer: Customer) -> None:
    goes_offline(session)
    grant = customer_help.let_in_again(session, actor=CARE, customer_id=customer.id or 0, entitlement_id=time_of(session), now=NOON)
    assert (grant.state, grant.actor) == (GrantState.QUEUED, CARE.label)
    kept = session.exec(select(AuditEntry).where(AuditEntry.action == "entitlement.let_in")).one()
    assert (kept.actor, kept.target_id) == (CARE.label, str(time_of(session)))


def test_letting_in_is_refused_without_the_right_the_owner_the_device_or_the_time(session: Session, customer: Customer) -> None:
    goes_offline(session)
    time_id, other = time_of(session), builders.a_customer(session, 8, now=NOON)

    def let_in(actor: Principal, whose: Customer) -> None:
        customer_help.let_in_again(session, actor=actor, customer_id=whose.id or 0, entitlement_id=time_id, now=NOON)

    with pytest.raises(Forbidden):
        let_in(BILLING, customer)
    with pytest.raises(NotTheirs):
        let_in(CARE, other)
    session.exec(select(Entitlement)).one().state = EntitlementState.ENDED
    session.flush()
    with pytest.raises(NoTimeLeft):
        let_in(CARE, customer)
    session.exec(select(DeviceSlot)).one().released_at = NOON
    session.flush()
    with pytest.raises(NowhereToLetIn):
        let_in(CARE, customer)


def test_the_code_is_texted_once_in_a_quarter_and_of_a_gift_it_is_the_vouchers(session: Session, customer: Customer) -> None:
    payment = session.exec(select(Payment)).one()

    def text(actor: Principal = CARE, reference: str = payment.reference) -> None:
        customer_help.text_code_again(session, actor=actor, customer_id=customer.id or 0, reference=reference, now=NOON)

    text()
    with pytest.raises(NotTextedAgain):
        text()
    payment.is_gift = True
    session.flush()
    text()
    events = [event for event in session.exec(select(Notification.event)).all() if event in ("receipt_reminder", "voucher_given")]
    assert sorted(set(events)) == ["receipt_reminder", "voucher_given"]
    with pytest.raises(NotTheirs):
        text(reference="NOBODYS1")
    with pytest.raises(Forbidden):
        text(BILLING)


def test_a_voucher_is_given_with_a_reason_to_this_customer(session: Session, customer: Customer) -> None:
    offer = builders.an_offer(session, now=NOON)

    def give(reason: str, actor: Principal = CARE) -> VoucherOrigin:
        made, code = customer_help.give_voucher(
            session, actor=actor, customer_id=customer.id or 0, package_id=offer.public_id, reason=reason, now=NOON
        )
        assert (made.customer_id, made.note, len(code) > 10) == (customer.id, reason, True)
        return made.origin

    assert give("For the bad weekend") is VoucherOrigin.HAND
    with pytest.raises(InvalidInput):
        give(" ")
    with pytest.raises(Forbidden):
        give("For the bad weekend", staff(Role.FIELD_TECHNICIAN))


def test_every_phone_is_logged_out_at_once(session: Session, customer: Customer) -> None:
    for name in ("Awa's phone", "Old phone"):
        devices.open_for_customer(session, customer=customer, phone=Phone(name), now=NOON)
    assert customer_help.log_out_everywhere(session, actor=CARE, customer_id=customer.id or 0, now=NOON) == 2
    assert now_of(session, customer).phones == 0
    with pytest.raises(Forbidden):
        customer_help.log_out_everywhere(session, actor=staff(Role.FIELD_TECHNICIAN), customer_id=customer.id or 0, now=NOON)


def test_for_who_deleted_their_account_nothing_can_be_done(session: Session, customer: Customer) -> None:
    customer.erased_at = NOON
    session.flush()
    with pytest.raises(CustomerGone):
        customer_help.give_voucher(session, actor=CARE, customer_id=customer.id or 0, package_id="day-1", reason="For them", now=NOON)
    found = now_of(session, customer)
    assert (found.is_gone, found.online, found.tickets, found.spent_bututs) == (True, None, None, 5000)
