"""Tickets: given away, moved on, tagged, answered by a macro, merged; all in one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.console.bulk.shape import Action, Answers, Ask, Doing, Done, Line, Question, Why
from services.tickets import bulk, bulk_plan, bulk_undo, macros, people, tags
from services.tickets.bulk_plan import NOBODY, BulkChange, Plan
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketState
from services.tickets.queries import assignable_staff
from services.tickets.sight import in_sight
from services.tickets.teams import active_teams

# A ticket is new by itself only.
_STATES = tuple(state for state in TicketState if state is not TicketState.NEW)


class ChangeTickets(Action[Plan]):
    name = "ticket.change"
    page = "tickets"
    label = "Change"
    meaning = "What you leave empty stays as it is."
    things = ("ticket", "tickets")
    permission = Permission.TICKETS_EDIT
    why = Why.WHEN_TOLD

    def questions(self, session: Session, *, actor: Principal) -> tuple[Question, ...]:
        return (*_desks(session, actor), *_FIXED, *_macros(session, actor), _MERGE, _CONFIRM)

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> Plan:
        get = answers.get
        change = BulkChange(
            assignee_id=_number(get("assignee_id")),
            team_id=_number(get("team_id")),
            state=TicketState(state) if (state := get("state")) else None,
            hold=HoldReason(hold) if (hold := get("hold")) else None,
            priority=Priority(level) if (level := get("priority")) else None,
            category=Category(about) if (about := get("category")) else None,
            add_tags=_listed(get("add_tags")),
            remove_tags=_listed(get("remove_tags")),
            macro_id=_number(get("macro_id")),
            merge_into=(get("merge_into") or "").strip() or None,
            confirm=get("confirm") == "yes",
        )
        if change == BulkChange(confirm=change.confirm):
            raise InvalidInput("Say what is to be changed.", field="state")
        return bulk_plan.plan(session, change, actor=actor)

    def look(self, session: Session, row_ids: Collection[int], wish: Plan, *, actor: Principal, now: datetime) -> Sequence[Line]:
        tickets = session.exec(select(Ticket).where(col(Ticket.id).in_(row_ids), *in_sight(actor))).all()
        has = tags.of(session, [ticket.id or 0 for ticket in tickets])
        return [_line(session, wish, ticket, has.get(ticket.id or 0, ())) for ticket in tickets]

    def apply(self, session: Session, row_id: int, wish: Plan, doing: Doing) -> Done | None:
        ticket = session.get(Ticket, row_id)
        has = tags.of(session, [row_id]).get(row_id, ())
        said = "; ".join(bulk_plan.steps_in_words(wish, ticket, has)) if ticket is not None else ""
        kept = bulk.change(session, wish, row_id, reason=doing.reason, now=doing.now)
        return Done(said, kept) if kept is not None else None

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        return "; ".join(bulk_undo.take_back(session, row_id, kept, actor=doing.actor, now=doing.now))


def _line(session: Session, made: Plan, ticket: Ticket, has: tuple[str, ...]) -> Line:
    why = bulk_plan.why_not(session, made, ticket)
    will = tuple(bulk_plan.steps_in_words(made, ticket, has)) if why is None else ()
    assert ticket.id is not None
    name = f"{ticket.reference} {people.headline(ticket)}"
    return Line(ticket.id, name, will, why, tells=bool(will) and bulk_plan.is_told(made, ticket))


def _desks(session: Session, actor: Principal) -> tuple[Question, ...]:
    if not actor.may(Permission.TICKETS_ASSIGN):
        return ()
    staff = {str(one.id): one.name for one in assignable_staff(session, actor=actor)}
    teams = {str(number): name for number, name in active_teams(session, actor=actor).items()}
    return (
        Question("assignee_id", "Assigned to", Ask.CHOICE, {str(NOBODY): "Nobody", **staff}),
        Question("team_id", "Team", Ask.CHOICE, {str(NOBODY): "None", **teams}),
    )


def _macros(session: Session, actor: Principal) -> tuple[Question, ...]:
    known = {str(one.id): one.name for one in macros.list_macros(session, actor=actor)}
    return (Question("macro_id", "Use a macro", Ask.CHOICE, known),) if known else ()


_FIXED = (
    Question("state", "State", Ask.CHOICE, of=_STATES),
    Question("hold", "On hold for", Ask.CHOICE, of=tuple(HoldReason)),
    Question("priority", "Priority", Ask.CHOICE, of=tuple(Priority)),
    Question("category", "About", Ask.CHOICE, of=tuple(Category)),
    Question("add_tags", "Add tags (commas between)"),
    Question("remove_tags", "Take tags off"),
)
_MERGE = Question("merge_into", "Merge all of them into", hint="the reference of the ticket that stays", longest=16)
_CONFIRM = Question("confirm", "Also those of different customers", Ask.YES)


def _number(answer: str | None) -> int | None:
    return int(answer) if answer else None


def _listed(answer: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (answer or "").split(",") if part.strip())


ACTIONS = (ChangeTickets(),)
