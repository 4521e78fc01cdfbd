"""One ticket about two things becomes two: the chosen messages move into a new one, and can be put back for a day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session

from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.revision import require
from services.tickets import changes, links, locks, steps, watching
from services.tickets.errors import CannotSplit, CannotUndo
from services.tickets.merging import UNDONE_WITHIN, require_in_place
from services.tickets.models import MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.opening import PROCESS_JOB, new_ticket_reference
from services.tickets.sight import sees_all
from services.tickets.texts import one_line, required
from services.tickets.work_models import OperationKind, TicketOperation

_MAX_SUBJECT = 200


def split(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    message_ids: Collection[int],
    subject: str,
    expected_revision: str | None = None,
    now: datetime,
) -> TicketOperation:
    """Move these messages into a new ticket of the same customer and place. Its clocks begin now; triage and routing look at it anew.

    Raises Forbidden, TicketNotFound, TicketMerged, Stale, InvalidInput, or CannotSplit for no message, the first, or one of another ticket.
    """
    actor.require(Permission.TICKETS_EDIT)
    title = one_line(required(subject, field="subject", empty="Say in a few words what the new ticket is about.", longest=_MAX_SUBJECT))
    ticket = locks.one(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    chosen = _chosen(session, ticket, set(message_ids))
    operation = steps.record_step(session, kind=OperationKind.SPLIT, ticket=ticket, actor=actor, lasts=UNDONE_WITHIN, now=now)
    new = _open(session, ticket, chosen, title, actor, now=now)
    moved = steps.move(session, chosen, to=new)
    who, ids = changes.by(actor), [number for number, _ in moved]
    _note(session, ticket, new, ids, operation, who=who, now=now)
    for one in (ticket, new):
        steps.retell(session, one)
    operation.data = {"source": ticket.reference, "new": new.reference, "source_id": ticket.id, "new_id": new.id, "moved": moved}
    watching.news(session, ticket, f"{new.reference} was split off by {actor.name}", who=who, key=f"split:{operation.id}", now=now)
    audit.record(session, actor, "ticket.split", target=("ticket", ticket.reference), now=now, after={"new": new.reference})
    assert new.id is not None
    ring(session, PROCESS_JOB, new.id, queue="triage")
    session.flush()
    return operation


def _chosen(session: Session, ticket: Ticket, ids: set[int]) -> list[TicketMessage]:
    said = steps.messages_of(session, ticket)
    chosen = [one for one in said if one.id in ids]
    if not chosen:
        raise CannotSplit("Choose the messages that belong into the new ticket.", field="message_ids")
    if len(chosen) < len(ids):
        raise CannotSplit(f"Not all of them stand in {ticket.reference} any more. Read it again.", field="message_ids")
    # What came in by a merge is not what this ticket began with.
    first = next((one for one in said if one.said_in_id is None), said[0])
    if first in chosen:
        raise CannotSplit("The first message stays: it is what the ticket is about.", field="message_ids")
    return chosen


def _open(session: Session, ticket: Ticket, chosen: list[TicketMessage], title: str, actor: Principal, *, now: datetime) -> Ticket:
    heard = [one for one in chosen if one.kind is MessageKind.CUSTOMER]
    new = Ticket(
        reference=new_ticket_reference(),
        channel=ticket.channel,
        subject=title,
        body=(heard or chosen)[0].body[: changes.SHOWN_BODY],
        customer_id=ticket.customer_id,
        correspondent_id=ticket.correspondent_id,
        gateway_id=ticket.gateway_id,
        site_id=ticket.site_id,
        access_point_id=ticket.access_point_id,
        client_mac=ticket.client_mac,
        language=ticket.language,
        # It would vanish from the sight of a technician who splits their own.
        assignee_id=None if sees_all(actor) else actor.id,
        created_at=now,
        updated_at=now,
    )
    session.add(new)
    session.flush()
    changes.begin(session, new, who=changes.by(actor), now=now)
    return new


def _note(
    session: Session, ticket: Ticket, new: Ticket, ids: list[int], operation: TicketOperation, *, who: changes.By, now: datetime
) -> None:
    links.join(session, ticket, new, who=who, now=now, why="Split off")
    data = {"messages": len(ids), "operation_id": operation.id}
    changes.record(session, ticket, "split_off", {"to": new.reference, **data}, who=who, now=now)
    changes.record(session, new, "split_from", {"from": ticket.reference, **data}, who=who, now=now)


def put_back(session: Session, operation: TicketOperation, ticket: Ticket, new: Ticket, *, actor: Principal, now: datetime) -> list[str]:
    """Undo a split of these two locked tickets; answers what stays as it is now, in words. Raises CannotUndo."""
    require_in_place(session, operation, new)
    if ticket.merged_into_id is not None:
        into = session.get_one(Ticket, ticket.merged_into_id).reference
        raise CannotUndo(f"{ticket.reference} was merged into {into} since. Undo that first.")
    who, count = changes.by(actor), len(operation.data["moved"])
    steps.move_back(session, operation.data["moved"], to=ticket)
    changes.record(session, ticket, "took_back", {"from": new.reference, "messages": count}, who=who, now=now)
    left = steps.messages_of(session, new)
    kept = []
    if left:
        many = "one message" if len(left) == 1 else f"{len(left)} messages"
        kept.append(f"{new.reference} stays, with {many} from elsewhere or since the split")
        changes.record(session, new, "gave_back", {"to": ticket.reference, "messages": count}, who=who, now=now)
    else:
        links.part(session, ticket, new, who=who, now=now)
        # Whoever was sent its reference and writes to it is heard in the one that it came from.
        new.merged_into_id = ticket.id
        changes.set_state(session, new, TicketState.CLOSED, who=who, note="The split was undone", quietly=True, now=now)
        changes.record(session, new, "merged", {"into": ticket.reference, "operation_id": operation.id}, who=who, now=now)
    for one in (ticket, new):
        steps.retell(session, one)
    return kept
