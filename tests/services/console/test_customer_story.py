"""A customer's story: what is told, in which order, to whom, and page by page without a gap or a repeat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from app.errors import Forbidden
from app.keys import seal
from services.access.models import AccessSession, Entitlement, Gateway, SessionState
from services.access.outage_models import Compensation
from services.access.sessions_desk import extend_entitlement
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Customer, Device, Role
from services.accounts.permissions import Permission, Principal
from services.apps.callers import Caller
from services.apps.models import App
from services.audit import service as audit
from services.console.customer_events import Audited, MessageRow, PaymentRow, SessionStory, TicketRow
from services.console.customer_parts import BOOKS, PARTS, Kind, What
from services.console.customer_story import Place, StoryEvent, StoryFilter, story
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Health, HealthPeriod
from services.notifications import Recipient, tell
from services.notifications.models import Medium, Notification, Urgency
from services.notifications.service import BODY
from services.payments.models import EventKind, Payment, PaymentStatus, RefundState
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.closure_models import TicketRating
from services.tickets.models import Channel, MessageKind, TicketState
from services.vouchers.models import VoucherState
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders

CARE = staff(Role.CUSTOMER_CARE)
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def customer(session: Session) -> Customer:
    return builders.a_customer(session, 7, now=NOON - timedelta(days=30))


def told(session: Session, customer: Customer, actor: Principal = CARE, **wanted: object) -> tuple[StoryEvent, ...]:
    return story(session, actor=actor, customer_id=customer.id or 0, wanted=StoryFilter(**wanted), limit=100, now=NOON).events  # type: ignore[arg-type]


def without(*permissions: Permission) -> Principal:
    return Principal("staff", 1, "Less", CARE.permissions - set(permissions), Role.CUSTOMER_CARE, "less@test.gm")


def a_purchase(session: Session, customer: Customer, at: datetime, status: PaymentStatus = PaymentStatus.SERVED) -> tuple[Payment, Gateway]:
    gateway = builders.a_gateway(session, now=NOON)
    offer = builders.an_offer(session, now=NOON)
    return builders.a_payment(session, offer=offer, customer=customer, status=status, at=at, gateway=gateway), gateway


def test_a_purchase_is_told_from_its_beginning_to_the_time_online(session: Session, customer: Customer) -> None:
    payment, gateway = a_purchase(session, customer, NOON - _HOUR)
    events = told(session, customer)
    assert {event.what for event in events} == {What.BOUGHT, What.VOUCHER_MADE, What.VOUCHER_USED, What.DEVICE_SEEN, What.SESSION}
    assert [event.at for event in events] == sorted((event.at for event in events), reverse=True)
    assert (events[-1].what, events[0].what) == (What.BOUGHT, What.SESSION)
    bought, online = events[-1].row, events[0].row
    assert isinstance(bought, PaymentRow)
    assert isinstance(online, SessionStory)
    assert (bought.payment.reference, bought.package, bought.gateway) == (payment.reference, "1 day", gateway.name)
    assert (online.gateway, online.reference) == (gateway.name, payment.reference)


def test_what_went_wrong_with_a_payment_is_said_with_it(session: Session, customer: Customer) -> None:
    a_purchase(session, customer, NOON - _HOUR, PaymentStatus.ATTENTION)
    row = next(event.row for event in told(session, customer) if event.what is What.BOUGHT)
    assert isinstance(row, PaymentRow)
    assert {(trouble.kind, trouble.why) for trouble in row.troubles} == {
        (EventKind.DELAYED, "no answer within 5 s"),
        (EventKind.ATTENTION, "no answer within 5 s"),
    }


def test_gifts_are_told_of_both_who_bought_and_who_got_them(session: Session, customer: Customer) -> None:
    other = builders.a_customer(session, 8, now=NOON)
    payment, _ = a_purchase(session, other, NOON - _HOUR)
    payment.is_gift, payment.bought_by_id = True, customer.id
    session.flush()
    (given,) = told(session, customer)
    got = next(event for event in told(session, other) if event.what is What.BOUGHT)
    assert given.what is What.GIFT_BOUGHT
    assert isinstance(given.row, PaymentRow)
    assert isinstance(got.row, PaymentRow)
    assert (given.row.other, got.row.other) == (other.masked_phone, customer.masked_phone)


def test_vouchers_are_told_when_made_used_blocked_expired_and_given_away(session: Session, customer: Customer) -> None:
    offer, other = builders.an_offer(session, now=NOON), builders.a_customer(session, 8, now=NOON)
    blocked = builders.a_voucher(session, offer=offer, state=VoucherState.BLOCKED, at=NOON - 3 * _HOUR, customer=customer)
    builders.a_voucher(session, offer=offer, state=VoucherState.EXPIRED, at=NOON - timedelta(days=40), customer=customer)
    gone = builders.a_voucher(session, offer=offer, state=VoucherState.ACTIVE, at=NOON - 4 * _HOUR, customer=other)
    audit.record(session, CARE, "voucher.block", target=("voucher", blocked.id), now=NOON - _HOUR)
    giver = Caller(1, "Phone", App.GO, 1, customer_id=customer.id)
    audit.record(session, giver, "voucher.give", target=("voucher", gone.id), now=NOON, after={"customer_id": other.id})
    whats = [event.what for event in told(session, customer)]
    assert whats == [What.VOUCHER_GIVEN, What.VOUCHER_CHANGED, What.VOUCHER_MADE, What.VOUCHER_EXPIRED, What.VOUCHER_MADE]
    received = next(event.row for event in told(session, other) if event.what is What.VOUCHER_CHANGED)
    assert isinstance(received, Audited)
    assert received.is_received


def test_an_outage_that_covers_a_session_is_said_with_it(session: Session, customer: Customer) -> None:
    _, gateway = a_purchase(session, customer, NOON - 3 * _HOUR)
    online = session.exec(select(AccessSession)).one()
    point = AccessPoint(
        external_id="ap-1",
        name="Market AP",
        gateway_id=gateway.id,
        discovered_at=NOON - 9 * _HOUR,
        health_since=NOON,
        site_id=gateway.site_id,
    )
    session.add(point)
    session.flush()
    assert point.id is not None
    session.add(HealthPeriod(access_point_id=point.id, state=Health.DEGRADED, started_at=NOON - 9 * _HOUR, ended_at=NOON - 2 * _HOUR))
    for number, (state, start) in enumerate(((IncidentState.RESOLVED, 2), (IncidentState.FALSE_ALARM, 1), (IncidentState.RESOLVED, 8))):
        begun = NOON - start * _HOUR
        incident = Incident(reference=f"I-{number}", state=state, started_at=begun, opened_at=begun, resolved_at=begun + 30 * _MINUTE)
        session.add(incident)
        session.flush()
        session.add(IncidentMember(incident_id=incident.id or 0, access_point_id=point.id, started_at=begun, ended_at=begun + 30 * _MINUTE))
    session.flush()
    row = next(event.row for event in told(session, customer) if event.what is What.SESSION)
    assert isinstance(row, SessionStory)
    assert [outage.reference for outage in row.outages] == ["I-0"]
    assert row.point is not None
    assert (row.point.name, row.point.then) == ("Market AP", Health.DEGRADED)
    blind = next(event.row for event in told(session, customer, without(Permission.NETWORK_READ)) if event.what is What.SESSION)
    assert isinstance(blind, SessionStory)
    assert (blind.outages, blind.point) == ((), None)
    assert online.state is SessionState.ACTIVE


def test_a_ticket_is_told_as_it_was_opened_answered_resolved_and_rated(session: Session, customer: Customer) -> None:
    ticket = builders.a_ticket(session, customer=customer, body="No page comes up", at=NOON - 5 * _HOUR)
    care = By("staff:awa@inet.gm", None)
    changes.say(session, ticket, kind=MessageKind.NOTE, body="secret", channel=Channel.PORTAL, who=care, now=NOON - 4 * _HOUR)
    changes.say(session, ticket, kind=MessageKind.REPLY, body="Join again", channel=Channel.PORTAL, who=care, now=NOON - 4 * _HOUR)
    changes.say(session, ticket, kind=MessageKind.CUSTOMER, body="Thanks", channel=Channel.PORTAL, who=By("customer"), now=NOON - 3 * _HOUR)
    changes.set_state(session, ticket, TicketState.RESOLVED, who=care, now=NOON - 2 * _HOUR, quietly=True)
    session.add(TicketRating(ticket_id=ticket.id or 0, score=5, comment="Quick", at=NOON - _HOUR))
    session.flush()
    events = told(session, customer, kinds=frozenset({Kind.TICKETS}))
    assert [event.what for event in events] == [
        What.TICKET_RATED,
        What.TICKET_MOVED,
        What.TICKET_SAID,
        What.TICKET_SAID,
        What.TICKET_OPENED,
    ]
    said = [event.row.message.body for event in events if isinstance(event.row, TicketRow) and event.row.message]
    assert said == ["Thanks", "Join again"]


def test_messages_are_told_with_their_words_but_never_a_code(session: Session, customer: Customer) -> None:
    to = Recipient(customer_id=customer.id)
    tell(session, event="purchase_receipt", to=to, values={"dalasi": 50, "reference": "K7M2PX9Q"}, dedupe_key="a", now=NOON)
    tell(session, event="voucher_given", to=to, values={"package": "1 day", "code": "ABCD-EFGHJ", "until": "x"}, dedupe_key="b", now=NOON)
    rows = [event.row for event in told(session, customer, kinds=frozenset({Kind.MESSAGES}))]
    texts = [row.words for row in rows if isinstance(row, MessageRow)]
    assert len(texts) == len(rows) == 2
    assert any("K7M2PX9Q" in text for text in texts)
    assert not any("ABCD" in text for text in texts)


def test_more_time_and_time_given_back_are_told(session: Session, customer: Customer) -> None:
    a_purchase(session, customer, NOON - _HOUR)
    entitlement = session.exec(select(Entitlement)).one()
    extend_entitlement(session, actor=CARE, entitlement_id=entitlement.id or 0, seconds=3600, reason="Slow all day", now=NOON)
    incident = Incident(reference="I-9", state=IncidentState.OPEN, started_at=NOON, opened_at=NOON)
    session.add(incident)
    session.flush()
    session.add(
        Compensation(
            entitlement_id=entitlement.id or 0,
            incident_id=incident.id or 0,
            customer_id=customer.id,
            lost_from=NOON - _HOUR,
            lost_until=NOON,
            seconds=3600,
            created_at=NOON,
        )
    )
    session.flush()
    events = told(session, customer, since=NOON)
    assert [event.what for event in events] == [What.GIVEN_BACK, What.TIME_CHANGED]
    assert isinstance(events[1].row, Audited)
    assert events[1].row.reason == "Slow all day"


def test_money_back_is_told_when_asked_for_and_when_it_ended(session: Session, customer: Customer) -> None:
    payment, _ = a_purchase(session, customer, NOON - _HOUR, PaymentStatus.REFUNDED)
    refund = session.exec(sa.select(builders.Refund)).scalar_one()
    refund.settled_at = NOON
    session.flush()
    events = told(session, customer, kinds=frozenset({Kind.REFUNDS}))
    assert [event.what for event in events] == [What.REFUND_ENDED, What.REFUND_ASKED]
    assert refund.state is RefundState.REFUNDED
    assert payment.id == refund.payment_id


@pytest.mark.parametrize(
    ("permission", "kinds"),
    [
        (Permission.PAYMENTS_READ, {Kind.PAYMENTS, Kind.REFUNDS}),
        (Permission.VOUCHERS_READ, {Kind.VOUCHERS}),
        (Permission.SESSIONS_READ, {Kind.SESSIONS}),
        (Permission.TICKETS_READ, {Kind.TICKETS}),
        (Permission.NOTIFICATIONS_READ, {Kind.MESSAGES}),
        (Permission.COMPENSATION_READ, {Kind.COMPENSATION}),
    ],
)
def test_who_may_not_know_of_a_kind_is_told_of_none_of_it(
    session: Session, customer: Customer, permission: Permission, kinds: set[Kind]
) -> None:
    everything(session, customer)
    shown = {kind_of(event) for event in told(session, customer)}
    assert kinds <= shown
    assert {kind_of(event) for event in told(session, customer, without(permission))} == shown - kinds
    # Asking for it by the address changes nothing.
    assert told(session, customer, without(permission), kinds=frozenset(kinds)) == ()


def test_who_may_not_know_of_customers_is_refused(session: Session, customer: Customer) -> None:
    with pytest.raises(Forbidden):
        told(session, customer, staff(Role.FIELD_TECHNICIAN))
    with pytest.raises(CustomerNotFound):
        story(session, actor=CARE, customer_id=0, now=NOON)


def test_of_who_deleted_their_account_only_the_books_are_told(session: Session, customer: Customer) -> None:
    everything(session, customer)
    customer.erased_at = NOON
    session.flush()
    kinds = {kind_of(event) for event in told(session, customer)}
    assert Kind.PAYMENTS in kinds
    assert kinds <= BOOKS


def test_the_days_that_were_asked_for_are_half_open(session: Session, customer: Customer) -> None:
    for hours in (1, 2, 3):
        session.add(Device(customer_id=customer.id, created_at=NOON - hours * _HOUR, last_seen_at=NOON))
    session.flush()
    assert [event.at for event in told(session, customer, since=NOON - 2 * _HOUR, until=NOON - _HOUR)] == [NOON - 2 * _HOUR]


def kind_of(event: StoryEvent) -> Kind:
    return PARTS[event.place.part].kind


def everything(session: Session, customer: Customer) -> None:
    """Something of every kind that a desk may be told of."""
    a_purchase(session, customer, NOON - 9 * _HOUR, PaymentStatus.REFUNDED)
    test_more_time_and_time_given_back_are_told(session, customer)
    builders.a_ticket(session, customer=customer, at=NOON - _HOUR)
    tell(
        session,
        event="purchase_receipt",
        to=Recipient(customer_id=customer.id),
        values={"dalasi": 5, "reference": "X"},
        dedupe_key="e",
        now=NOON,
    )


# Few instants, so that many things happen at once, in one table and in several.
_RAW = st.lists(st.tuples(st.sampled_from(("device", "message", "voucher", "payment")), st.integers(0, 4)), max_size=24)


@given(rows=_RAW, size=st.integers(1, 6), news=st.integers(0, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_paging_leaves_no_gap_and_repeats_nothing_also_while_things_happen(
    session: Session, rows: list[tuple[str, int]], size: int, news: int
) -> None:
    number = session.exec(select(sa.func.count()).select_from(Customer)).one() + 100
    one = builders.a_customer(session, number, now=NOON)
    for turn, (kind, minute) in enumerate(rows):
        keep(session, one, kind, NOON - minute * _MINUTE, f"{number}-{turn}")
    session.flush()
    whole = [event.place for event in told(session, one)]
    assert whole == sorted(whole, reverse=True)
    assert len(whole) == len(rows) + sum(kind == "voucher" for kind, _ in rows)
    walked: list[Place] = []
    for page in pages(session, one, size):
        assert len(page) <= size
        walked += page
        if news:
            # What happens meanwhile stands above, and moves nothing below.
            news -= 1
            keep(session, one, "device", NOON + _MINUTE, "")
    assert walked == whole


def pages(session: Session, customer: Customer, size: int) -> Iterator[list[Place]]:
    before: Place | None = None
    while True:
        page = story(session, actor=CARE, customer_id=customer.id or 0, before=before, limit=size, now=NOON)
        yield [event.place for event in page.events]
        before = page.older
        if before is None:
            return


def keep(session: Session, customer: Customer, kind: str, at: datetime, name: str) -> None:
    if kind == "device":
        session.add(Device(customer_id=customer.id, created_at=at, last_seen_at=at))
    elif kind == "message":
        session.add(
            Notification(
                dedupe_key=name,
                event="ticket_reply",
                medium=Medium.SMS,
                urgency=Urgency.NORMAL,
                customer_id=customer.id,
                body_sealed=seal(BODY, b"x"),
                created_at=at,
            )
        )
    elif kind == "voucher":
        # Made, and used twenty seconds later.
        builders.a_voucher(session, offer=builders.an_offer(session, now=NOON), state=VoucherState.USED, at=at, customer=customer)
    else:
        offer = builders.an_offer(session, now=NOON)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.EXPIRED, at=at)
    session.flush()


def test_every_thing_that_can_happen_has_its_part() -> None:
    assert [part.what for part in PARTS] == list(What)
