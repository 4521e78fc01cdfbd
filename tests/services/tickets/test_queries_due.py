"""Lists of what is not done: page, order and total are those of sorting everything, whatever is asked for and whatever moves meanwhile."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from services.listing import After, Slice
from services.tickets import board, changes, tags
from services.tickets.models import UNDONE, Category, Channel, HoldReason, Priority, Ticket, TicketState
from services.tickets.queries import COUNTED, TicketFilter, list_tickets
from services.tickets.work_models import TicketTag
from tests.conftest import NOON
from tests.factories import staff
from tests.services.tickets import working

SOON = NOON + timedelta(hours=1)


def due(session: Session, ticket: Ticket, at: datetime | None) -> None:
    ticket.due_at = at
    session.flush()


def many(session: Session, count: int) -> list[Ticket]:
    """Drawn, without their histories."""
    chance, customer = random.Random(count), working.a_customer(session)
    for number in range(count):
        hour = chance.choice([None, *range(20)])
        state = chance.choice([*TicketState, TicketState.OPEN, TicketState.NEW])
        session.add(
            Ticket(
                reference=f"T-D{number:05d}",
                channel=Channel.PORTAL,
                customer_id=customer.id,
                state=state,
                hold_reason=HoldReason.PART if state is TicketState.ON_HOLD else None,
                priority=chance.choice([Priority.HIGH, Priority.NORMAL]),
                category=chance.choice([Category.PAYMENT, Category.VOUCHER]),
                due_at=None if hour is None else NOON + timedelta(hours=hour),
                created_at=NOON - timedelta(minutes=chance.randrange(500)),
                updated_at=NOON,
            )
        )
    session.flush()
    tickets = list(session.exec(select(Ticket)).all())
    session.add_all(TicketTag(ticket_id=one.id or 0, tag=tag) for one in tickets for tag in ("a", "b") if chance.random() < 0.6)
    session.flush()
    return tickets


def told_by_the_tag(session: Session, ticket: Ticket) -> tuple[bool, datetime | None]:
    row = session.execute(sa.select(col(TicketTag.is_undone), col(TicketTag.due_at)).where(col(TicketTag.ticket_id) == ticket.id)).one()
    return row.is_undone, row.due_at


def test_a_tag_knows_what_its_ticket_is_from_the_moment_it_is_put_on(session: Session) -> None:
    ticket = working.a_ticket(session)
    due(session, ticket, SOON)
    tags.put(session, ticket, add=["press"], who=changes.SYSTEM, now=NOON)
    session.flush()
    assert told_by_the_tag(session, ticket) == (True, ticket.due_at)
    due(session, ticket, NOON)
    assert told_by_the_tag(session, ticket) == (True, NOON)
    changes.set_state(session, ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON)
    assert told_by_the_tag(session, ticket) == (False, ticket.due_at)
    changes.set_state(session, ticket, TicketState.OPEN, who=changes.SYSTEM, now=NOON)
    assert told_by_the_tag(session, ticket) == (True, ticket.due_at)


def test_nobody_who_writes_past_the_use_cases_can_part_them(session: Session) -> None:
    ticket = working.a_ticket(session)
    wrong = {"ticket_id": ticket.id, "tag": "press", "is_undone": False, "due_at": NOON - timedelta(days=9)}
    session.execute(sa.insert(TicketTag).values(**wrong))
    assert told_by_the_tag(session, ticket) == (True, ticket.due_at)
    session.execute(sa.update(Ticket).where(col(Ticket.id) == ticket.id).values(state="closed", due_at=SOON))
    assert told_by_the_tag(session, ticket) == (False, SOON)


def test_a_tag_put_on_while_the_ticket_is_changed_knows_the_change(database: sa.Engine) -> None:
    with transaction() as session:
        ticket = working.a_ticket(session)
    changed, asked = Event(), Event()

    def change() -> None:
        with transaction() as session:
            session.execute(sa.update(Ticket).where(col(Ticket.id) == ticket.id).values(due_at=SOON))
            changed.set()
            asked.wait(5)

    def tag() -> None:
        changed.wait(5)
        with transaction() as session:
            # As it looks before the other one has committed; the tag has to wait for that.
            session.execute(sa.select(col(Ticket.due_at)).where(col(Ticket.id) == ticket.id)).one()
            asked.set()
            session.execute(sa.insert(TicketTag).values(ticket_id=ticket.id, tag="press"))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(change), pool.submit(tag)]:
            done.result()
    with transaction() as session:
        assert told_by_the_tag(session, ticket) == (True, SOON)


WANTED = [
    TicketFilter(is_undone=True),
    TicketFilter(is_undone=True, tag="a"),
    TicketFilter(is_undone=True, tag="a", priority=Priority.HIGH, category=Category.PAYMENT),
    TicketFilter(tag="b", due_before=NOON + timedelta(hours=9)),
    TicketFilter(state=TicketState.OPEN, tag="a"),
    TicketFilter(state=TicketState.ON_HOLD, category=Category.VOUCHER),
    TicketFilter(due_before=NOON + timedelta(hours=5), is_unassigned=True),
    TicketFilter(is_undone=True, tag="nowhere"),
    TicketFilter(tag="a"),
    TicketFilter(state=TicketState.CLOSED, tag="a"),
]


def fits(session: Session, ticket: Ticket, wanted: TicketFilter) -> bool:
    has = tags.of(session, [ticket.id or 0]).get(ticket.id or 0, ())
    return all(
        (
            ticket.is_open or not wanted.is_only_undone,
            wanted.state in (None, ticket.state),
            wanted.priority in (None, ticket.priority),
            wanted.category in (None, ticket.category),
            wanted.tag is None or wanted.tag in has,
            wanted.due_before is None or (ticket.due_at is not None and ticket.due_at < wanted.due_before),
        )
    )


@pytest.mark.parametrize("count", [60, 900])
def test_pages_and_totals_are_those_of_sorting_everything(session: Session, count: int) -> None:
    tickets = many(session, count)
    for wanted in WANTED:
        matching = [one for one in tickets if fits(session, one, wanted)]
        total = (min(len(matching), COUNTED), len(matching) > COUNTED)
        for is_down in (False, True):
            # Nothing due sorts as the latest, as in PostgreSQL.
            in_order = sorted(matching, key=lambda one: (one.due_at is None, one.due_at or NOON, one.id or 0), reverse=is_down)
            for offset, limit in ((0, 25), (50, 50), (190, 25), (175, 26), (240, 100), (5000, 10)):
                part = Slice(offset=offset, limit=limit, sort="due", descending=is_down)
                found = list_tickets(session, actor=staff(), wanted=wanted, part=part)
                assert (found.total, found.is_estimate) == total, (wanted, part)
                if wanted.is_only_undone:
                    shown = [row.ticket.id for row in found.rows]
                    assert shown == [one.id for one in in_order[offset : offset + limit]], (wanted, part)
        newest = sorted(matching, key=lambda one: (one.created_at, one.id or 0), reverse=True)
        found = list_tickets(session, actor=staff(), wanted=wanted, part=Slice(sort="created"))
        assert [row.ticket.id for row in found.rows] == [one.id for one in newest[:25]]
        assert (found.total, found.is_estimate) == total


def test_a_cursor_walks_what_is_due_by_its_tag_once_and_in_order(session: Session) -> None:
    tickets = many(session, 120)
    wanted, key, seen = TicketFilter(is_undone=True, tag="a", due_before=NOON + timedelta(days=9)), None, list[int]()
    while True:
        found = list_tickets(session, actor=staff(), wanted=wanted, part=After(limit=7, sort="due", descending=False, key=key))
        assert (found.total, found.is_estimate) == (0, True)
        seen += [row.ticket.id or 0 for row in found.rows[:7]]
        if len(found.rows) <= 7:
            break
        last = found.rows[6].ticket
        key = (last.due_at, last.id)
    expected = sorted((one for one in tickets if fits(session, one, wanted)), key=lambda one: (one.due_at or NOON, one.id or 0))
    assert len(seen) > 7
    assert seen == [one.id for one in expected]


def test_the_board_of_a_tag_has_each_column_in_the_order_of_what_is_due(session: Session) -> None:
    tickets = many(session, 900)
    shown = board.board(session, actor=staff(), wanted=TicketFilter(tag="b"), now=NOON)
    for column in shown:
        if column.state not in UNDONE:
            continue
        wanted = TicketFilter(tag="b", state=column.state)
        expected = sorted(
            (one for one in tickets if fits(session, one, wanted)), key=lambda one: (one.due_at is None, one.due_at or NOON, one.id or 0)
        )
        assert [row.ticket.id for row in column.rows] == [one.id for one in expected[: board.COLUMN_MOST]]
        assert (column.total, column.is_more) == (min(len(expected), 200), len(expected) > 200)
