"""What stays of the history of a customer who is gone: its steps and its clocks, and none of their words. Nothing else rewrites it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from sqlmodel import Session

import services
from pages.ticket_story import happenings
from services.accounts.models import Customer, Role
from services.tickets import changes, closure, forgetting, forgetting_history, merging, queries, replies, routing
from services.tickets.case import gather
from services.tickets.changes import SYSTEM, By, events_of
from services.tickets.forgetting_history import STAYS, what_stays
from services.tickets.learning import corrections
from services.tickets.lookalikes import kept_vector, latest_readings
from services.tickets.models import HoldReason, Ticket, TicketState
from services.tickets.sla import clocks
from services.tickets.sla.defaults import add_default_policies
from services.tickets.sla.replay import Happened, replay
from tests.conftest import NOON
from tests.factories import staff
from tests.services.tickets import working
from tests.services.tickets.sla.histories import Case, cases

READ = {"messages": 1, "category": "voucher", "confidence": 0.8, "abstain": False, "alternatives": [], "language": {"code": "en"}}
SECRET = "Binta"


def read(session: Session, ticket: Ticket) -> None:
    said = {"reasons": [f"Words: {SECRET}"], "entities": [{"value": SECRET}], "reply": {"text": SECRET}, "vector": "QmludGE="}
    changes.record(session, ticket, "triaged", READ | said, who=SYSTEM, now=NOON)


def words_of(session: Session, ticket: Ticket) -> str:
    return " ".join(str(event.data) for event in events_of(session, ticket.id or 0))


def forget(session: Session, ticket: Ticket, hours: int = 9) -> None:
    customer = session.get_one(Customer, ticket.customer_id)
    forgetting.forget(session, customer, who=By("customer:1"), now=NOON + timedelta(hours=hours))
    session.expire_all()


def clocks_of(session: Session, ticket: Ticket, hours: int = 9) -> dict[str, object]:
    played = clocks.played(session, clocks.history(session, ticket.id), now=NOON + timedelta(hours=hours))
    return dict(clocks.deadlines(played))


def stored(session: Session, ticket: Ticket) -> dict[str, object]:
    session.refresh(ticket)
    return {name: getattr(ticket, name) for name in clocks_of(session, ticket)}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_the_clocks_go_as_before(case: Case) -> None:
    now = case.start + timedelta(minutes=case.until)
    left = [Happened(one.at, one.kind, what_stays(one.kind, one.data)) for one in case.happened]
    assert replay(left, case.terms, now) == replay(case.happened, case.terms, now)


def test_every_kind_that_is_recorded_says_what_stays_of_it() -> None:
    source = "\n".join(path.read_text() for path in Path(services.__path__[0]).rglob("*.py"))
    recorded = set(re.findall(r"record\(\s*session, \w+, \"(\w+)\"", source))
    fields = {name.removesuffix("_id") for name in re.findall(r"set_field\(\s*session, \w+, \"(\w+)\"", source)}
    constants = {"triaged", "routed", "rated", "closing", "action", "visit", "check", "part", "confirmation"}
    assert {"facts", "state", "message"} <= recorded
    assert (recorded | fields | constants | {"policy"}) <= set(STAYS)


def test_the_deadlines_of_a_ticket_whose_words_went_are_what_its_history_gives(session: Session) -> None:
    add_default_policies(session, now=NOON)
    ticket = working.a_ticket(session, f"I am {SECRET}")
    read(session, ticket)
    changes.set_state(session, ticket, TicketState.ON_HOLD, hold=HoldReason.PART, who=SYSTEM, note=SECRET, now=NOON + timedelta(hours=1))
    changes.set_state(session, ticket, TicketState.RESOLVED, who=SYSTEM, note=SECRET, now=NOON + timedelta(hours=2))
    closure.rate(session, ticket.id or 0, 2, comment=SECRET, now=NOON + timedelta(hours=3))
    changes.set_state(session, ticket, TicketState.OPEN, who=SYSTEM, now=NOON + timedelta(hours=4))
    before = clocks_of(session, ticket)
    assert before["resolution_due_at"] is not None
    kinds = working.history(session, ticket)
    forgetting_history.blank(session, [ticket.id or 0])
    assert clocks_of(session, ticket) == before
    forget(session, ticket)
    assert working.history(session, ticket) == [*kinds, "state"]
    assert clocks_of(session, ticket) == stored(session, ticket)
    assert SECRET not in words_of(session, ticket)


def test_who_reads_the_history_reads_on(session: Session) -> None:
    awa = working.care(session)
    ticket = working.a_ticket(session, f"I am {SECRET}")
    changes.record(session, ticket, "facts", {"snapshot": True, "code_refused": True, "device_id": 7}, who=SYSTEM, now=NOON)
    read(session, ticket)
    changes.set_field(session, ticket, "subject", f"{SECRET}'s Wi-Fi", who=changes.by(awa), now=NOON)
    for kind in ("visit", "check", "part", "confirmation", "action", "escalated", "routed", "closing"):
        changes.record(
            session, ticket, kind, {"why": SECRET, "place": {"latitude": 1.0}, "name": "", "comment": SECRET}, who=SYSTEM, now=NOON
        )
    forget(session, ticket)
    (reading,) = latest_readings(session, [ticket.id or 0]).values()
    assert (reading, kept_vector(reading)) == (READ, None)
    assert routing.situation_of(session, ticket).language == "en"
    assert gather(session, ticket, now=NOON).facts.code_refused is False
    assert corrections(session) == []
    story = queries.ticket_story(session, actor=staff(Role.ROOT), reference=ticket.reference)
    told = [one for one in happenings(story) if SECRET in f"{one.title} {one.more}"]
    assert (told, len(story.history)) == ([], len(working.history(session, ticket)))


def test_what_was_read_of_their_words_in_anothers_ticket_goes_and_that_ones_own_stays(session: Session) -> None:
    awa = working.care(session)
    mine, other = (
        working.a_ticket(session, f"I am {SECRET}"),
        working.a_ticket(session, "I am Omar", customer=working.a_customer(session, 2)),
    )
    bystander = working.a_ticket(session, "I am Awa", customer=working.a_customer(session, 3))
    merging.merge(session, actor=awa, source=mine.reference, into=other.reference, confirm=True, now=NOON)
    for ticket in (other, bystander):
        read(session, ticket)
    changes.record(session, other, "escalated", {"to": ["Omar"], "why": "Omar waits"}, who=changes.by(awa), now=NOON)
    forget(session, mine)
    assert SECRET not in words_of(session, other)
    assert "Omar waits" in words_of(session, other)
    assert SECRET in words_of(session, bystander)
    replies.reply(session, actor=awa, reference=other.reference, text="We look", expected_revision=None, now=NOON)


@pytest.mark.parametrize("is_marked", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM ticket_event",
        "UPDATE ticket_event SET actor = 'nobody'",
        "UPDATE ticket_event SET at = now(), data = '{}'",
        "UPDATE ticket_event SET kind = 'x', data = '{}'",
        "UPDATE ticket_event SET id = -id",
    ],
)
def test_nothing_else_changes_the_history(session: Session, change: str, is_marked: bool) -> None:
    working.a_ticket(session)
    session.execute(sa.text(f"SET LOCAL inet.forgetting = '{'on' if is_marked else 'off'}'"))
    with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"), session.begin_nested():
        session.execute(sa.text(change))


def test_data_is_rewritten_only_where_the_transaction_says_so_and_only_until_that_is_done(session: Session) -> None:
    ticket = working.a_ticket(session)
    rewriting = sa.text("UPDATE ticket_event SET data = '{}'")
    for mark in (None, "off", "true"):
        if mark is not None:
            session.execute(sa.text(f"SET LOCAL inet.forgetting = '{mark}'"))
        with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"), session.begin_nested():
            session.execute(rewriting)
    forgetting_history.blank(session, [ticket.id or 0])
    with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"), session.begin_nested():
        session.execute(rewriting)


def test_the_mark_opens_no_other_table(session: Session) -> None:
    session.execute(sa.text("SET LOCAL inet.forgetting = 'on'"))
    guarded = "SELECT count(*) FROM pg_proc WHERE prosrc LIKE '%inet.forgetting%'"
    assert session.execute(sa.text(guarded)).scalar_one() == 1
    used = "SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE p.proname = 'guard_ticket_event'"
    assert session.execute(sa.text(used)).scalar_one() == 1
