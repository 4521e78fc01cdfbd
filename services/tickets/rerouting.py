"""What people have the routing do: decide anew, and tell those who lead."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from app.errors import Conflict, InvalidInput
from services.accounts.models import Role, Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications import Recipient, tell
from services.tickets import changes, people
from services.tickets.errors import TicketAlreadyClosed
from services.tickets.models import Ticket
from services.tickets.routing import Decision, apply, decide
from services.tickets.sight import ticket_to_change
from services.tickets.sla import telling

REASON_LENGTH = (3, 300)


class NobodyToEscalateTo(Conflict):
    code, title = "nobody_to_escalate_to", "Nobody would hear it"
    message = "Nobody whose account is active leads the team, and there is no other System Admin. Hand the ticket over instead."


def reroute(
    session: Session, *, actor: Principal, reference: str, reason: str = "", within_team: bool = False, now: datetime
) -> tuple[Ticket, Decision]:
    """Have the rules decide anew, also over what a person chose: another one asks for it. With `within_team` its team stays.

    Raises Forbidden, TicketNotFound or TicketAlreadyClosed.
    """
    actor.require(Permission.TICKETS_ASSIGN)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    if not ticket.is_open:
        raise TicketAlreadyClosed
    before = {"team": ticket.team_id, "assignee": ticket.assignee_id}
    # Whoever has it now does not count as busy with it.
    held, ticket.assignee_id = ticket.assignee_id, None
    session.flush()
    decision = decide(session, ticket, team_id=ticket.team_id if within_team else None, now=now)
    ticket.assignee_id = held
    apply(session, ticket, decision, who=changes.by(actor), why=reason, now=now)
    after = {"team": ticket.team_id, "assignee": ticket.assignee_id}
    audit.record(session, actor, "ticket.reroute", target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket, decision


def escalate(session: Session, *, actor: Principal, reference: str, reason: str, now: datetime) -> tuple[str, ...]:
    """Have those who lead the team told at once, with a reason, and answer their names; of a ticket without a team, the System Admins.

    Raises Forbidden, TicketNotFound, TicketAlreadyClosed, NobodyToEscalateTo, or InvalidInput without a reason.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    if not ticket.is_open:
        raise TicketAlreadyClosed
    said = _reason(reason)
    leads = telling.people(session, ticket, {"lead": True}) if ticket.team_id is not None else []
    admins = telling.people(session, ticket, {"roles": [Role.SYSTEM_ADMIN, Role.ROOT]})
    told = _others(leads, actor) or _others(admins, actor)
    if not told:
        raise NobodyToEscalateTo
    names = tuple(one.name for one in told)
    event = changes.record(session, ticket, "escalated", {"to": list(names), "why": said}, who=changes.by(actor), now=now)
    for one in told:
        tell(
            session,
            event="ticket_watched",
            to=Recipient(staff_id=one.id),
            values={"reference": ticket.reference, "subject": people.headline(ticket), "by": actor.name}
            | {"text": f"{actor.name} escalated it to you: {said}"},
            dedupe_key=f"escalated:{event.id}:{one.id}",
            ticket_id=ticket.id,
            link=f"/console/tickets/{ticket.reference}",
            now=now,
        )
    after = {"to": ", ".join(names), "reason": said}
    audit.record(session, actor, "ticket.escalate", target=("ticket", ticket.reference), now=now, after=after)
    return names


def _others(found: list[Staff], actor: Principal) -> list[Staff]:
    return [one for one in found if one.id != actor.id]


def _reason(reason: str) -> str:
    text = " ".join(reason.replace("\x00", "").split())
    shortest, longest = REASON_LENGTH
    if not shortest <= len(text) <= longest:
        raise InvalidInput(f"Say why, in {shortest} to {longest} characters.", field="reason")
    return text
