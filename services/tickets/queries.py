"""Long reads of tickets, each narrowed to what the reader may know of (`sight`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.accounts.models import Customer, Staff
from services.accounts.permissions import Permission, Principal
from services.listing import COUNT_CAP, MAX_LIMIT, After, Listing, Slice, count, fetch, pick
from services.network.incident_models import Incident
from services.network.models import Site
from services.payments.models import Payment
from services.tickets import finding
from services.tickets.desk_models import Team
from services.tickets.errors import TicketNotFound
from services.tickets.models import IS_UNDONE, UNDONE, Category, Channel, Priority, Ticket, TicketEvent, TicketMessage, TicketState
from services.tickets.sight import in_sight
from services.tickets.work_models import TicketTag

_HISTORY_SHOWN = 200
# Nobody pages through more than this; counting further would cost the more the more there are.
COUNTED = 200
# Of what a search found, the best.
FOUND_MOST, FOUND_FOR_API = 50, 1000
BEST = "best"


@dataclass(frozen=True)
class TicketFilter:
    """`search` is a reference, a phone number, a mail address, or words that were said, a device, a payment, a code or a place.

    `is_unassigned` asks for what lies with nobody, `due_before` for what is not done and due by then.
    """

    state: TicketState | None = None
    priority: Priority | None = None
    is_undone: bool = False
    search: str = ""
    customer_id: int | None = None
    assignee_id: int | None = None
    is_unassigned: bool = False
    team_id: int | None = None
    # Any of these: whatever lies with the teams that somebody is in.
    team_ids: tuple[int, ...] | None = None
    category: Category | None = None
    channel: Channel | None = None
    language: str | None = None
    site_id: int | None = None
    tag: str | None = None
    due_before: datetime | None = None
    merged_into_id: int | None = None

    @property
    def is_only_undone(self) -> bool:
        """Whether nothing that is done can match."""
        return self.is_undone or self.due_before is not None or self.state in UNDONE


@dataclass(frozen=True)
class Assignee:
    """A person with tickets. A disabled one keeps them until they are handed over."""

    id: int
    name: str
    is_active: bool


@dataclass(frozen=True)
class TicketRow:
    ticket: Ticket
    customer: Customer | None
    gateway_name: str | None
    gateway_slug: str | None
    payment_reference: str | None
    incident_reference: str | None
    assignee: Assignee | None
    team_name: str | None
    site_name: str | None


@dataclass(frozen=True)
class TicketStory:
    """A ticket with what was said in it and what was done to it, oldest first."""

    row: TicketRow
    messages: tuple[TicketMessage, ...]
    history: tuple[TicketEvent, ...]
    # Who and which teams are named in the history by their number.
    people: dict[int, str]
    teams: dict[int, str]


@dataclass(frozen=True)
class OpenTickets:
    """How many wait, of those that the reader may know of. Exact up to the list's cap."""

    total: int
    unassigned: int


_SORTS: dict[str, Sequence[Any]] = {
    "created": (col(Ticket.created_at), col(Ticket.id)),
    "updated": (col(Ticket.updated_at), col(Ticket.id)),
    "due": (col(Ticket.due_at), col(Ticket.id)),
}
# Spelled out for the same reason as IS_UNDONE.
_TAGGED_UNDONE: sa.ColumnElement[bool] = sa.literal_column("ticket_tag.is_undone", sa.Boolean)


def _rows_query() -> sa.Select[Any]:
    return (
        pick(
            Ticket,
            Customer,
            Gateway.name,
            Gateway.slug,
            Payment.reference,
            Incident.reference,
            Staff.id,
            Staff.name,
            Staff.is_active,
            Team.name,
            Site.name,
        )
        .select_from(Ticket)
        .outerjoin(Customer, col(Customer.id) == Ticket.customer_id)
        .outerjoin(Gateway, col(Gateway.id) == Ticket.gateway_id)
        .outerjoin(Payment, col(Payment.id) == Ticket.payment_id)
        .outerjoin(Incident, col(Incident.id) == Ticket.incident_id)
        .outerjoin(Staff, col(Staff.id) == Ticket.assignee_id)
        .outerjoin(Team, col(Team.id) == Ticket.team_id)
        .outerjoin(Site, col(Site.id) == Ticket.site_id)
    )


def _row(found: Any) -> TicketRow:
    ticket, customer, gateway_name, gateway_slug, payment_reference, incident_reference, staff_id, name, is_active, team, site = found
    assignee = Assignee(staff_id, name, is_active) if staff_id is not None else None
    return TicketRow(ticket, customer, gateway_name, gateway_slug, payment_reference, incident_reference, assignee, team, site)


def list_tickets(session: Session, *, actor: Principal, wanted: TicketFilter, part: Slice) -> Listing[TicketRow]:
    """One page of tickets; what a search found is sorted best first with the sort `best`. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    if wanted.search.strip():
        return _found(session, wanted, [*in_sight(actor), *conditions_of(wanted)], part)
    part = _sensible(wanted, part)
    query, sorts = _along(actor, wanted, part.sort)
    if wanted.is_only_undone and part.sort == "due" and not isinstance(part, After):
        return _walked(session, query.order_by(*(one.desc() if part.descending else one.asc() for one in sorts["due"])), part)
    # Counted in no order, so along whatever is the shortest way.
    total, is_estimate = _counted(session, _along(actor, wanted, "due")[0], part)
    return Listing(_page(session, query, part, sorts), total, is_estimate)


def _along(actor: Principal, wanted: TicketFilter, sort: str) -> tuple[sa.Select[Any], Mapping[str, Sequence[Any]]]:
    """The ids of what is wanted, and what they are sorted by: what is not done and has a tag, along the tag's own index."""
    if wanted.tag is None or sort != "due" or not wanted.is_only_undone:
        return pick(Ticket.id).where(*in_sight(actor), *conditions_of(wanted)), _SORTS
    # The same facts, from the table whose index is asked; asked of both, the planner takes them for two that seldom meet.
    tagged = pick(Ticket.id).join(TicketTag, col(TicketTag.ticket_id) == Ticket.id).where(col(TicketTag.tag) == wanted.tag, _TAGGED_UNDONE)
    if wanted.due_before is not None:
        tagged = tagged.where(col(TicketTag.due_at) < wanted.due_before)
    others = [one for one in conditions_of(replace(wanted, tag=None, due_before=None)) if one is not IS_UNDONE]
    return tagged.where(*in_sight(actor), *others), {**_SORTS, "due": (col(TicketTag.due_at), col(TicketTag.ticket_id))}


def first_due(session: Session, *, actor: Principal, wanted: TicketFilter, most: int) -> list[int]:
    """The ids of what is not done and wanted, what is due first; at most `most`."""
    query, sorts = _along(actor, wanted, "due")
    return list(session.execute(query.order_by(*(one.asc() for one in sorts["due"])).limit(most)).scalars())


def _walked(session: Session, ordered: sa.Select[Any], part: Slice) -> Listing[TicketRow]:
    """Page and total by one walk: what is not done is indexed in the order of what is due, whatever it is narrowed by."""
    ids = list(session.execute(ordered.limit(COUNTED + 1)).scalars())
    start, limit = min(max(part.offset, 0), COUNT_CAP), min(max(part.limit, 1), MAX_LIMIT)
    is_more = len(ids) > COUNTED
    if is_more and start + limit > len(ids):
        shown = list(session.execute(ordered.offset(start).limit(limit)).scalars())
    else:
        shown = ids[start : start + limit]
    return Listing(rows_in_order(session, shown), min(len(ids), COUNTED), is_more)


def _found(session: Session, wanted: TicketFilter, conditions: list[sa.ColumnElement[bool]], part: Slice) -> Listing[TicketRow]:
    is_api = isinstance(part, After)
    found = finding.find(session, wanted.search, within=conditions, most=FOUND_FOR_API if is_api else FOUND_MOST)
    if part.sort == BEST:
        shown = found.ids[max(part.offset, 0) :][: part.limit]
        return Listing(rows_in_order(session, shown), len(found.ids), found.is_cut)
    rows = _page(session, pick(Ticket.id).where(col(Ticket.id).in_(found.ids)), part, _SORTS)
    return Listing(rows, 0 if is_api else len(found.ids), found.is_cut or is_api)


def _page(session: Session, query: sa.Select[Any], part: Slice, sorts: Mapping[str, Sequence[Any]]) -> tuple[TicketRow, ...]:
    """First which ones, by one walk along an index, then what is shown of them: asked together, all that match are joined and sorted."""
    ids = [row[0] for row in fetch(session, query, part, sorts=sorts, default_sort="created")]
    return rows_in_order(session, ids)


def rows_in_order(session: Session, ids: Sequence[int]) -> tuple[TicketRow, ...]:
    """What is shown of tickets that the caller found within the reader's sight, in that order."""
    by_id = {row.ticket.id: row for row in map(_row, session.execute(_rows_query().where(col(Ticket.id).in_(ids))).all())} if ids else {}
    return tuple(by_id[one] for one in ids if one in by_id)


def _sensible(wanted: TicketFilter, part: Slice) -> Slice:
    """Only what is not done is due at some time: among others, what changed last goes first."""
    if part.sort != "due" or wanted.is_only_undone or isinstance(part, After):
        return part
    return Slice(offset=part.offset, limit=part.limit, sort="updated", descending=True)


def _counted(session: Session, query: sa.Select[Any], part: Slice) -> tuple[int, bool]:
    if isinstance(part, After):
        return count(session, query, part=part)
    bounded = query.limit(COUNTED + 1).subquery()
    found = session.execute(sa.select(sa.func.count()).select_from(bounded)).scalar_one()
    return (COUNTED, True) if found > COUNTED else (found, False)


def conditions_of(wanted: TicketFilter) -> list[sa.ColumnElement[bool]]:
    """All but the search."""
    conditions: list[sa.ColumnElement[bool]] = [
        column == value
        for column, value in (
            (col(Ticket.state), wanted.state),
            (col(Ticket.priority), wanted.priority),
            (col(Ticket.category), wanted.category),
            (col(Ticket.channel), wanted.channel),
            (col(Ticket.language), wanted.language),
            (col(Ticket.site_id), wanted.site_id),
            (col(Ticket.customer_id), wanted.customer_id),
            (col(Ticket.assignee_id), wanted.assignee_id),
            (col(Ticket.team_id), wanted.team_id),
            (col(Ticket.merged_into_id), wanted.merged_into_id),
        )
        if value is not None
    ]
    if wanted.is_only_undone:
        conditions.append(IS_UNDONE)
    if wanted.team_ids is not None:
        conditions.append(col(Ticket.team_id).in_(wanted.team_ids))
    if wanted.is_unassigned:
        conditions.append(col(Ticket.assignee_id).is_(None))
    if wanted.due_before is not None:
        conditions.append(col(Ticket.due_at) < wanted.due_before)
    if wanted.tag is not None:
        conditions.append(col(Ticket.id).in_(select(TicketTag.ticket_id).where(TicketTag.tag == wanted.tag)))
    return conditions


def ticket_page(session: Session, *, actor: Principal, reference: str) -> TicketRow:
    """Raises Forbidden or TicketNotFound."""
    actor.require(Permission.TICKETS_READ)
    found = session.execute(_rows_query().where(col(Ticket.reference) == reference.upper(), *in_sight(actor))).one_or_none()
    if found is None:
        raise TicketNotFound
    return _row(found)


def ticket_story(session: Session, *, actor: Principal, reference: str) -> TicketStory:
    """Raises Forbidden or TicketNotFound. Who may open a ticket may read what was said in it and done to it."""
    row = ticket_page(session, actor=actor, reference=reference)
    of_it = row.ticket.id
    said = session.exec(
        select(TicketMessage).where(TicketMessage.ticket_id == of_it).order_by(col(TicketMessage.id).desc()).limit(_HISTORY_SHOWN)
    ).all()
    done = session.exec(
        select(TicketEvent).where(TicketEvent.ticket_id == of_it).order_by(col(TicketEvent.id).desc()).limit(_HISTORY_SHOWN)
    ).all()
    return TicketStory(row, tuple(reversed(said)), tuple(reversed(done)), _people_in(session, done), _teams_in(session, done))


def _people_in(session: Session, history: Sequence[TicketEvent]) -> dict[int, str]:
    numbers = _numbers_in(history, "assignee")
    rows = session.exec(select(Staff.id, Staff.name).where(col(Staff.id).in_(numbers))).all() if numbers else []
    return {number: name for number, name in rows if number is not None}


def _teams_in(session: Session, history: Sequence[TicketEvent]) -> dict[int, str]:
    numbers = _numbers_in(history, "team")
    rows = session.exec(select(Team.id, Team.name).where(col(Team.id).in_(numbers))).all() if numbers else []
    return {number: name for number, name in rows if number is not None}


def _numbers_in(history: Sequence[TicketEvent], kind: str) -> set[int]:
    return {event.data[side] for event in history if event.kind == kind for side in ("from", "to") if event.data.get(side) is not None}


def row_of(session: Session, ticket: Ticket) -> TicketRow:
    """What is shown of a ticket that the caller was just allowed to change."""
    return _row(session.execute(_rows_query().where(col(Ticket.id) == ticket.id)).one())


def open_tickets(session: Session, *, actor: Principal) -> OpenTickets:
    """Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    waiting = pick(Ticket.id).where(IS_UNDONE, *in_sight(actor))
    return OpenTickets(count(session, waiting)[0], count(session, waiting.where(col(Ticket.assignee_id).is_(None)))[0])


def assignable_staff(session: Session, *, actor: Principal) -> tuple[Assignee, ...]:
    """Everybody whom a ticket may be given to, by name. Raises Forbidden."""
    actor.require(Permission.TICKETS_ASSIGN)
    active = select(Staff).where(col(Staff.is_active).is_(True)).order_by(col(Staff.name), col(Staff.id))
    return tuple(Assignee(staff.id or 0, staff.name, staff.is_active) for staff in session.exec(active).all())
