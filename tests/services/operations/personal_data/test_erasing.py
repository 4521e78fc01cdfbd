"""A customer without the app wishes to be forgotten: asked for by one, carried out by another, and nothing of them is left anywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from app.db import transaction
from app.errors import Forbidden
from app.tables import metadata
from services.access.models import AccessSession, SessionState
from services.accounts.models import Customer, Role, Staff
from services.accounts.permissions import FreshProofNeeded, Principal
from services.accounts.sessions import principal_of
from services.apps.erasure import PaymentUnderWay, TimeUnspent
from services.audit import verify as audit
from services.audit.models import AuditEntry
from services.console import drafts
from services.console.models import SavedView
from services.fieldwork.models import Visit, VisitState
from services.notifications.models import Notification
from services.operations.models import ErasureChannel, ErasureProof, ErasureRequest, ErasureState
from services.operations.personal_data import erasing
from services.operations.personal_data.errors import ErasureDecided, ErasureWaits, NobodyLeft, NotYet, OwnErasure
from services.operations.retention import removing
from services.payments.clearing.queries import verify_books
from services.payments.models import Payment, Refund, RefundKind, RefundState
from services.payments.refunding import ask_refund, decline_refund
from services.tickets import changes, vocabulary
from services.tickets.changes import By
from services.tickets.drafts import place_of
from services.tickets.models import Channel, MessageKind, Ticket, TicketState
from tests.conftest import NOON
from tests.factories import make_payment
from tests.services.apps.buying import bought, issued
from tests.services.apps.test_erasure import LEGACY, MAC, MINE, NAME, a_life
from tests.services.apps.texting import a_person, last_key, logged_in

DAY = timedelta(days=1)
LATER = NOON + DAY
ASKED = {"channel": ErasureChannel.DESK, "proof": ErasureProof.IDENTITY_CARD}
# The number in both forms, with and without what people write between, the MAC as it is written, the name.
FORMS = ("833000061", "3000061", "83 300 0061", "300 0061", "300-0061", MAC, MAC.upper(), MAC.replace(":", "-"), MAC.replace(":", ""))
GONE = (MINE, LEGACY, *FORMS, *NAME.split(), "Binta", "Njie", "Lamin", "5e" * 32, "binta@")


def proven(person: Staff) -> Principal:
    return replace(principal_of(person), proven_at=LATER)


@pytest.fixture
def first(session: Session) -> Principal:
    redis.client().flushall()
    return proven(a_person(session, Role.SYSTEM_ADMIN))


@pytest.fixture
def second(session: Session) -> Principal:
    return proven(a_person(session, Role.ROOT))


def customer(session: Session) -> int:
    number = logged_in(session, MINE)[1].customer()
    session.flush()
    return number


def ask(session: Session, actor: Principal, number: int, *, gives_up_time: bool = False) -> int:
    made = erasing.ask(session, actor=actor, customer_id=number, gives_up_time=gives_up_time, now=NOON, **ASKED)
    assert made.id is not None
    return made.id


def what_others_wrote(session: Session, life: dict[str, object], writer: Principal) -> None:
    """Staff's own words about the person, in rows that stay."""
    ticket = session.get_one(Ticket, life["ticket"])
    note = f"Called {NAME} on 83 300 0061 and +220 300-0061; the phone is {MAC.upper()} ({MAC.replace(':', '-')})."
    changes.say(session, ticket, kind=MessageKind.NOTE, body=note, channel=Channel.SMS, who=By(writer.label), now=NOON)
    drafts.keep(session, actor=writer, place=place_of(ticket.reference, "reply"), text=f"Dear {NAME}", now=NOON)
    drafts.keep(session, actor=writer, place="incident:I-ABC", text=f"{NAME} saw it first", now=NOON)
    session.add(
        Visit(
            ticket_id=ticket.id,
            staff_id=writer.id,
            state=VisitState.CANNOT,
            reason=f"{NAME} out",
            since=NOON,
            started_at=NOON,
            ended_at=NOON,
        )
    )
    session.add(SavedView(page="tickets", name="one", owner_id=writer.id, state={"search": "833000061", "n": [1, {"who": "Binta"}]}))
    payment = session.get_one(Payment, life["payment"])
    asked = ask_refund(session, actor=writer, public_id=payment.public_id, reason=f"{NAME} ({MINE}) was sold twice", now=NOON)
    if asked.state is RefundState.ASKED:
        other = proven(a_person(session, Role.ROOT))
        decline_refund(session, actor=other, refund_id=asked.id or 0, note=f"Not to {NAME}, 3000061", now=NOON)
    session.flush()
    with transaction() as apart:
        vocabulary.gather(apart, now=NOON + DAY)


def everything(session: Session) -> dict[str, str]:
    """Each row of each table as text, the audit and the words for corrections among them."""
    session.flush()
    query = "SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{}\" t"
    return {table.name: str(session.execute(sa.text(query.format(table.name))).scalar_one()) for table in metadata.sorted_tables}


def found_in(session: Session) -> set[tuple[str, str]]:
    return {(name, one) for name, rows in everything(session).items() for one in GONE if one.lower() in rows.lower()}


def test_nothing_of_the_person_is_left_in_any_table_and_the_books_hold(session: Session, first: Principal, second: Principal) -> None:
    me = logged_in(session, MINE)[1]
    life = a_life(session, me)
    what_others_wrote(session, life, proven(a_person(session, Role.CUSTOMER_CARE)))
    held = {table for table, _ in found_in(session)}
    assert {"customer", "ticket_message", "draft", "saved_view", "visit", "ticket_word", "access_session"} <= held
    # What nobody can change holds nothing of them to begin with.
    assert not {"audit_entry", "payment_event", "ledger_transfer", "refund"} & held
    books = verify_books(session)
    request = ask(session, first, me.customer(), gives_up_time=True)
    erasing.carry_out(session, actor=second, request_id=request, now=LATER)
    session.expire_all()
    # One word that they used, without whose it was (docs/apps.md); their own name is none of these.
    assert found_in(session) == {("ticket_word", "Lamin")}
    assert verify_books(session).missing == books.missing
    assert verify_books(session).sum_bututs == 0
    assert audit.verify(session, recorded_heads=None).broken is None
    removing.clean_up(transaction, clock=lambda: LATER)
    assert found_in(session) == {("ticket_word", "Lamin")}
    ticket, payment = session.get_one(Ticket, life["ticket"]), session.get_one(Payment, life["payment"])
    assert (ticket.state, payment.amount_bututs) == (TicketState.CLOSED, 2500)
    assert {row.state for row in session.exec(select(AccessSession)).all()} == {SessionState.ENDED}
    assert session.get_one(Customer, me.customer_id).erased_at == LATER
    done = session.get_one(ErasureRequest, request)
    assert (done.state, done.asked_by, done.decided_by) == (ErasureState.DONE, first.label, second.label)


def test_that_it_was_done_is_audited_without_the_person(session: Session, first: Principal, second: Principal) -> None:
    number = customer(session)
    erasing.carry_out(session, actor=second, request_id=ask(session, first, number), now=LATER)
    wanted = select(AuditEntry).where(AuditEntry.target_type == "customer", col(AuditEntry.action).contains("eras"))
    told = session.exec(wanted.order_by(col(AuditEntry.id))).all()
    assert [(row.action, row.actor) for row in told] == [("customer.ask_erasure", first.label), ("customer.erase", second.label)]
    assert told[1].after == {"gave_up_time": False, "asked_by": first.label, "channel": "desk", "proof": "identity_card"}


def test_who_asked_does_not_carry_it_out_but_may_call_it_off(session: Session, first: Principal, second: Principal) -> None:
    number = customer(session)
    request = ask(session, first, number)
    with pytest.raises(ErasureWaits):
        ask(session, second, number)
    with pytest.raises(OwnErasure):
        erasing.carry_out(session, actor=first, request_id=request, now=LATER)
    erasing.call_off(session, actor=first, request_id=request, now=LATER)
    with pytest.raises(ErasureDecided):
        erasing.carry_out(session, actor=second, request_id=request, now=LATER)
    assert session.get_one(Customer, number).erased_at is None
    assert ask(session, second, number) != request


def test_the_database_itself_refuses_that_one_person_does_both(session: Session, first: Principal) -> None:
    row = session.get_one(ErasureRequest, ask(session, first, customer(session)))
    row.state, row.decided_by, row.decided_by_id, row.decided_at = ErasureState.DONE, first.label, first.id, LATER
    with pytest.raises(sa.exc.IntegrityError, match="four_eyes"), session.begin_nested():
        session.flush()


def test_the_customer_is_told_and_has_a_day_to_object(session: Session, first: Principal, second: Principal) -> None:
    number = customer(session)
    request = ask(session, first, number)
    told = session.exec(select(Notification).where(Notification.event == "erasure_asked")).one()
    assert (told.customer_id, told.medium.value) == (number, "sms")
    with pytest.raises(NotYet):
        erasing.carry_out(session, actor=second, request_id=request, now=LATER - timedelta(seconds=1))
    erasing.carry_out(session, actor=second, request_id=request, now=LATER)


def test_money_that_is_open_is_waited_for_in_words(session: Session, first: Principal, second: Principal) -> None:
    number = customer(session)
    request = ask(session, first, number)
    payment = make_payment(session, phone=MINE)
    assert erasing.preview(session, actor=second, customer_id=number, now=LATER).waits_for == erasing.MONEY_OPEN
    with pytest.raises(PaymentUnderWay, match="of this customer"):
        erasing.carry_out(session, actor=second, request_id=request, now=LATER)
    assert payment.customer_id == number
    assert session.get_one(ErasureRequest, request).state is ErasureState.ASKED


def test_a_refund_that_is_not_decided_is_waited_for(session: Session, first: Principal) -> None:
    number = customer(session)
    payment, _, _ = bought(session, MINE)
    checkout = session.execute(sa.text("SELECT id FROM checkout WHERE payment_id = :id"), {"id": payment.id}).scalar()
    row = {"payment_id": payment.id, "checkout_id": checkout, "kind": RefundKind.SALE, "amount_bututs": 2500, "reason": "x"}
    session.add(Refund(**row, asked_by="x", created_at=NOON))
    session.flush()
    with pytest.raises(PaymentUnderWay):
        ask(session, first, number, gives_up_time=True)


def test_what_is_left_is_shown_and_given_up_by_a_word(session: Session, first: Principal, second: Principal) -> None:
    number = customer(session)
    issued(session, MINE)
    seen = erasing.preview(session, actor=first, customer_id=number, now=NOON)
    assert (seen.unused_vouchers, seen.unused_bututs, seen.is_time_left, seen.request) == (1, 2500, True, None)
    with pytest.raises(TimeUnspent, match="Tell them what is left"):
        ask(session, first, number)
    request = ask(session, first, number, gives_up_time=True)
    erasing.carry_out(session, actor=second, request_id=request, now=LATER)


def test_time_that_came_after_it_was_asked_for_is_not_given_up(session: Session, first: Principal, second: Principal) -> None:
    number = customer(session)
    request = ask(session, first, number)
    issued(session, MINE)
    with pytest.raises(TimeUnspent):
        erasing.carry_out(session, actor=second, request_id=request, now=LATER)


def test_who_deleted_the_account_in_the_app_meanwhile_is_gone_already(session: Session, first: Principal, second: Principal) -> None:
    from services.apps import erasure

    me = logged_in(session, MINE)[1]
    request = ask(session, first, me.customer())
    erasure.request_key(session, me, now=NOON)
    erasure.erase(session, me, key=last_key(session, "deletion_key"), now=NOON)
    with pytest.raises(NobodyLeft):
        erasing.carry_out(session, actor=second, request_id=request, now=LATER)
    with pytest.raises(NobodyLeft):
        erasing.preview(session, actor=second, customer_id=me.customer(), now=LATER)
    erasing.call_off(session, actor=second, request_id=request, now=LATER)


def test_an_open_ticket_is_counted(session: Session, first: Principal) -> None:
    me = logged_in(session, MINE)[1]
    a_life(session, me)
    seen = erasing.preview(session, actor=first, customer_id=me.customer(), now=NOON)
    # One from the app, one by text.
    assert seen.open_tickets == seen.tickets >= 1
    assert (seen.payments, seen.online_now, seen.phones) == (1, 1, 1)


def test_it_needs_the_right_and_a_fresh_proof(session: Session, first: Principal) -> None:
    number = customer(session)
    care = proven(a_person(session, Role.CUSTOMER_CARE))
    with pytest.raises(Forbidden):
        ask(session, care, number)
    with pytest.raises(Forbidden):
        erasing.preview(session, actor=care, customer_id=number, now=NOON)
    with pytest.raises(FreshProofNeeded):
        ask(session, replace(first, proven_at=NOON - DAY), number)
    assert erasing.request_of(session, actor=first, customer_id=number) is None
