"""What a change of many tickets at once is, and what it would do to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlmodel import Session

from app.errors import DomainError
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.tickets import macro_fields, macros, merging, people, service, tags
from services.tickets.desk_models import Team
from services.tickets.errors import CannotMerge, MacroIncomplete, MergeNotConfirmed, TicketAlreadyClosed, TicketMerged, TicketNotFound
from services.tickets.models import UNDONE, Category, HoldReason, Priority, Ticket, TicketState
from services.tickets.queries import row_of, ticket_page
from services.tickets.work_models import Macro

NOBODY = 0


@dataclass(frozen=True)
class BulkChange:
    """None leaves a thing as it is; `NOBODY` as person or team takes it away. `merge_into` is the reference of the one that stays."""

    assignee_id: int | None = None
    team_id: int | None = None
    state: TicketState | None = None
    hold: HoldReason | None = None
    priority: Priority | None = None
    category: Category | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    macro_id: int | None = None
    merge_into: str | None = None
    # Of tickets of different customers that are merged.
    confirm: bool = False


@dataclass(frozen=True)
class Plan:
    """A change with all that it names looked up: it may be made by this person."""

    change: BulkChange
    actor: Principal
    person: Staff | None
    team: Team | None
    macro: Macro | None
    target: Ticket | None

    @property
    def ends(self) -> bool:
        """Whether it makes tickets done, of which their customers hear."""
        state = self.change.state or (self.macro.changes.get("state") if self.macro else None)
        return state is not None and TicketState(state) not in UNDONE

    @property
    def says(self) -> bool:
        """Whether it writes to customers."""
        return self.macro is not None and not self.macro.is_note and bool(self.macro.text)


def plan(session: Session, change: BulkChange, *, actor: Principal) -> Plan:
    """Raises Forbidden, NotAssignable, TicketNotFound, MacroNotFound, CannotMove or InvalidInput: what no ticket could be given."""
    actor.require(Permission.TICKETS_EDIT)
    if change.assignee_id is not None or change.team_id is not None:
        actor.require(Permission.TICKETS_ASSIGN)
    person = service.active(session, change.assignee_id) if change.assignee_id else None
    team = session.get(Team, change.team_id) if change.team_id else None
    if change.team_id and (team is None or not team.is_active):
        raise TicketNotFound("There is no team with that number in use.", field="team_id")
    if change.state is not None:
        service.require_move(change.state, change.hold)
    tags.fit((*change.add_tags, *change.remove_tags))
    macro = macros.one(session, actor=actor, macro_id=change.macro_id) if change.macro_id else None
    target = ticket_page(session, actor=actor, reference=change.merge_into).ticket if change.merge_into else None
    made = Plan(change, actor, person, team, macro, target)
    if made.says:
        actor.require(Permission.TICKETS_REPLY)
    return made


def require_fit(session: Session, made: Plan, ticket: Ticket) -> None:
    """Raises the refusal that this ticket would be met with."""
    change = made.change
    if ticket.merged_into_id is not None:
        raise TicketMerged(ticket.reference, session.get_one(Ticket, ticket.merged_into_id).reference)
    moves = (change.assignee_id is not None and (change.assignee_id or None) != ticket.assignee_id) or (
        change.team_id is not None and (change.team_id or None) != ticket.team_id
    )
    if moves and not ticket.is_open:
        raise TicketAlreadyClosed
    if made.macro is not None:
        missing = _filled(session, made, ticket).missing
        if missing:
            raise MacroIncomplete(missing)
    if made.target is not None and made.target.id != ticket.id:
        why = merging.refusal(session, ticket, made.target)
        if why is not None:
            raise CannotMerge(why)
        if not change.confirm and not people.same(session, ticket, made.target):
            raise MergeNotConfirmed


def why_not(session: Session, made: Plan, ticket: Ticket) -> str | None:
    """The refusal in words; None when it can be done."""
    try:
        require_fit(session, made, ticket)
    except DomainError as refusal:
        return refusal.text
    return None


def steps_in_words(made: Plan, ticket: Ticket, has: tuple[str, ...]) -> Iterator[str]:
    """What would become of this ticket with the tags `has`; nothing when it is so already."""
    change = made.change
    if change.assignee_id is not None and (change.assignee_id or None) != ticket.assignee_id:
        yield f"given to {made.person.name if made.person else 'nobody'}"
    if change.team_id is not None and (change.team_id or None) != ticket.team_id:
        yield f"team {made.team.name}" if made.team else "without a team"
    if change.priority not in (None, ticket.priority):
        yield f"priority {change.priority}"
    if change.category not in (None, ticket.category):
        yield f"about {str(change.category).replace('-', ' ')}"
    added = [tag for tag in tags.fit(change.add_tags) if tag not in has]
    removed = [tag for tag in tags.fit(change.remove_tags) if tag in has]
    yield from (f"tag {tag}" for tag in added)
    yield from (f"without tag {tag}" for tag in removed)
    if made.macro is not None:
        yield f"macro “{made.macro.name}”"
    if change.state is not None and (change.state, change.hold) != (ticket.state, ticket.hold_reason):
        yield change.state.value.replace("_", " ")
    if made.target is not None and made.target.id != ticket.id:
        yield f"merged into {made.target.reference}"


def is_told(made: Plan, ticket: Ticket) -> bool:
    """Whether its customer would hear of it."""
    has_customer = ticket.customer_id is not None or ticket.correspondent_id is not None
    return has_customer and (made.says or (made.ends and ticket.is_open) or made.change.confirm)


def _filled(session: Session, made: Plan, ticket: Ticket) -> macros.Filled:
    assert made.macro is not None
    return macros.filled(made.macro, macro_fields.values(session, row_of(session, ticket), made.actor))
