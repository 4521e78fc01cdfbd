"""Delete my account: the person is nowhere any more, the books are whole, and the number is free."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from app.errors import Forbidden
from app.keys import unseal
from app.tables import metadata
from services.access.models import AccessSession, DeviceSlot, Entitlement, EntitlementState, Grant, SessionState
from services.accounts.customers import device_from_token, find_customer, find_or_create_customer, token_for
from services.accounts.models import Customer, Device, Role
from services.accounts.queries import customer_page, list_customers
from services.apps import desk, devices, erasure, login, notices, push
from services.apps.callers import Caller
from services.apps.desk import Words
from services.apps.erasure import PaymentUnderWay, TimeUnspent
from services.apps.login import KeySpent, KeyWrong
from services.apps.models import AppDevice, PhotoUpload
from services.audit.models import AuditEntry
from services.listing import Slice
from services.notifications import Recipient, preferences, pushes, tell
from services.notifications.models import Medium, Notification, NotificationState
from services.notifications.service import BODY
from services.payments.find import payment_of_client
from services.payments.models import Payment, WebhookEvent
from services.tickets import changes, intake, people, sms_intake
from services.tickets.changes import SYSTEM, By
from services.tickets.forgetting import DELETED
from services.tickets.intake_models import InboundMessage, InboundState
from services.tickets.models import Category, Channel, MessageKind, Ticket, TicketMessage, TicketState
from services.vouchers.models import Voucher, VoucherState
from tests.conftest import NOON
from tests.factories import make_payment, staff
from tests.services.access.online import online
from tests.services.apps.buying import bought, issued
from tests.services.apps.texting import a_person, another_key, enrolled, last_key, logged_in
from tests.services.notifications.build import Clock, Expo, Gateway, begin_in, world

MINE, LEGACY = "+220833000061", "+2203000061"
NAME, MAC, WORDS, TOKEN = "Binta Sowe-Njie", "02:00:00:aa:00:61", "My neighbour Lamin saw it", "ExponentPushToken[binta]"
_GONE = ("833000061", "3000061", "Binta", MAC, "Lamin", "binta", "5e" * 32)


@pytest.fixture
def me(session: Session) -> Caller:
    redis.client().flushall()
    return logged_in(session, MINE)[1]


def key(session: Session, me: Caller) -> str:
    erasure.request_key(session, me, now=NOON)
    return last_key(session, "deletion_key")


def erase(session: Session, me: Caller, *, give_up_time: bool = False) -> Customer:
    erasure.erase(session, me, key=key(session, me), give_up_time=give_up_time, now=NOON)
    session.expire_all()
    return session.get_one(Customer, me.customer_id)


def a_life(session: Session, me: Caller) -> dict[str, Any]:
    """A name, a purchase, time online, a ticket with words, pushes, wishes, a place."""
    customer = session.get_one(Customer, me.customer_id)
    customer.name, customer.language = NAME, "fr"
    own = Device(customer_id=customer.id, last_mac=MAC, created_at=NOON, last_seen_at=NOON)
    session.add(own)
    session.flush()
    payment, _, entitlement = bought(session, MINE)
    payment.device_id, payment.client_mac, payment.client_hid = own.id, MAC, "a" * 64
    online(session, entitlement=entitlement, phone=MINE)
    for row in session.exec(select(AccessSession)).all():
        row.mac, row.device_id = MAC, own.id
    said = {"id": "cos-1", "data": {"client_reference": payment.reference, "sender_mobile": MINE, "amount": "25"}}
    event = WebhookEvent(provider_event_id="ev-61", type="x", client_reference=payment.reference, body=said, received_at=NOON)
    session.add(event)
    push.register(session, me, token=TOKEN, now=NOON)
    phone = session.get_one(AppDevice, me.app_device_id)
    phone.name, phone.latitude, phone.longitude, phone.located_at, phone.device_id = f"{NAME}'s phone", 13.4, -16.6, NOON, own.id
    preferences.opt_out(session, customer_id=customer.id, medium=Medium.EMAIL, by="app", now=NOON)
    kept = desk.open_own(session, me, Words(f"{WORDS}, call {MINE}", subject=f"{NAME} here"), client_id="wish-0001", now=NOON)
    ticket = session.get_one(Ticket, kept.ticket_id)
    ticket.client_mac = MAC
    photo = {"app_device_id": me.app_device_id, "ticket_id": ticket.id, "sha256": "5e" * 32, "size_bytes": 9, "created_at": NOON}
    place = {"latitude": 13.4, "longitude": -16.6, "taken_at": NOON, "touched_at": NOON}
    session.add(PhotoUpload(public_id="photo-61", name=f"{NAME}.jpg", **photo, **place))
    its_history(session, ticket)
    ticket.assignee_id = a_person(session).id
    changes.say(session, ticket, kind=MessageKind.REPLY, body=f"Dear {NAME}", channel=Channel.SMS, who=By("staff:Awa"), now=NOON)
    changes.say(session, ticket, kind=MessageKind.NOTE, body="The router was moved", channel=Channel.SMS, who=By("staff:Awa"), now=NOON)
    to, values = Recipient(customer_id=customer.id), {"reference": ticket.reference, "text": WORDS, "subject": NAME}
    tell(session, event="ticket_reply", to=to, values=values, dedupe_key="told", ticket_id=ticket.id, now=NOON)
    told = Recipient(staff_id=ticket.assignee_id)
    tell(session, event="ticket_customer_wrote", to=told, values=values, dedupe_key="desk", ticket_id=ticket.id, now=NOON)
    sms_intake.receive(session, sender=LEGACY, to="INET", text=WORDS, provider_id="sms-61", sent_at="", now=NOON)
    sms_intake.take(session, session.exec(select(InboundMessage)).one(), now=NOON)
    session.flush()
    return {"device": own.id, "payment": payment.id, "ticket": ticket.id, "token": token_for(own.id or 0), "entitlement": entitlement.id}


def its_history(session: Session, ticket: Ticket) -> None:
    """What was read of the words, known when they came, and written into the history by others."""
    read = {"messages": 1, "category": "general_question", "confidence": 0.5, "abstain": True, "reasons": ["Words that speak: “Lamin”"]}
    read |= {"entities": [{"kind": "phone", "value": MINE}], "reply": {"text": f"Dear {NAME}"}, "vector": "TGFtaW4="}
    for kind, data in (
        ("facts", {"device_id": 61, "mac": MAC, "payment": {"reference": MINE}}),
        ("triaged", read),
        ("rated", {"score": 1, "before": None, "comment": WORDS, "round": 0}),
        ("confirmation", {"works": True, "name": NAME, "comment": WORDS, "happened_at": "2026-11-22T12:00:00Z"}),
        ("escalated", {"to": ["Awa"], "why": f"{NAME} is angry"}),
    ):
        changes.record(session, ticket, kind, data, who=SYSTEM, now=NOON)
    changes.set_field(session, ticket, "category", Category.GENERAL_QUESTION, who=SYSTEM, now=NOON, why="Words that speak: “Lamin”")


def everything(session: Session) -> dict[str, str]:
    """Each table's rows as text, but the audit, which nobody can change, and the words that nobody can be told to have said."""
    session.flush()
    skipped = {"audit_entry", "ticket_word", "package_version"}
    query = "SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{}\" t"
    names = [table.name for table in metadata.sorted_tables if table.name not in skipped]
    return {name: str(session.execute(sa.text(query.format(name))).scalar_one()) for name in names}


def test_nothing_of_the_person_is_left_in_any_table(session: Session, me: Caller) -> None:
    a_life(session, me)
    before = everything(session)
    for secret in ("833000061", "Binta", MAC, "Lamin"):
        assert any(secret in rows for rows in before.values()), secret
    erase(session, me, give_up_time=True)
    found = {(name, secret) for name, rows in everything(session).items() for secret in _GONE if secret in rows}
    assert not found


def test_nothing_of_a_photo_on_its_way_is_left_and_none_arrives(session: Session, me: Caller) -> None:
    a_life(session, me)
    session.add(PhotoUpload(**session.exec(select(PhotoUpload)).one().model_dump(exclude={"id"}) | {"public_id": "2", "sha256": "7f" * 32}))
    session.flush()
    erase(session, me, give_up_time=True)
    for photo in session.exec(select(PhotoUpload)).all():
        assert (photo.name, photo.taken_at, photo.latitude, photo.longitude, photo.state.value) == ("", None, None, None, "refused")
        assert photo.sha256 == f"deleted:{photo.id}"


def test_what_is_sealed_holds_nothing_either(session: Session, me: Caller) -> None:
    a_life(session, me)
    erase(session, me, give_up_time=True)
    told = session.exec(select(Notification)).all()
    assert len(told) > 3
    assert {unseal(BODY, row.body_sealed).decode() for row in told} == {DELETED}
    assert {(row.subject_sealed, row.address_sealed, row.headers_sealed) for row in told} == {(None, None, None)}
    came_in = session.exec(select(InboundMessage)).one()
    assert (came_in.raw_sealed, came_in.sender_sealed, came_in.sender_mac, came_in.state) == (None, None, None, InboundState.TAKEN)


def test_the_books_the_desk_and_the_history_are_whole(session: Session, me: Caller) -> None:
    life = a_life(session, me)
    gone = erase(session, me, give_up_time=True)
    payment, ticket = session.get_one(Payment, life["payment"]), session.get_one(Ticket, life["ticket"])
    assert (payment.customer_id, payment.amount_bututs, payment.status.value) == (gone.id, 2500, "served")
    assert (ticket.state, ticket.subject, ticket.body, ticket.customer_id) == (TicketState.CLOSED, "", DELETED, gone.id)
    said = session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all()
    assert said == [DELETED, DELETED, "The router was moved", DELETED]
    assert (gone.masked_phone, gone.name, gone.legacy_e164, gone.language, gone.erased_at) == ("Deleted customer", None, None, "en", NOON)
    assert session.exec(select(WebhookEvent)).one().body["data"] == {"client_reference": payment.reference, "amount": "25"}
    assert people.recipient(session, ticket) is None
    entry = session.exec(select(AuditEntry).where(AuditEntry.action == "customer.erase")).one()
    assert (entry.actor, entry.target_id, entry.after) == (me.label, str(gone.id), {"gave_up_time": True})


def test_the_number_is_free_and_brings_nothing_of_the_old(session: Session, me: Caller) -> None:
    life = a_life(session, me)
    gone = erase(session, me, give_up_time=True)
    assert find_customer(session, phone=MINE) is None
    new = find_or_create_customer(session, phone=LEGACY, now=NOON)
    assert new.id != gone.id
    device = device_from_token(session, life["token"])
    assert device is not None
    assert (device.customer_id, device.last_mac) == (None, None)
    assert payment_of_client(session, None, device, now=NOON) is None
    assert session.exec(select(DeviceSlot).where(DeviceSlot.device_id == device.id)).all() == []
    caller = logged_in(session, MINE)[1]
    assert notices.list_notices(session, caller, limit=9).items == ()
    push.register(session, caller, token=TOKEN, now=NOON)
    tell(session, event="ticket_reply", to=Recipient(customer_id=gone.id), values={}, dedupe_key="late", now=NOON)
    assert session.exec(select(Notification).where(Notification.dedupe_key == "late")).all() == []


def test_time_that_is_given_up_lets_nobody_in(session: Session, me: Caller) -> None:
    life, voucher = a_life(session, me), issued(session, MINE)
    with pytest.raises(TimeUnspent):
        erasure.erase(session, me, key=key(session, me), now=NOON)
    assert session.get_one(Customer, me.customer_id).erased_at is None
    redis.client().flushall()
    erasure.erase(session, me, key=last_key(session, "deletion_key"), give_up_time=True, now=NOON)
    session.expire_all()
    assert session.get_one(Entitlement, life["entitlement"]).state is EntitlementState.ENDED
    assert {row.state for row in session.exec(select(AccessSession)).all()} == {SessionState.ENDED}
    assert {row.state.value for row in session.exec(select(Grant)).all()} <= {"ended", "void"}
    blocked = session.get_one(Voucher, voucher.id)
    assert (blocked.state, blocked.porta_next_attempt_at) == (VoucherState.BLOCKED, NOON)


def test_a_code_that_nobody_entered_is_time_too_until_it_expires(session: Session, me: Caller) -> None:
    voucher = issued(session, MINE)
    with pytest.raises(TimeUnspent):
        erasure.erase(session, me, key="000000", now=NOON)
    voucher.use_before = NOON
    session.flush()
    assert erase(session, me).erased_at == NOON


def test_a_payment_under_way_is_waited_for(session: Session, me: Caller) -> None:
    make_payment(session, phone=MINE)
    with pytest.raises(PaymentUnderWay):
        erasure.erase(session, me, key=key(session, me), give_up_time=True, now=NOON)


def test_a_wrong_key_deletes_nothing_and_is_counted(session: Session, me: Caller) -> None:
    right = key(session, me)
    for left in (4, 3, 2, 1):
        with pytest.raises(KeyWrong) as refused:
            erasure.erase(session, me, key=another_key(right), now=NOON)
        assert refused.value.extra == {"tries_left": left}
    for wrong in (another_key(right), right):
        with pytest.raises(KeySpent):
            erasure.erase(session, me, key=wrong, now=NOON)
    assert session.get_one(Customer, me.customer_id).erased_at is None


def test_a_key_for_something_else_deletes_nothing(session: Session, me: Caller) -> None:
    login.request_key(session, phone=MINE, purpose=login.KeyPurpose.LOG_IN, now=NOON)
    with pytest.raises(KeySpent):
        erasure.erase(session, me, key=last_key(session), now=NOON)


def test_done_again_nothing_happens_and_every_phone_is_logged_out(session: Session, me: Caller) -> None:
    other, token = logged_in(session, MINE)[1], logged_in(session, MINE)[0].access_token
    gone = erase(session, me)
    number = gone.phone_e164
    erasure.erase(session, me, key="whatever", now=NOON + timedelta(days=1))
    session.expire_all()
    assert (gone.phone_e164, gone.erased_at) == (number, NOON)
    assert devices.devices_of(session, caller=other) == []
    with pytest.raises(devices.Unauthenticated):
        devices.caller_of(session, token, now=NOON)


def test_what_waits_to_be_sent_is_not_sent(session: Session, me: Caller) -> None:
    a_life(session, me)
    erase(session, me, give_up_time=True)
    expo, gateway, clock = Expo(), Gateway(), Clock()
    pushes.send_due(begin_in(session), world(push=expo, sms=gateway), clock=clock)
    waiting = select(Notification).where(Notification.customer_id == me.customer_id, Notification.state == NotificationState.QUEUED)
    assert (expo.taken, session.exec(waiting).all()) == ([], [])


def test_staff_find_the_deleted_customer_only_by_what_they_did(session: Session, me: Caller) -> None:
    a_life(session, me)
    gone = erase(session, me, give_up_time=True)
    admin = staff(Role.SYSTEM_ADMIN)
    assert gone.id is not None
    assert customer_page(session, actor=admin, customer_id=gone.id).devices == ()
    for search in (MINE, LEGACY, "833000061"):
        assert list_customers(session, actor=admin, search=search, part=Slice()).rows == ()


def test_another_customers_things_stay(session: Session, me: Caller) -> None:
    other = "+220833000062"
    bystander = logged_in(session, other)[1]
    a_life(session, me)
    payment, _, _ = bought(session, other)
    push.register(session, bystander, token="ExponentPushToken[other]", now=NOON)
    ticket = intake.open_by_customer(session, customer_id=bystander.customer(), body="Words of another", now=NOON).ticket
    erase(session, me, give_up_time=True)
    assert (session.get_one(Ticket, ticket.id).body, session.get_one(Ticket, ticket.id).state) == ("Words of another", TicketState.NEW)
    assert session.get_one(Payment, payment.id).customer_id == bystander.customer_id
    assert len(devices.devices_of(session, caller=bystander)) == 1
    assert session.execute(sa.text("SELECT count(*) FROM push_token WHERE dropped_at IS NULL")).scalar_one() == 1


def test_it_is_no_technicians(session: Session) -> None:
    technician = enrolled(session, a_person(session))[1]
    with pytest.raises(Forbidden):
        erasure.erase(session, technician, key="000000", now=NOON)
