"""The help desk in INET-Go: a ticket opened, words added, a rating given. What is sent twice under one name is kept once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import AccessSession
from services.accounts.idempotency import Answer, once
from services.apps import shop
from services.apps.callers import Caller
from services.tickets import closure, conversation, intake
from services.tickets.changes import By
from services.tickets.closure import Rated
from services.tickets.errors import TicketNotFound
from services.tickets.models import Channel, Ticket

_BY_CUSTOMER = By("customer")
# Who was online this lately writes from there, unless they say where.
_WAS_THERE = timedelta(hours=2)


@dataclass(frozen=True)
class Words:
    """What somebody asks for help with. `payment_id` is an own payment's id or row number, `place_id` a place of the list."""

    body: str
    subject: str = ""
    payment_id: str | None = None
    place_id: int | None = None


@dataclass(frozen=True)
class Kept:
    """Where the words are: of what is written long after a ticket was done, in a new one."""

    ticket_id: int
    reference: str
    is_new: bool


def open_own(session: Session, caller: Caller, words: Words, *, client_id: str, now: datetime) -> Kept:
    """Open a ticket; the same words under the same `client_id` are the same ticket, whenever they come.

    Raises InvalidInput, or PaymentNotFound, also for another person's.
    """
    payment = shop.own_payment(session, caller, words.payment_id) if words.payment_id else None
    gateway_id = _last_seen_at(session, caller, now=now) if words.place_id is None else None
    reported = intake.open_by_customer(
        session,
        customer_id=caller.customer(),
        body=words.body,
        subject=words.subject,
        channel=Channel.MOBILE,
        gateway_id=gateway_id,
        site_id=words.place_id,
        payment_id=payment.id if payment is not None else None,
        client_id=client_id,
        now=now,
    )
    assert reported.ticket.id is not None
    return Kept(reported.ticket.id, reported.ticket.reference, reported.is_new)


def _last_seen_at(session: Session, caller: Caller, *, now: datetime) -> int | None:
    """The gateway that they are online at, or were a moment ago."""
    mine = select(AccessSession.gateway_id).where(
        AccessSession.customer_id == caller.customer(),
        sa.or_(col(AccessSession.ended_at).is_(None), col(AccessSession.ended_at) > now - _WAS_THERE),
        col(AccessSession.ends_at) > now - _WAS_THERE,
    )
    return session.exec(mine.order_by(col(AccessSession.started_at).desc(), col(AccessSession.id).desc()).limit(1)).first()


def say(session: Session, caller: Caller, ticket_id: int, *, body: str, client_id: str, now: datetime) -> Kept:
    """Add words to an own ticket, once under one `client_id`, whichever way they come. Done lately, it is opened again.

    Raises TicketNotFound (also for another person's), InvalidInput, or KeyReused for other words under the same name.
    """
    own_ticket(session, caller, ticket_id)
    text = intake.words_of(body)
    # The ticket first, as whatever else adds to it does.
    conversation.whole(session, ticket_id)
    # A phone that lost the answer sends again while the first is still at work: it waits, and gets the same answer.
    _alone_with(session, f"{caller.label}\n{client_id}")

    def work(inner: Session) -> Answer:
        heard = conversation.hear(inner, ticket_id, body=text, channel=Channel.MOBILE, who=_BY_CUSTOMER, now=now)
        assert heard.ticket.id is not None
        # Where another ticket took this one in, the customer still knows it by its own name.
        is_new = heard.message is None
        told = heard.ticket if is_new else inner.get_one(Ticket, ticket_id)
        return Answer(201, orjson.dumps({"ticket_id": told.id, "reference": told.reference, "is_new": is_new}))

    request = orjson.dumps(["say", ticket_id, text])
    answer = once(session, actor=_Asker(caller.customer()), key=client_id, request=request, now=now, work=work)
    return Kept(**orjson.loads(answer.body))


@dataclass(frozen=True)
class _Asker:
    id: int
    kind: str = "customer"


def _alone_with(session: Session, name: str) -> None:
    number = int.from_bytes(hashlib.sha256(f"said\n{name}".encode()).digest()[:8], "big", signed=True)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def rate(session: Session, caller: Caller, ticket_id: int, *, score: int, comment: str = "", now: datetime) -> Rated:
    """Say how our help was. Raises TicketNotFound, and what `closure.rate` raises."""
    own_ticket(session, caller, ticket_id)
    return closure.rate(session, ticket_id, score, comment=comment, now=now)


def own_ticket(session: Session, caller: Caller, ticket_id: int) -> Ticket:
    """Raises TicketNotFound, also for another person's."""
    found = session.exec(select(Ticket).where(Ticket.id == ticket_id, Ticket.customer_id == caller.customer())).one_or_none()
    if found is None:
        raise TicketNotFound("There is no request of yours under that number.")
    return found
