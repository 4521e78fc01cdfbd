"""Reports say what the histories say: counted anew here ticket by ticket, through the clocks' own replay."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.tickets import changes, closure, report_csv, reports
from services.tickets.changes import SYSTEM
from services.tickets.models import HoldReason, Priority, Ticket, TicketState
from services.tickets.report_rows import By
from services.tickets.report_times import OpenTime
from services.tickets.reports import Promises
from services.tickets.sla import clocks, ticks
from services.tickets.sla.calendar import calendar_of
from services.tickets.sla.replay import CLOCKS
from tests.factories import staff
from tests.services.tickets.sla import builders as make
from tests.services.tickets.sla.builders import MONDAY, at

FOR_EVER = datetime(2026, 12, 20, tzinfo=UTC)


def report(session: Session, by: By = "all", start: datetime = MONDAY, until: datetime = FOR_EVER) -> reports.Report:
    return reports.report(session, actor=staff(), by=by, start=start, until=until, now=until)


def lived(session: Session, seed: int) -> Ticket:
    """A ticket with a history of a few days, other for each seed."""
    drawn = random.Random(seed)
    when = at(drawn.choice((0, 3, 30)))
    ticket = make.a_ticket(session, now=when, priority=drawn.choice(list(Priority)))
    for _ in range(drawn.randint(0, 9)):
        when += timedelta(minutes=drawn.choice((5, 50, 400, 1500)))
        ticks.tick(session, now=when)
        match drawn.choice(("reply", "reply", "customer", "customer", "pending", "hold", "open", "resolved", "closed")):
            case "reply":
                make.we_reply(session, ticket, now=when)
            case "customer":
                make.customer_says(session, ticket, now=when)
            case "hold":
                make.to_state(session, ticket, TicketState.ON_HOLD, hold=HoldReason.PART, now=when)
            case state:
                make.to_state(session, ticket, TicketState(state), now=when)
    return ticket


@pytest.mark.parametrize("seed", range(6))
def test_promises_and_times_are_those_of_the_replay(session: Session, seed: int) -> None:
    make.a_policy(session, pauses={"pending": ["resolution", "first_response"], "on_hold": ["resolution"]})
    tickets = [lived(session, 100 * seed + number) for number in range(8)]
    ticks.tick(session, now=FOR_EVER - timedelta(seconds=1))
    whole = report(session).whole
    expected, first, solved = _replayed(session, tickets)
    assert {clock: whole.promises[clock] for clock in CLOCKS} == expected
    assert (whole.first_response.number if whole.first_response else 0) == len(first)
    for shown, seconds in ((whole.first_response, first), (whole.resolution, solved)):
        assert (shown is None) == (not seconds)
        if shown is not None:
            assert shown.p90 == sorted(seconds)[-(-len(seconds) * 9 // 10) - 1]


def _replayed(session: Session, tickets: list[Ticket]) -> tuple[dict[str, Promises], list[float], list[float]]:
    kept, broken = Counter[str](), Counter[str]()
    first: list[float] = []
    solved: list[float] = []
    for ticket in tickets:
        total = 0.0
        for run in clocks.played(session, clocks.history(session, ticket.id), now=FOR_EVER - timedelta(seconds=1)).all():
            broken[run.clock] += run.breached_at is not None
            kept[run.clock] += run.met_at is not None and run.breached_at is None
            if run.clock == "first_response" and run.met_at is not None:
                first.append(run.counted.total_seconds())
            elif run.clock == "resolution":
                total += run.counted.total_seconds()
                if run.met_at is not None:
                    solved.append(total)
    return {clock: Promises(kept[clock], broken[clock]) for clock in CLOCKS}, first, solved


def test_everything_counts_on_the_day_on_which_it_happened(session: Session) -> None:
    ticket = make.a_ticket(session, now=at(0))
    make.we_reply(session, ticket, now=at(1))
    make.to_state(session, ticket, TicketState.RESOLVED, now=at(26))
    make.to_state(session, ticket, TicketState.OPEN, now=at(50))
    monday, tuesday, wednesday = (report(session, start=at(24 * n), until=at(24 * n + 24)).whole for n in range(3))
    assert [(day.created, day.solved, day.reopened) for day in (monday, tuesday, wednesday)] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert (monday.first_response is not None, tuesday.first_response, tuesday.messages_a_ticket) == (True, None, 2.0)
    shown = report(session, until=at(48))
    assert [(came, went) for _, came, went in shown.days][:2] == [(1, 0), (0, 1)]


def test_groups_add_up_to_the_whole_and_are_named(session: Session) -> None:
    for number, priority in enumerate((Priority.LOW, Priority.URGENT, Priority.URGENT)):
        ticket = make.a_ticket(session, now=at(number), priority=priority)
        make.to_state(session, ticket, TicketState.RESOLVED, now=at(number + 1))
        closure.rate(session, ticket.id or 0, number + 3, now=at(number + 2))
    shown = report(session, "priority")
    assert [(line.name, line.created, line.solved, line.satisfaction) for line in shown.lines] == [
        ("Urgent", 2, 2, 4.5),
        ("Low", 1, 1, 3.0),
    ]
    assert (shown.whole.created, shown.whole.scores, shown.whole.satisfaction) == (3, (0, 0, 1, 1, 1), 4.0)
    assert [line.name for line in report(session, "person").lines] == ["Nobody"]


def test_what_was_merged_counts_as_the_one_that_took_it_in(session: Session) -> None:
    into, ticket = make.a_ticket(session), make.a_ticket(session)
    ticket.merged_into_id = into.id
    changes.set_state(session, ticket, TicketState.CLOSED, who=SYSTEM, now=at(1))
    whole = report(session).whole
    assert (whole.created, whole.solved, whole.backlog) == (1, 0, 1)


def test_the_backlog_is_cut_by_its_age(session: Session) -> None:
    for days in (0.5, 2, 5, 20, 90):
        make.a_ticket(session, now=FOR_EVER - timedelta(days=days))
    whole = report(session).whole
    assert (whole.backlog, whole.ages) == (5, (1, 1, 1, 1, 1))
    assert whole.oldest_at == FOR_EVER - timedelta(days=90)


def test_an_empty_desk_has_no_shares_and_no_times(session: Session) -> None:
    shown = report(session)
    assert shown.lines == ()
    assert (shown.whole.first_response, shown.whole.satisfaction, shown.whole.promises["resolution"].share) == (None, None, None)


@pytest.mark.parametrize(("start", "until"), [(at(1), at(1)), (at(2), at(1)), (at(0), at(0) + timedelta(days=401))])
def test_a_range_is_one_to_four_hundred_days(session: Session, start: datetime, until: datetime) -> None:
    with pytest.raises(InvalidInput):
        report(session, start=start, until=until)


def test_a_technician_reads_no_reports(session: Session) -> None:
    with pytest.raises(Forbidden):
        reports.report(session, actor=staff(Role.FIELD_TECHNICIAN), by="all", start=at(0), until=at(1), now=at(1))


def test_the_files_have_a_line_for_each_group_and_each_day(session: Session) -> None:
    ticket = make.a_ticket(session, now=at(0))
    make.to_state(session, ticket, TicketState.RESOLVED, now=at(1))
    shown = report(session, "channel", until=at(48))
    groups, days = list(report_csv.csv_of_groups(shown)), list(report_csv.csv_of_days(shown))
    assert groups[0].startswith("\ufeffChannel,Created,Solved")
    assert [line.partition(",")[0] for line in groups[1:]] == ["Portal", "All"]
    assert len({line.count(",") for line in groups}) == 1
    assert days[1] == "2026-11-23,1,1\r\n"


def test_open_time_is_laid_out_as_the_calendar_counts_it(session: Session) -> None:
    policy = make.a_policy(session)
    calendar = calendar_of(make.version_of(session, policy).calendar)
    laid_out = OpenTime(calendar, at(-100), at(400))
    drawn = random.Random(5)
    for _ in range(200):
        one, two = sorted(at(drawn.uniform(-100, 400)) for _ in range(2))
        assert laid_out.between(one.timestamp(), two.timestamp()) == pytest.approx(calendar.between(one, two).total_seconds(), abs=1e-3)
