"""Warnings, breaches and escalations: each once, in time, also when a tick dies in the middle or two run at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from app.db import transaction
from services.accounts.models import Role, Staff
from services.notifications.models import Medium, Notification
from services.tickets import changes
from services.tickets.changes import SYSTEM
from services.tickets.desk_models import Team, TeamMember
from services.tickets.models import Priority, Ticket, TicketEvent, TicketState
from services.tickets.sla import clocks, ticks
from services.tickets.sla.telling import LEAD, people
from services.tickets.sla_models import SlaStep
from tests.services.tickets.sla import builders as make
from tests.services.tickets.sla.builders import at
from tests.services.tickets.sla.histories import Case, cases
from tests.services.tickets.sla.oracle import MINUTE

STEPS: list[dict[str, Any]] = [
    step
    for clock in ("first_response", "next_response", "resolution")
    for step in (
        {"clock": clock, "at": "-25%", "do": "warn", "to": {}},
        {"clock": clock, "at": "0", "do": "breach", "to": {}},
        {"clock": clock, "at": "+1800s", "do": "escalate", "to": {"priority": "up"}},
    )
]


class Died(BaseException):
    """The process ends between two statements; nothing in the product catches it."""


@contextmanager
def dying_after(target: sa.Engine | Session, statements: int) -> Iterator[None]:
    """Every statement of an engine counts, or every query and flush of one session, whose connection others still need."""
    left = statements

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Died

    names = ("do_orm_execute", "before_flush") if isinstance(target, Session) else ("before_cursor_execute",)
    for name in names:
        sa.event.listen(target, name, count)
    try:
        yield
    finally:
        for name in names:
            sa.event.remove(target, name, count)


def _steps(session: Session, ticket: Ticket) -> list[tuple[str, int, str]]:
    rows = session.exec(select(SlaStep).where(SlaStep.ticket_id == ticket.id).order_by(col(SlaStep.id))).all()
    return [(row.clock.value, row.round, row.step) for row in rows]


def _told(session: Session, ticket: Ticket) -> list[tuple[object, object, object]]:
    rows = session.exec(
        select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "sla").order_by(col(TicketEvent.id))
    )
    return [(row.data["clock"], row.data["round"], row.data["step"]) for row in rows]


def test_each_step_is_taken_once_when_its_time_has_come(session: Session) -> None:
    make.a_policy(session, first_response_seconds=None, next_response_seconds=None)
    ticket = make.a_ticket(session)
    assert (ticks.tick(session, now=at(5.9)), _steps(session, ticket)) == (0, [])
    for now in (6, 6, 7.9):
        ticks.tick(session, now=at(now))
    assert _steps(session, ticket) == [("resolution", 1, "warn:-25%")]
    assert ticket.sla_next_at == at(8)
    for now in (8.1, 8.1, 24.5, 25, 30, 80):
        ticks.tick(session, now=at(now))
    assert _steps(session, ticket) == [("resolution", 1, step) for step in ("warn:-25%", "breach:0", "escalate:+3600s")]
    assert _told(session, ticket) == _steps(session, ticket)
    assert (ticket.breached_at, ticket.sla_next_at) == (at(8), None)


def test_an_escalation_raises_the_priority_and_never_lowers_it(session: Session) -> None:
    steps = [{"clock": "resolution", "at": "0", "do": "escalate", "to": {"priority": "high"}}]
    make.a_policy(session, first_response_seconds=None, steps=steps)
    low, urgent = make.a_ticket(session, priority=Priority.LOW), make.a_ticket(session, priority=Priority.URGENT)
    ticks.tick(session, now=at(30))
    assert (low.priority, urgent.priority) == (Priority.HIGH, Priority.URGENT)


def test_a_step_is_told_to_whom_it_names_once_and_leads_to_the_ticket(session: Session) -> None:
    care, chief, gone, other = (_person(session, name) for name in ("care", "chief", "gone", "other"))
    gone.is_active = False
    team = Team(name="Care", created_at=at(0))
    session.add(team)
    session.flush()
    for person, skills in ((care, []), (chief, [LEAD]), (gone, [LEAD])):
        session.add(TeamMember(team_id=team.id or 0, staff_id=person.id or 0, skills=skills))
    steps = [
        {"clock": "first_response", "at": "-25%", "do": "warn", "to": {"assignee": True}},
        {"clock": "first_response", "at": "0", "do": "breach", "to": {"assignee": True, "lead": True}},
        {"clock": "first_response", "at": "+60s", "do": "escalate", "to": {"staff": [other.id]}},
    ]
    make.a_policy(session, steps=steps, resolution_seconds=None)
    ticket = make.a_ticket(session, team_id=team.id, assignee_id=care.id)
    for now in (3, 3.5, 4, 5, 6):
        ticks.tick(session, now=at(now))
    told = session.exec(select(Notification).where(Notification.ticket_id == ticket.id).order_by(col(Notification.id))).all()
    assert [(row.event, row.staff_id, row.link) for row in told if row.medium is Medium.BELL] == [
        ("sla_warning", care.id, f"/console/tickets/{ticket.reference}"),
        ("sla_breach", care.id, f"/console/tickets/{ticket.reference}"),
        ("sla_breach", chief.id, f"/console/tickets/{ticket.reference}"),
        ("sla_escalation", other.id, f"/console/tickets/{ticket.reference}"),
    ]
    said = session.exec(select(SlaStep.said_to).where(SlaStep.ticket_id == ticket.id).order_by(col(SlaStep.id))).all()
    assert list(said) == ["care", "care, chief", "other"]


def test_what_lies_with_nobody_is_its_teams_matter(session: Session) -> None:
    one, two = _person(session, "one"), _person(session, "two")
    team = Team(name="Billing", created_at=at(0))
    session.add(team)
    session.flush()
    for person, is_on_duty in ((one, True), (two, False)):
        session.add(TeamMember(team_id=team.id or 0, staff_id=person.id or 0, is_on_duty=is_on_duty))
    ticket = make.a_ticket(session, team_id=team.id)
    assert [person.name for person in people(session, ticket, {"assignee": True})] == ["one"]
    assert [person.name for person in people(session, ticket, {"lead": True})] == ["one"]
    assert people(session, ticket, {}) == []


def _person(session: Session, name: str) -> Staff:
    person = Staff(email=f"{name}@test.gm", name=name, role=Role.CUSTOMER_CARE, password_hash="-", created_at=at(0))
    session.add(person)
    session.flush()
    return person


def test_what_was_answered_in_time_is_neither_warned_of_nor_broken(session: Session) -> None:
    make.a_policy(session)
    ticket = make.a_ticket(session)
    make.to_state(session, ticket, TicketState.RESOLVED, now=at(2))
    assert ticks.tick(session, now=at(100)) == 0
    assert _steps(session, ticket) == []


def test_a_promise_that_was_broken_and_met_before_the_tick_came_is_still_told_of(session: Session) -> None:
    make.a_policy(
        session, next_response_seconds=None, resolution_seconds=None, steps=[{"clock": "first_response", "at": "-25%", "do": "warn"}]
    )
    ticket = make.a_ticket(session)
    make.we_reply(session, ticket, now=at(5))
    ticks.tick(session, now=at(5.1))
    assert _steps(session, ticket) == [("first_response", 1, "breach:0")]
    assert ticket.sla_next_at is None


def test_a_ticket_whose_step_fails_holds_up_no_other(session: Session) -> None:
    policy = make.a_policy(session, first_response_seconds=None, next_response_seconds=None)
    broken, whole = make.a_ticket(session), make.a_ticket(session, now=at(1))
    # A history that names terms which do not exist.
    session.add(TicketEvent(ticket_id=broken.id or 0, at=at(1), actor="system", kind="policy", data={"version_id": 10**9}))
    session.flush()
    assert policy.id
    assert ticks.tick(session, now=at(30)) == 2
    assert _steps(session, whole) == [("resolution", 1, "breach:0"), ("resolution", 1, "escalate:+3600s")]
    session.refresh(broken)
    assert (broken.sla_next_at, _steps(session, broken)) == (at(30) + timedelta(minutes=5), [])


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(), gaps=st.lists(st.integers(1, 900), min_size=3, max_size=12), deaths=st.lists(st.integers(0, 40), max_size=6))
def test_over_any_history_every_breach_is_told_of_once_though_ticks_die(
    session: Session, case: Case, gaps: list[int], deaths: list[int]
) -> None:
    with session.begin_nested() as trial:
        ticket = _lived(session, case, gaps, list(deaths))
        found = clocks.played(session, clocks.history(session, ticket.id), now=ticket.updated_at)
        taken = _steps(session, ticket)
        assert len(taken) == len(set(taken))
        assert sorted(taken) == sorted(_told(session, ticket))  # type: ignore[type-var]
        broken = {(run.clock, run.round) for run in found.all() if run.breached_at is not None}
        assert {(clock, round_) for clock, round_, step in taken if step == "breach:0"} == broken
        trial.rollback()


def _lived(session: Session, case: Case, gaps: list[int], deaths: list[int]) -> Ticket:
    """The drawn history with ticks in between, some of which die after a number of statements; and a last one that does not."""
    calendar = make.a_calendar(session)
    stored = {}
    for number, terms in case.terms.items():
        policy = make.a_policy(session, calendar, name=f"Policy {number}", conditions={"channel": ["incident"]}, steps=STEPS)
        version = make.version_of(session, policy)
        version.calendar, version.pauses = terms.calendar.document(), {state: sorted(stopped) for state, stopped in terms.pauses.items()}
        for clock in ("first_response", "next_response", "resolution"):
            target = terms.targets.get(clock)  # type: ignore[call-overload]
            setattr(version, f"{clock}_seconds", None if target is None else int(target.total_seconds()))
        stored[number] = version.id
    session.flush()
    ticket = make.a_ticket(session, now=case.start)
    happenings: list[tuple[datetime, str, dict[str, Any]]] = []
    for minute, kind, data in case.events[1:]:
        said = dict(data)
        if said.get("version_id") is not None:
            said["version_id"] = stored[said["version_id"]]  # type: ignore[index]
        happenings.append((case.start + minute * MINUTE, kind, said))
    moment = case.start
    for gap in gaps:
        moment += gap * MINUTE
        happenings.append((moment, "tick", {}))
    for now, kind, said in sorted(happenings, key=lambda one: one[0]):
        if kind == "tick":
            _tick_perhaps_dying(session, now, deaths)
        else:
            changes.record(session, ticket, kind, said, who=SYSTEM, now=now)
    last = max(now for now, _, _ in happenings)
    ticks.tick(session, now=last)
    session.refresh(ticket)
    ticket.updated_at = last
    return ticket


def _tick_perhaps_dying(session: Session, now: datetime, deaths: list[int]) -> None:
    if not deaths:
        ticks.tick(session, now=now)
        return
    try:
        with session.begin_nested(), dying_after(session, deaths.pop()):
            ticks.tick(session, now=now)
    except Died:
        session.expire_all()


@pytest.fixture
def committed(database: sa.Engine) -> list[int]:
    with transaction() as session:
        make.a_policy(session)
        return [make.a_ticket(session, now=make.at(number / 60)).id or 0 for number in range(30)]


def test_two_ticks_at_once_share_the_work_and_double_nothing(committed: list[int]) -> None:
    together = Barrier(3)

    def work(_: int) -> int:
        together.wait()
        return ticks.run(transaction, now=at(30))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    with transaction() as session:
        ticks.tick(session, now=at(30))
        rows = session.exec(select(SlaStep)).all()
        kinds = sorted({(row.clock.value, row.step) for row in rows})
        assert kinds == [
            ("first_response", "breach:0"),
            ("resolution", "breach:0"),
            ("resolution", "escalate:+3600s"),
        ]
        assert len(rows) == 3 * len(committed)
        events = session.exec(select(TicketEvent).where(TicketEvent.kind == "sla")).all()
        assert len(events) == len(rows)


@pytest.mark.parametrize("statements", [1, 5, 12, 31, 200])
def test_a_tick_that_died_left_nothing_and_the_next_one_does_it_all(committed: list[int], statements: int, database: sa.Engine) -> None:
    with pytest.raises(Died), dying_after(database, statements):
        ticks.run(transaction, now=at(5))
    with transaction() as session:
        assert session.exec(select(SlaStep)).all() == []
    ticks.run(transaction, now=at(5))
    with transaction() as session:
        assert len(session.exec(select(SlaStep)).all()) == len(committed)


def test_a_ticket_that_somebody_works_on_is_left_to_the_next_tick(committed: list[int]) -> None:
    with transaction() as session:
        changes.locked(session, committed[0])
        ticks.run(transaction, now=at(5))
    with transaction() as session:
        assert len(session.exec(select(SlaStep)).all()) == len(committed) - 1
    ticks.run(transaction, now=at(5))
    with transaction() as session:
        assert len(session.exec(select(SlaStep)).all()) == len(committed)
