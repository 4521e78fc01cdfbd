"""The last net under an erasure: what staff wrote of the person in rows that stay, and what was drafted about their tickets.

Who took the person out of their own rows (services/apps/erasing.py) knows which columns those are. Here are the words of others, of
which nobody knows beforehand what they hold: they stay, without number, name, devices and addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.keys import unseal
from services.access.models import AccessSession, DeviceSlot, Entitlement, Grant
from services.accounts.models import Customer, Device
from services.accounts.traces import Traces, traces_of
from services.console.bulk.models import BulkOperation
from services.console.models import Draft, SavedView
from services.fieldwork.models import PartUsed, Visit, VisitCheck
from services.payments.models import Payment, Refund
from services.payments.reconciliation.models import ReconciliationFinding
from services.tickets.drafts import place_of
from services.tickets.intake_models import Correspondent
from services.tickets.models import MessageKind, Ticket, TicketMessage, TicketWord
from services.tickets.people import ADDRESS
from services.tickets.work_models import TicketOperation


def traces(session: Session, customer: Customer) -> Traces:
    """By what the person is recognised, read before any of it is gone."""
    writers = session.exec(select(Correspondent).where(Correspondent.customer_id == customer.id)).all()
    return traces_of(
        customer,
        names=[writer.name for writer in writers],
        macs=_macs(session, customer),
        addresses=[unseal(ADDRESS, writer.address_sealed).decode() for writer in writers],
    )


def _macs(session: Session, customer: Customer) -> set[str]:
    time = sa.select(col(Entitlement.id)).where(col(Entitlement.customer_id) == customer.id)
    wanted = (
        sa.select(col(Device.last_mac)).where(col(Device.customer_id) == customer.id),
        sa.select(col(AccessSession.mac)).where(col(AccessSession.customer_id) == customer.id),
        sa.select(col(Payment.client_mac)).where(col(Payment.customer_id) == customer.id),
        sa.select(col(Ticket.client_mac)).where(col(Ticket.customer_id) == customer.id),
        sa.select(col(Grant.mac)).where(col(Grant.entitlement_id).in_(time)),
        sa.select(col(DeviceSlot.mac_hint)).where(col(DeviceSlot.entitlement_id).in_(time)),
    )
    return {mac for query in wanted for mac in session.execute(query.distinct()).scalars() if mac}


def scrub(session: Session, customer_id: int, tickets: Sequence[int], found: Traces) -> None:
    """Take the person out of what others wrote about their purchases and tickets. Part of the erasure's transaction."""
    _drop_drafts(session, tickets)
    if found.pattern is None:
        return
    for row, columns in _written(session, customer_id, tickets):
        for name in columns:
            old = getattr(row, name)
            new = found.out_of_json(old)
            if new != old:
                setattr(row, name, new)
    session.flush()
    # Whoever else has such a name: their tickets are found by it all the same, only a mistyped one is not put right by it.
    session.execute(sa.delete(TicketWord).where(col(TicketWord.word).in_(found.words)))


def _drop_drafts(session: Session, tickets: Sequence[int]) -> None:
    for reference in session.exec(select(Ticket.reference).where(col(Ticket.id).in_(tickets))).all():
        session.execute(sa.delete(Draft).where(col(Draft.place).startswith(place_of(reference, ""), autoescape=True)))


def _written(session: Session, customer_id: int, tickets: Sequence[int]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    payments = sa.select(col(Payment.id)).where(col(Payment.customer_id) == customer_id)
    wanted: tuple[tuple[Any, Any, tuple[str, ...]], ...] = (
        (TicketMessage, col(TicketMessage.ticket_id).in_(tickets) & (col(TicketMessage.kind) == MessageKind.NOTE), ("body",)),
        (TicketOperation, col(TicketOperation.ticket_id).in_(tickets), ("data",)),
        (Visit, col(Visit.ticket_id).in_(tickets), ("reason",)),
        (VisitCheck, col(VisitCheck.ticket_id).in_(tickets), ("note",)),
        (PartUsed, col(PartUsed.ticket_id).in_(tickets), ("name", "serial")),
        (Payment, col(Payment.customer_id) == customer_id, ("reason",)),
        (Refund, col(Refund.payment_id).in_(payments), ("reason", "decision_note")),
        (ReconciliationFinding, col(ReconciliationFinding.payment_id).in_(payments), ("note", "outcome", "evidence")),
        # As many as staff saved: a search for a number may be among them.
        (SavedView, sa.true(), ("state",)),
        # And as many as staff have not sent yet.
        (Draft, sa.true(), ("text",)),
        # Steps on many rows are kept for a season.
        (BulkOperation, sa.true(), ("reason", "answers")),
    )
    for model, which, columns in wanted:
        for row in session.exec(select(model).where(which).execution_options(populate_existing=True)).all():
            yield row, columns
