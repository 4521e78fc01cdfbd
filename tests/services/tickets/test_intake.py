"""A ticket is opened from the portal, an app, by staff on the phone: with what is known of the place, and once for each wish."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput
from services.access.models import Gateway
from services.accounts.customers import remember_device
from services.accounts.errors import BadPhone
from services.accounts.models import Customer, Role
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.audit.models import AuditEntry
from services.network.incident_models import Incident
from services.notifications.models import Notification
from services.tickets.attachments import check_all
from services.tickets.callers import caller
from services.tickets.errors import TicketNotFound
from services.tickets.intake import MAX_WORDS, add_by_staff, open_by_customer, open_by_staff, report_problem
from services.tickets.intake_models import Attachment
from services.tickets.models import Category, Channel, Priority, Ticket, TicketMessage, TicketState
from services.tickets.queries import ticket_story
from services.tickets.wishes import Reported
from tests.conftest import NOON
from tests.factories import make_context, make_gateway, make_payment
from tests.services.network.places import make_access_point
from tests.services.tickets.files import EICAR, jpeg, upload
from tests.services.tickets.people import a_person, a_service

NEW, OLD = "+220833000001", "3000001"
WORDS = "It is slow near the gate"


@pytest.fixture
def care(session: Session) -> Principal:
    return principal_of(a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE))


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return make_gateway(session)


def report(session: Session, body: str = WORDS, *, seconds: int = 0, **more: Any) -> Reported:
    known: dict[str, Any] = {"phone": None, "context": None, "payment": None} | more
    return report_problem(session, body=body, now=NOON + timedelta(seconds=seconds), **known)


def said(session: Session, ticket: Ticket) -> list[str]:
    return list(session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all())


def told(session: Session, ticket: Ticket) -> list[str]:
    return list(session.exec(select(Notification.event).where(Notification.ticket_id == ticket.id).order_by(col(Notification.id))).all())


# --- what is known of the place


def test_a_report_knows_the_hotspot_the_device_the_access_point_and_the_payment(session: Session, gateway: Gateway) -> None:
    point = make_access_point(session)
    point.gateway_id = gateway.id
    context = make_context(gateway)
    payment = make_payment(session, context=context)
    device = remember_device(session, device=None, customer_id=payment.customer_id, mac=context.mac, now=NOON)
    ticket = report(session, context=context, payment=payment, device=device).ticket
    assert (ticket.channel, ticket.gateway_id, ticket.site_id) == (Channel.PORTAL, gateway.id, gateway.site_id)
    assert (ticket.access_point_id, ticket.client_mac) == (point.id, context.mac)
    assert (ticket.payment_id, ticket.customer_id) == (payment.id, payment.customer_id)


def test_where_there_are_several_access_points_none_is_named(session: Session, gateway: Gateway) -> None:
    for _ in range(2):
        make_access_point(session).gateway_id = gateway.id
    session.flush()
    assert report(session, context=make_context(gateway)).ticket.access_point_id is None


def test_without_a_hotspot_a_phone_or_a_payment_the_words_are_kept_all_the_same(session: Session) -> None:
    ticket = report(session, "💸💸💸").ticket
    assert (ticket.customer_id, ticket.gateway_id, said(session, ticket)) == (None, None, ["💸💸💸"])


def test_both_forms_of_a_number_are_one_customer(session: Session) -> None:
    assert report(session, "one", phone=OLD).ticket.customer_id == report(session, "two", phone=NEW).ticket.customer_id


def test_a_known_outage_is_linked_at_once_and_told_once(session: Session, gateway: Gateway) -> None:
    incident = Incident(reference="I-ABCDEF", site_id=gateway.site_id, started_at=NOON, opened_at=NOON)
    session.add(incident)
    session.flush()
    reported = report(session, phone=NEW, context=make_context(gateway))
    assert reported.ticket.incident_id == incident.id
    assert told(session, reported.ticket) == ["ticket_outage"]
    again = report(session, phone=NEW, context=make_context(gateway), seconds=5)
    assert again.ticket.id == reported.ticket.id
    assert told(session, reported.ticket) == ["ticket_outage"]


# --- the same wish


def test_the_same_words_of_the_same_person_within_ten_minutes_are_one_ticket(session: Session, gateway: Gateway) -> None:
    context = make_context(gateway)
    first = report(session, context=context)
    again = report(session, context=context, seconds=599)
    assert (again.ticket.id, again.is_new, again.is_own) == (first.ticket.id, False, True)
    assert report(session, context=context, seconds=601).ticket.id != first.ticket.id
    assert report(session, "It is slower", context=context, seconds=5).ticket.id != first.ticket.id
    other = make_context(gateway, mac="02:00:00:bb:00:51")
    assert report(session, context=other, seconds=5).ticket.id != first.ticket.id


def test_who_only_knows_a_number_and_the_words_is_not_let_to_the_page(session: Session, gateway: Gateway) -> None:
    first = report(session, phone=NEW, context=make_context(gateway))
    stranger = report(session, phone=NEW, seconds=5)
    assert (stranger.ticket.id, stranger.is_own) == (first.ticket.id, False)


def test_a_report_under_its_own_key_is_the_same_however_late_it_is_repeated(session: Session) -> None:
    first = report(session, key="wish-0001")
    late = report(session, key="wish-0001", seconds=86_400)
    assert (late.ticket.id, late.is_new) == (first.ticket.id, False)
    assert report(session, "Other words", key="wish-0001", seconds=5).ticket.id != first.ticket.id
    assert report(session, key="wish-0002", seconds=5).ticket.id != first.ticket.id
    assert said(session, first.ticket) == [WORDS]


def test_a_long_text_is_the_same_only_when_all_of_it_is(session: Session) -> None:
    long = "a" * 900
    first = report(session, long + " one", phone=NEW)
    assert report(session, long + " two", phone=NEW, seconds=5).ticket.id != first.ticket.id
    assert report(session, long + " one", phone=NEW, seconds=5).ticket.id == first.ticket.id


def test_a_second_report_of_a_customer_with_an_open_ticket_is_a_ticket_of_its_own(session: Session) -> None:
    assert report(session, "one", phone=NEW).ticket.id != report(session, "two", phone=NEW).ticket.id


# --- words and files


@pytest.mark.parametrize("body", ["", "   ", "\x00", "\u200b\u200f\u2066", "\ufeff", "a" * (MAX_WORDS + 1), "a" * 10_000_000], ids=range(7))
def test_a_report_needs_words_and_not_too_many(session: Session, body: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        report(session, body)
    assert refused.value.field == "body"
    assert session.exec(select(Ticket.id)).all() == []


@pytest.mark.parametrize(
    "body",
    ["😀", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202egnirts\u202c عربي", "a\u200bb", "' OR 1=1; --", "{{7*7}}"],
    ids=ascii,
)
def test_whatever_can_be_written_is_kept_as_it_is(session: Session, body: str) -> None:
    assert said(session, report(session, body).ticket) == [body]


def test_what_is_no_character_is_dropped(session: Session) -> None:
    assert said(session, report(session, "no\x00 net\ud800work").ticket) == ["no net?work"]


def test_a_wrong_number_is_refused_before_anything_is_kept(session: Session) -> None:
    with pytest.raises(BadPhone):
        report(session, phone="+2201234567")
    assert session.exec(select(Ticket.id)).all() == []


def test_pictures_go_with_the_first_message_and_bad_ones_say_why(session: Session) -> None:
    files = check_all([upload(jpeg()), upload(EICAR, "photo.exe")])
    ticket = report(session, files=files).ticket
    rows = session.exec(select(Attachment).where(Attachment.ticket_id == ticket.id).order_by(col(Attachment.id))).all()
    assert [(row.file is not None, row.why) for row in rows] == [(True, None), (False, "It was recognised as a virus.")]
    assert {row.message_id for row in rows} == set(session.exec(select(TicketMessage.id).where(TicketMessage.ticket_id == ticket.id)).all())


# --- apps


def test_an_app_that_asks_again_under_its_own_id_has_one_ticket(session: Session) -> None:
    customer = Customer(phone_e164=NEW, created_at=NOON)
    session.add(customer)
    session.flush()
    assert customer.id is not None
    first = open_by_customer(session, customer_id=customer.id, body=WORDS, subject=" Slow\u202e\nWi-Fi ", client_id="c1", now=NOON)
    again = open_by_customer(
        session, customer_id=customer.id, body=WORDS, subject="Slow Wi-Fi", client_id="c1", now=NOON + timedelta(days=2)
    )
    assert (again.ticket.id, again.is_new) == (first.ticket.id, False)
    assert (first.ticket.channel, first.ticket.customer_id, first.ticket.subject) == (Channel.MOBILE, customer.id, "Slow Wi-Fi")


# --- staff by phone


def by_phone(session: Session, actor: Principal, **more: Any) -> Ticket:
    return open_by_staff(session, actor=actor, **({"phone": OLD, "name": "Awa", "words": WORDS, "now": NOON} | more))


def test_a_caller_is_found_or_made_by_either_form_and_told_the_reference(session: Session, care: Principal) -> None:
    ticket = by_phone(session, care, subject="Slow", category=Category.SLOW_SPEED, priority=Priority.HIGH)
    assert (ticket.channel, ticket.subject, ticket.category, ticket.priority) == (Channel.PHONE, "Slow", Category.SLOW_SPEED, Priority.HIGH)
    customer = session.get_one(Customer, ticket.customer_id)
    assert (customer.phone_e164, customer.name) == (NEW, "Awa")
    assert told(session, ticket) == ["ticket_received"]
    story = ticket_story(session, actor=care, reference=ticket.reference)
    assert (story.messages[0].author, story.messages[0].kind.value) == ("Awa", "customer")
    assert by_phone(session, care, phone=NEW, name="Binta", words="again").customer_id == customer.id
    assert customer.name == "Awa"
    entry = session.exec(select(AuditEntry).where(AuditEntry.action == "ticket.open").order_by(col(AuditEntry.id))).first()
    assert entry is not None
    assert (entry.target_id, entry.after) == (ticket.reference, {"channel": "phone"})


def test_a_caller_without_a_number_has_a_ticket_that_nobody_is_told_of(session: Session, care: Principal) -> None:
    ticket = by_phone(session, care, phone=" ")
    assert (ticket.customer_id, told(session, ticket)) == (None, [])


def test_a_technician_who_takes_a_call_sees_the_ticket_that_they_opened(session: Session) -> None:
    technician = principal_of(a_person(session, "tech@inet.test"))
    assert by_phone(session, technician).assignee_id == technician.id


def test_a_call_is_refused_without_the_permission_words_a_good_number_or_a_real_place(session: Session, care: Principal) -> None:
    with pytest.raises(Forbidden):
        by_phone(session, a_service("tickets:read", number=3))
    with pytest.raises(InvalidInput) as refused:
        by_phone(session, care, words=" ")
    assert refused.value.field == "words"
    with pytest.raises(BadPhone):
        by_phone(session, care, phone="12")
    with pytest.raises(InvalidInput):
        by_phone(session, care, site_id=987_654)
    assert session.exec(select(Ticket.id)).all() == []


def test_a_caller_with_an_open_ticket_is_shown_and_their_words_are_added_to_it(session: Session, care: Principal) -> None:
    ticket = by_phone(session, care)
    make_payment(session, phone=NEW)
    found = caller(session, actor=care, phone="00220 300 0001")
    assert found is not None
    assert ([one.reference for one in found.tickets], found.name, len(found.payments)) == ([ticket.reference], "Awa", 1)
    assert add_by_staff(session, actor=care, reference=ticket.reference, words="Still slow", now=NOON).id == ticket.id
    assert said(session, ticket) == [WORDS, "Still slow"]
    assert caller(session, actor=care, phone="+220833999999") is None


def test_a_technician_adds_nothing_to_a_ticket_of_others_and_is_shown_none_of_them(session: Session, care: Principal) -> None:
    ticket = by_phone(session, care)
    technician = principal_of(a_person(session, "tech@inet.test"))
    with pytest.raises(TicketNotFound):
        add_by_staff(session, actor=technician, reference=ticket.reference, words="hello", now=NOON)
    found = caller(session, actor=technician, phone=NEW)
    assert found is not None
    assert (found.tickets, found.payments) == ((), ())


def test_a_call_about_a_place_that_is_down_is_linked_to_its_outage(session: Session, care: Principal, gateway: Gateway) -> None:
    incident = Incident(reference="I-ABCDEF", site_id=gateway.site_id, started_at=NOON, opened_at=NOON)
    session.add(incident)
    session.flush()
    for place in ({"site_id": gateway.site_id}, {"gateway_id": gateway.id, "words": "other"}):
        ticket = by_phone(session, care, **place)
        assert (ticket.incident_id, ticket.site_id) == (incident.id, gateway.site_id)
        assert told(session, ticket) == ["ticket_outage", "ticket_received"]


def test_words_for_a_ticket_that_waited_let_it_go_on(session: Session, care: Principal) -> None:
    from services.tickets import changes

    ticket = by_phone(session, care)
    changes.set_state(session, ticket, TicketState.PENDING, who=changes.SYSTEM, now=NOON)
    add_by_staff(session, actor=care, reference=ticket.reference, words="I am back", now=NOON)
    assert ticket.state is TicketState.OPEN
