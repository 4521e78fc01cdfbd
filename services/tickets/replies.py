"""Answering a customer: once, on their way, and not past what somebody else said meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.notifications import tell
from services.notifications.desk import GIVEN_UP, send_again
from services.notifications.models import Medium, Notification, NotificationState
from services.tickets import changes, locks, mail_out, people, seen, watching
from services.tickets.errors import NobodyToAnswer, ReplyNotFound, ReplyNotResent
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.texts import required

Then = Literal["open", "pending", "resolved"]
DOUBLE_CLICK = timedelta(seconds=10)
_BEGINNING = 80
# No way to the person at all: they read it on their own page of the ticket, if they come back.
NO_WAY = "none"
_SEND_STATES = {
    NotificationState.FAILED: 0,
    NotificationState.UNKNOWN: 1,
    NotificationState.SUPPRESSED: 2,
    NotificationState.QUEUED: 3,
    NotificationState.SENDING: 4,
    NotificationState.SENT: 5,
    NotificationState.DELIVERED: 6,
}


@dataclass(frozen=True)
class Delivery:
    """What became of a reply on its way: the best of its ways, when there were several. `state` is a NotificationState's, or `none`."""

    state: str
    medium: str | None = None
    at: datetime | None = None
    error: str | None = None
    may_be_resent: bool = False


def reply(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    text: str,
    expected_revision: str | None,
    anyway: bool = False,
    then: Then = "pending",
    now: datetime,
) -> TicketMessage:
    """Say it to the customer, and go on with the ticket as `then` says. The same words of one person within seconds are one reply.

    What is written in answer to a ticket that was merged meanwhile is said in the one that took it in. Raises Forbidden, TicketNotFound,
    TicketMerged, InvalidInput, NobodyToAnswer, or AnsweredMeanwhile if somebody said something since `expected_revision`.
    """
    actor.require(Permission.TICKETS_REPLY)
    said = required(text, field="text", empty="Write the reply first.")
    ticket = locks.end_to_change(session, actor=actor, reference=reference)
    if (already := _just_said(session, ticket, actor, said, now=now)) is not None:
        return already
    if ticket.channel is Channel.INCIDENT and ticket.customer_id is None and ticket.correspondent_id is None:
        raise NobodyToAnswer
    if not anyway:
        seen.require_unanswered(session, ticket, reference=reference, expected=expected_revision, actor=actor)
    message = _say(session, ticket, actor, said, now=now)
    _go_on(session, ticket, actor, then, now=now)
    beginning = " ".join(said.split())[:_BEGINNING]
    watching.news(session, ticket, f"{actor.name} replied: {beginning}", who=changes.by(actor), key=f"reply:{message.id}", now=now)
    return message


def deliveries(session: Session, ticket_id: int) -> dict[int, Delivery]:
    """How each reply in this ticket fared, by the message's id; for whoever may see the ticket."""
    replies = session.exec(select(TicketMessage).where(TicketMessage.ticket_id == ticket_id, TicketMessage.kind == MessageKind.REPLY)).all()
    # What was said before a merge or a split was sent as said in the other ticket.
    said_in = {one.said_in_id for one in replies if one.said_in_id is not None} | {ticket_id}
    sent = _sent(session, said_in)
    return {one.id: _best(sent.get(one.id, [])) for one in replies if one.id is not None}


def resend(session: Session, *, actor: Principal, message_id: int, now: datetime) -> Delivery:
    """Send a reply once more that did not arrive, or perhaps not.

    Raises Forbidden, ReplyNotFound, TicketNotFound, TicketMerged or ReplyNotResent.
    """
    actor.require(Permission.TICKETS_REPLY)
    message = session.get(TicketMessage, message_id)
    if message is None or message.kind is not MessageKind.REPLY:
        raise ReplyNotFound
    ticket = session.get_one(Ticket, message.ticket_id)
    ticket = locks.end_to_change(session, actor=actor, reference=ticket.reference)
    wanted = select(Notification).where(
        Notification.ticket_message_id == message_id,
        col(Notification.ticket_id).in_([ticket.id, message.said_in_id, message.ticket_id]),
        col(Notification.staff_id).is_(None),
        Notification.medium != Medium.BELL,
    )
    sent = session.exec(wanted.order_by(col(Notification.id)).with_for_update().execution_options(populate_existing=True)).all()
    failed = [one for one in sent if one.state in GIVEN_UP]
    if not failed or len(failed) < len(sent):
        raise ReplyNotResent
    for one in failed:
        send_again(session, actor, one, now=now)
    return _best(list(sent))


def _just_said(session: Session, ticket: Ticket, actor: Principal, said: str, *, now: datetime) -> TicketMessage | None:
    """The same reply of the same person, moments ago: a second click, or a browser that sent it twice."""
    who = changes.by(actor)
    same = select(TicketMessage).where(
        TicketMessage.ticket_id == ticket.id,
        TicketMessage.kind == MessageKind.REPLY,
        TicketMessage.created_at >= now - DOUBLE_CLICK,
        TicketMessage.author == actor.name,
        col(TicketMessage.staff_id).is_not_distinct_from(who.staff_id),
        TicketMessage.body == said,
    )
    return session.exec(same.order_by(col(TicketMessage.id).desc()).limit(1)).first()


def _say(session: Session, ticket: Ticket, actor: Principal, said: str, *, now: datetime) -> TicketMessage:
    to = people.recipient(session, ticket)
    channel = _way(ticket, by_mail=to is not None and to.email is not None)
    message = changes.say(
        session, ticket, kind=MessageKind.REPLY, body=said, channel=channel, who=changes.by(actor), author=actor.name, now=now
    )
    if to is not None:
        tell(
            session,
            event="ticket_reply",
            to=to,
            values={"reference": ticket.reference, "subject": people.headline(ticket), "text": said},
            dedupe_key=f"reply:{message.id}",
            ticket_id=ticket.id,
            ticket_message_id=message.id,
            # Only a mail finds back by what it carries.
            headers=mail_out.headers(session, ticket, message) if to.email is not None else None,
            now=now,
        )
    return message


def _way(ticket: Ticket, *, by_mail: bool) -> Channel:
    if by_mail:
        return Channel.EMAIL
    if ticket.customer_id is None or ticket.channel is Channel.MOBILE:
        return ticket.channel
    return Channel.SMS


def _go_on(session: Session, ticket: Ticket, actor: Principal, then: Then, *, now: datetime) -> None:
    who, state = changes.by(actor), TicketState(then)
    if ticket.assignee_id is None and who.staff_id is not None:
        changes.set_field(session, ticket, "assignee_id", who.staff_id, who=who, now=now, why="Answered it first")
    # What is closed already is not made less so by a last word.
    if not (state is TicketState.RESOLVED and ticket.state is TicketState.CLOSED):
        changes.set_state(session, ticket, state, who=who, now=now)


def _sent(session: Session, ticket_ids: set[int]) -> dict[int, list[Notification]]:
    wanted = select(Notification).where(
        col(Notification.ticket_id).in_(ticket_ids),
        Notification.event == "ticket_reply",
        # What the customer's app keeps of it says nothing of how it was sent.
        Notification.medium != Medium.BELL,
        col(Notification.ticket_message_id).is_not(None),
    )
    found: dict[int, list[Notification]] = {}
    for row in session.exec(wanted.order_by(col(Notification.id))).all():
        found.setdefault(row.ticket_message_id or 0, []).append(row)
    return found


def _best(sent: list[Notification]) -> Delivery:
    if not sent:
        return Delivery(NO_WAY, error="We know no number and no address; they can read it on their own page.")
    best = max(sent, key=lambda one: (_SEND_STATES[one.state], one.medium is not Medium.PUSH))
    return Delivery(
        state=best.state.value,
        medium=best.medium.value,
        at=best.delivered_at or best.sent_at or best.created_at,
        error=best.error,
        may_be_resent=all(one.state in GIVEN_UP for one in sent),
    )
