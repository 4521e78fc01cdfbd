"""What a person does with what was held: look, let through, throw away, and take either back."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.listing import Slice
from services.notifications.models import Notification
from services.tickets import changes, inbound_desk
from services.tickets.changes import SYSTEM
from services.tickets.inbound_desk import NotToBeDiscarded, NotToBeReleased
from services.tickets.intake_models import InboundMessage, InboundState
from services.tickets.models import MessageKind, TicketState
from tests.conftest import NOON
from tests.factories import staff
from tests.services.tickets.mails import a_mail, came_and_read, read, ticket_of

S, CARE = InboundState, staff(Role.CUSTOMER_CARE)


def _spam(session: Session, text: str = "Buy now") -> int:
    held = came_and_read(session, a_mail(text, X_Spam_Flag="YES"))
    assert held.state is S.HELD
    return held.id or 0


def _release(session: Session, inbound_id: int) -> InboundMessage:
    inbound_desk.release(session, actor=CARE, inbound_id=inbound_id, now=NOON)
    session.commit()
    return read(session, inbound_id)


def test_a_held_one_is_shown_with_its_reason_sender_and_first_words(session: Session) -> None:
    held = _spam(session)
    (row,) = inbound_desk.list_inbound(session, actor=CARE, state=S.HELD, part=Slice()).rows
    assert (row.message.id, row.sender, row.words) == (held, "awa@example.gm", "Buy now")
    assert row.message.why == "The mail server's filter says that it is spam."
    assert inbound_desk.inbound_row(session, actor=CARE, inbound_id=held).words == "Buy now"
    assert inbound_desk.overview(session, actor=CARE).held == 1


def test_what_is_let_through_becomes_a_ticket_and_no_rule_is_asked_again(session: Session) -> None:
    taken = _release(session, _spam(session))
    assert (taken.state, taken.handled_by) == (S.TAKEN, CARE.label)
    assert ticket_of(session, taken).body == "Buy now"
    assert session.exec(select(Notification).where(Notification.event == "ticket_received")).all() == []
    with pytest.raises(NotToBeReleased):
        inbound_desk.release(session, actor=CARE, inbound_id=taken.id or 0, now=NOON)


def test_throwing_away_is_taken_back_by_letting_through_and_the_other_way_round(session: Session) -> None:
    held = _spam(session)
    inbound_desk.discard(session, actor=CARE, inbound_id=held, now=NOON)
    session.commit()
    ticket = ticket_of(session, _release(session, held))
    assert inbound_desk.discard(session, actor=CARE, inbound_id=held, now=NOON).state is S.DISCARDED
    session.refresh(ticket)
    assert ticket.state is TicketState.CLOSED
    back = inbound_desk.release(session, actor=CARE, inbound_id=held, now=NOON)
    session.refresh(ticket)
    assert (back.state, ticket.state) == (S.TAKEN, TicketState.OPEN)
    actions = session.exec(select(AuditEntry.action).where(AuditEntry.target_type == "inbound").order_by(AuditEntry.id)).all()  # type: ignore[arg-type]
    assert list(actions) == ["inbound.discard", "inbound.release", "inbound.discard", "inbound.release"]


def test_once_it_was_answered_it_cannot_be_thrown_away(session: Session) -> None:
    taken = _release(session, _spam(session))
    ticket = ticket_of(session, taken)
    changes.say(session, ticket, kind=MessageKind.REPLY, body="No, thanks.", channel=ticket.channel, who=SYSTEM, now=NOON)
    with pytest.raises(NotToBeDiscarded):
        inbound_desk.discard(session, actor=CARE, inbound_id=taken.id or 0, now=NOON)


def test_a_mail_that_became_a_ticket_by_itself_is_worked_on_there(session: Session) -> None:
    taken = came_and_read(session, a_mail())
    with pytest.raises(NotToBeDiscarded):
        inbound_desk.discard(session, actor=CARE, inbound_id=taken.id or 0, now=NOON)


def test_only_who_may_answer_customers_decides(session: Session) -> None:
    held = _spam(session)
    for role in (Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER):
        with pytest.raises(Forbidden):
            inbound_desk.release(session, actor=staff(role), inbound_id=held, now=NOON)
    with pytest.raises(Forbidden):
        inbound_desk.list_inbound(session, actor=staff(Role.FIELD_TECHNICIAN), state=None, part=Slice())
