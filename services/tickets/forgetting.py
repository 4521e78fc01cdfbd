"""A customer deletes their account: what was said by and to them leaves the help desk, with its files. That there was a ticket stays.

Staff's own notes stay. Of the history stay its steps and what clocks and reports read; words and what was read of them go
(services/tickets/forgetting_history.py). Files are taken off the disk after the commit, because a rolled-back deletion must not have lost
them; `sweep` ends what a crash left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import Begin, after_commit, transaction
from app.keys import unseal
from services.accounts.models import Customer
from services.fieldwork.models import VisitConfirmation
from services.tickets import attachments, changes, forgetting_history, inbound_store
from services.tickets.changes import By
from services.tickets.closure_models import TicketRating
from services.tickets.intake_models import Attachment, Correspondent, InboundMessage, InboundState
from services.tickets.models import MessageKind, Ticket, TicketLabel, TicketMessage, TicketState
from services.tickets.people import ADDRESS

DELETED = "(deleted at the customer's wish)"
_WHY = "Deleted at the customer's wish."
_AT_ONCE = 200


def said_with(tickets: sa.Select[tuple[int]] | Sequence[int]) -> sa.ColumnElement[bool]:
    """What these tickets' customers said and were answered: also what has moved by a merge, and not what others said there."""
    theirs = col(TicketMessage.kind).in_((MessageKind.CUSTOMER, MessageKind.REPLY))
    here = col(TicketMessage.said_in_id).is_(None) & col(TicketMessage.ticket_id).in_(tickets)
    return theirs & (here | col(TicketMessage.said_in_id).in_(tickets))


def forget(session: Session, customer: Customer, *, who: By, now: datetime) -> list[int]:
    """Take the customer's words out of all their tickets, and close what is not done. The customer's row is locked and has its number yet.

    Answers the tickets, for whom they are to be found by is written anew once the number is gone too (services/apps/erasing.py).
    """
    writers = session.exec(select(Correspondent).where(Correspondent.customer_id == customer.id).with_for_update()).all()
    tickets = _tickets(session, customer, writers)
    ids = [ticket.id for ticket in tickets if ticket.id is not None]
    _forget_words(session, ids, now=now)
    _forget_what_came_in(session, customer, ids, writers)
    forgetting_history.blank(session, ids)
    for ticket in tickets:
        ticket.subject, ticket.body, ticket.client_mac, ticket.correspondent_id = "", DELETED, None, None
        session.flush()
        if ticket.is_open:
            changes.set_state(
                session, ticket, TicketState.CLOSED, who=who, note="The customer deleted their account.", quietly=True, now=now
            )
    _forget_writers(session, writers)
    after_commit(session, lambda: sweep(transaction))
    return ids


def _tickets(session: Session, customer: Customer, writers: Sequence[Correspondent]) -> Sequence[Ticket]:
    by_mail = col(Ticket.customer_id).is_(None) & col(Ticket.correspondent_id).in_([one.id for one in writers])
    wanted = select(Ticket).where(sa.or_(col(Ticket.customer_id) == customer.id, by_mail)).order_by(col(Ticket.id))
    return session.exec(wanted.with_for_update().execution_options(populate_existing=True)).all()


def _forget_words(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    messages = sa.select(col(TicketMessage.id)).where(said_with(ids))
    session.execute(
        sa.update(Attachment).where(col(Attachment.message_id).in_(messages)).values(name="deleted", why=_WHY, facts={}, sha256="")
    )
    from_them = col(TicketMessage.kind) == MessageKind.CUSTOMER
    session.execute(
        sa.update(TicketMessage)
        .where(col(TicketMessage.id).in_(messages))
        .values(body=DELETED, author=sa.case((from_them, "customer"), else_=col(TicketMessage.author)), mail_id=None)
        .execution_options(synchronize_session=False)
    )
    session.execute(sa.update(TicketRating).where(col(TicketRating.ticket_id).in_(ids)).values(comment=""))
    session.execute(sa.update(VisitConfirmation).where(col(VisitConfirmation.ticket_id).in_(ids)).values(name="", comment=""))
    # What staff decided about words that are gone teaches triage nothing.
    session.execute(sa.delete(TicketLabel).where(col(TicketLabel.ticket_id).in_(ids)))


def _forget_what_came_in(session: Session, customer: Customer, ids: Sequence[int], writers: Sequence[Correspondent]) -> None:
    """The messages as they came, also those that made no ticket."""
    senders = [customer.phone_e164, *([customer.legacy_e164] if customer.legacy_e164 else [])]
    senders += [unseal(ADDRESS, writer.address_sealed).decode() for writer in writers]
    macs = [mac for sender in senders for mac in inbound_store.sender_macs(sender)]
    theirs = sa.or_(col(InboundMessage.ticket_id).in_(ids), col(InboundMessage.sender_mac).in_(macs))
    # What nobody has read yet, or was to look at, has no words any more.
    waits = col(InboundMessage.state).in_((InboundState.STORED, InboundState.HELD))
    state = sa.case((waits, InboundState.DISCARDED), else_=col(InboundMessage.state))
    blank = {"raw_sealed": None, "sender_sealed": None, "sender_mac": None, "mail_id": None, "subject": "", "why": _WHY, "state": state}
    session.execute(sa.update(InboundMessage).where(theirs).values(blank).execution_options(synchronize_session=False))


def _forget_writers(session: Session, writers: Sequence[Correspondent]) -> None:
    for writer in writers:
        others = session.exec(select(Ticket.id).where(Ticket.correspondent_id == writer.id).limit(1)).first()
        if others is None:
            session.delete(writer)
        else:
            writer.customer_id = None
    session.flush()


def sweep(begin: Begin) -> int:
    """Take the files off the disk whose rows say that they are deleted. Safe to run twice and to die midway. Answers how many."""
    with begin() as session:
        files = session.exec(
            select(Attachment.id)
            .where(Attachment.why == _WHY, col(Attachment.file).is_not(None))
            .order_by(col(Attachment.id))
            .limit(_AT_ONCE)
        ).all()
        raw = session.exec(
            select(InboundMessage.id).where(InboundMessage.why == _WHY, col(InboundMessage.raw_file).is_not(None)).limit(_AT_ONCE)
        ).all()
    for number in files:
        with begin() as session:
            attachments.discard(session, session.get_one(Attachment, number, with_for_update=True))
    for number in raw:
        with begin() as session:
            inbound_store.discard(session.get_one(InboundMessage, number, with_for_update=True))
    return len(files) + len(raw)
