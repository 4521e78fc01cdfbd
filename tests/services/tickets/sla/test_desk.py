"""Keeping policies and calendars: versions, what a change would do and then does, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.errors import DomainError, Forbidden, InvalidInput, Stale
from services.accounts.models import Role
from services.tickets.errors import TicketNotFound
from services.tickets.models import Priority, TicketEvent, TicketState
from services.tickets.sla import calendars, clocks, desk, ticks
from services.tickets.sla.calendar import OwnDay
from services.tickets.sla.calendars import CalendarDraft
from services.tickets.sla.defaults import add_default_policies
from services.tickets.sla.preview import preview_calendar, preview_policy
from services.tickets.sla.why import why
from services.tickets.sla_models import BusinessCalendar, SlaPolicyVersion
from tests.factories import staff
from tests.services.tickets.sla import builders as make
from tests.services.tickets.sla.builders import HOUR, OFFICE, at


def _shorter(session: Session, policy_id: int, **more: Any) -> desk.PolicyDraft:
    return replace(desk.one_policy(session, actor=staff(), policy_id=policy_id).draft, resolution_seconds=2 * 3600, **more)


def test_other_terms_are_a_new_version_and_other_words_are_not(session: Session) -> None:
    policy = make.a_policy(session)
    draft = desk.one_policy(session, actor=staff(), policy_id=policy.id or 0).draft
    desk.save_policy(session, actor=staff(), policy_id=policy.id, draft=replace(draft, name="All"), now=at(1))
    assert (policy.name, policy.current_version) == ("All", 1)
    desk.save_policy(session, actor=staff(), policy_id=policy.id, draft=replace(draft, resolution_seconds=60), now=at(1))
    assert policy.current_version == 2
    kept = session.exec(select(SlaPolicyVersion.resolution_seconds).order_by(col(SlaPolicyVersion.version))).all()
    assert list(kept) == [8 * 3600, 60]


def test_a_ticket_keeps_what_it_was_promised_unless_the_change_is_applied_to_it(session: Session) -> None:
    policy = make.a_policy(session)
    ticket = make.a_ticket(session)
    desk.save_policy(session, actor=staff(), policy_id=policy.id, draft=_shorter(session, policy.id or 0), now=at(1))
    clocks.refresh(session, ticket, now=at(1))
    assert ticket.resolution_due_at == at(8)
    longer = replace(_shorter(session, policy.id or 0), resolution_seconds=3 * 3600)
    desk.save_policy(session, actor=staff(), policy_id=policy.id, draft=longer, apply_to_open=True, now=at(1))
    assert ticket.sla_next_at == at(1)
    ticks.tick(session, now=at(1))
    assert ticket.resolution_due_at == at(3)
    said = session.exec(select(TicketEvent).where(TicketEvent.kind == "policy").order_by(col(TicketEvent.id).desc())).first()
    assert said is not None
    assert said.data == {"version_id": ticket.sla_policy_version_id, "why": "“Everything” was changed (version 3), and open tickets follow"}


def test_the_preview_says_what_the_change_then_does(session: Session) -> None:
    policy = make.a_policy(session, first_response_seconds=None)
    early, late, waiting, done = (make.a_ticket(session, now=at(hours)) for hours in (0, 2.5, 2, 0))
    make.to_state(session, waiting, TicketState.PENDING, now=at(2))
    make.to_state(session, done, TicketState.RESOLVED, now=at(1))
    draft = _shorter(session, policy.id or 0)
    shown = preview_policy(session, actor=staff(), policy_id=policy.id, draft=draft, now=at(3))
    assert (shown.open_tickets, shown.earlier, shown.later, shown.same, shown.break_now) == (3, 2, 0, 1, 1)
    assert [(one.reference, one.due_after, one.breaks_now) for one in shown.samples] == [
        (early.reference, at(3), True),
        (late.reference, at(4.5), False),
    ]
    assert policy.current_version == 1
    desk.save_policy(session, actor=staff(), policy_id=policy.id, draft=draft, apply_to_open=True, now=at(3))
    ticks.tick(session, now=at(3))
    assert (early.due_at, early.breached_at, late.due_at, waiting.due_at) == (at(3), at(3), at(4.5), None)
    assert done.sla_next_at is None


def test_a_day_off_that_is_proclaimed_moves_the_open_tickets_that_count_by_the_calendar(session: Session) -> None:
    calendar = make.a_calendar(session)
    make.a_policy(session, calendar)
    ticket = make.a_ticket(session, now=at(6))
    assert ticket.resolution_due_at == at(24 + 6)
    draft = replace(OFFICE, days={date(2026, 11, 24): OwnDay(False, "Proclaimed")})
    shown = preview_calendar(session, actor=staff(), calendar_id=calendar, draft=draft, now=at(7))
    assert (shown.open_tickets, shown.later) == (1, 1)
    desk.save_calendar(session, actor=staff(), calendar_id=calendar, draft=draft, apply_to_open=True, now=at(7))
    ticks.tick(session, now=at(7))
    assert ticket.resolution_due_at == at(48 + 6)
    view = calendars.one_calendar(session, actor=staff(), calendar_id=calendar, now=at(7))
    assert (view.used_by, view.draft.days) == (("Everything",), draft.days)


def test_the_page_explains_each_stretch_and_the_stored_deadline_matches(session: Session) -> None:
    make.a_policy(session)
    ticket = make.a_ticket(session, now=at(6))
    make.to_state(session, ticket, TicketState.PENDING, now=at(7))
    make.to_state(session, ticket, TicketState.OPEN, now=at(25))
    shown = why(session, actor=staff(), reference=ticket.reference, now=at(26))
    assert (shown.matches, shown.policy, shown.calendar, shown.stored_due_at) == (True, "Everything", "Office", at(26))
    story = next(one for one in shown.stories if one.clock == "resolution")
    assert [(one.start, one.counted, one.why) for one in story.stretches] == [
        (at(6), HOUR, "open hours of Office"),
        (at(7), timedelta(0), "waiting for the customer"),
        (at(25), HOUR, "open hours of Office"),
    ]
    assert sum((one.counted for one in story.stretches), timedelta(0)) == story.counted == 2 * HOUR
    ticket.resolution_due_at = at(1)
    assert not why(session, actor=staff(), reference=ticket.reference, now=at(26)).matches


def test_a_technician_is_not_told_of_others_tickets(session: Session) -> None:
    ticket = make.a_ticket(session)
    with pytest.raises(TicketNotFound):
        why(session, actor=staff(Role.FIELD_TECHNICIAN), reference=ticket.reference, now=at(1))


def test_policies_are_tried_in_the_order_that_somebody_gave_them(session: Session) -> None:
    calendar = make.a_calendar(session)
    one, two, three = (make.a_policy(session, calendar, name=name).id or 0 for name in ("One", "Two", "Three"))
    desk.put_in_order(session, actor=staff(), ids=[three, one, two], now=at(0))
    assert [view.draft.name for view in desk.list_policies(session, actor=staff())] == ["Three", "One", "Two"]
    with pytest.raises(InvalidInput):
        desk.put_in_order(session, actor=staff(), ids=[three, one], now=at(0))


def test_who_was_slower_is_told_that_somebody_was_there_first(session: Session) -> None:
    policy = make.a_policy(session)
    seen = desk.one_policy(session, actor=staff(), policy_id=policy.id or 0).revision
    wanted: dict[str, Any] = {"policy_id": policy.id, "draft": _shorter(session, policy.id or 0), "expected_revision": seen, "now": at(1)}
    desk.save_policy(session, actor=staff(), **wanted)
    with pytest.raises(Stale):
        desk.save_policy(session, actor=staff(), **wanted)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"conditions": {"colour": ["red"]}}, "conditions"),
        ({"conditions": {"priority": ["extreme"]}}, "conditions"),
        ({"resolution_seconds": 0}, "resolution_seconds"),
        ({"resolution_seconds": 10**12}, "resolution_seconds"),
        ({"first_response_seconds": None, "next_response_seconds": None, "resolution_seconds": None, "steps": ()}, "resolution_seconds"),
        ({"pauses": {"open": ["resolution"]}}, "pauses"),
        ({"pauses": {"pending": ["lunch"]}}, "pauses"),
        ({"steps": [{"clock": "resolution", "at": "soon", "do": "warn"}]}, "steps"),
        ({"steps": [{"clock": "resolution", "at": "-20%", "do": "shout"}]}, "steps"),
        ({"steps": [{"clock": "resolution", "at": "-20%", "do": "breach"}]}, "steps"),
        ({"steps": [{"clock": "resolution", "at": "0", "do": "warn", "to": {"roles": ["king"]}}]}, "steps"),
        ({"steps": [{"clock": "resolution", "at": "0", "do": "escalate", "to": {"priority": "extreme"}}]}, "steps"),
        ({"steps": [{"clock": "resolution", "at": "0", "do": "warn", "to": {"everybody": True}}]}, "steps"),
        ({"steps": [{"clock": "resolution", "at": "0", "do": "warn"}] * 2}, "steps"),
        ({"first_response_seconds": None, "steps": [{"clock": "first_response", "at": "0", "do": "breach"}]}, "steps"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_and_the_field_named(session: Session, changes: dict[str, Any], field: str) -> None:
    draft = make.a_draft(make.a_calendar(session), **changes)
    with pytest.raises(InvalidInput) as refusal:
        desk.save_policy(session, actor=staff(), policy_id=None, draft=draft, now=at(0))
    assert refusal.value.field == field


def test_a_name_is_given_once(session: Session) -> None:
    calendar = make.a_calendar(session)
    make.a_policy(session, calendar)
    with pytest.raises(DomainError) as policy:
        make.a_policy(session, calendar)
    with pytest.raises(DomainError) as other:
        make.a_calendar(session)
    assert (policy.value.code, other.value.code) == ("name_taken", "name_taken")


def test_a_calendar_with_no_open_hour_is_refused(session: Session) -> None:
    with pytest.raises(InvalidInput, match="at least one open hour"):
        desk.save_calendar(session, actor=staff(), calendar_id=None, draft=CalendarDraft("Never", spans={"0": []}), now=at(0))
    assert session.exec(select(BusinessCalendar)).all() == []


@pytest.mark.parametrize("role", [Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER])
def test_only_who_keeps_the_desk_changes_promises(session: Session, role: Role) -> None:
    calendar = make.a_calendar(session)
    with pytest.raises(Forbidden):
        desk.save_policy(session, actor=staff(role), policy_id=None, draft=make.a_draft(calendar), now=at(0))
    with pytest.raises(Forbidden):
        desk.save_calendar(session, actor=staff(role), calendar_id=calendar, draft=OFFICE, now=at(0))
    with pytest.raises(Forbidden):
        preview_policy(session, actor=staff(role), policy_id=None, draft=make.a_draft(calendar), now=at(0))


def test_the_policies_of_a_new_installation_fit_every_priority_and_are_added_once(session: Session) -> None:
    assert add_default_policies(session, now=at(0))
    assert not add_default_policies(session, now=at(0))
    for priority in Priority:
        ticket = make.a_ticket(session, priority=priority)
        assert ticket.due_at is not None
    # Each can be saved again as it stands: what ships is what the form takes.
    for view in desk.list_policies(session, actor=staff()):
        desk.save_policy(session, actor=staff(), policy_id=view.id, draft=view.draft, now=at(0))
        assert desk.one_policy(session, actor=staff(), policy_id=view.id).version == 1
