"""Drafts, presence, saved views and the board: what people leave on the desk and find again."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis as redis_library
from sqlmodel import Session

from app import redis
from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.tickets import board, changes, drafts, presence, views
from services.tickets.board import BadMove
from services.tickets.models import HoldReason, TicketState
from services.tickets.presence import Present
from services.tickets.queries import TicketFilter
from services.tickets.views import ViewNameTaken, ViewNotFound
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person


def somebody(session: Session, name: str, role: Role = Role.CUSTOMER_CARE) -> Principal:
    return principal_of(a_person(session, f"{name}@inet.test", role=role))


def test_a_draft_is_found_again_by_its_writer_alone_until_it_is_sent(session: Session) -> None:
    awa, ousman = somebody(session, "awa"), somebody(session, "ousman")
    place = drafts.place_of("t-abc", "reply")
    drafts.keep(session, actor=awa, place=place, text="Hello", now=NOON)
    drafts.keep(session, actor=awa, place=place, text="Hello there", now=NOON)
    assert drafts.kept(session, actor=awa, places={"reply": place})["reply"].text == "Hello there"
    assert drafts.kept(session, actor=ousman, places={"reply": place}) == {}
    drafts.keep(session, actor=awa, place=place, text="  \n", now=NOON)
    assert drafts.kept(session, actor=awa, places={"reply": place}) == {}
    with pytest.raises(InvalidInput):
        drafts.keep(session, actor=awa, place=place, text="x" * 20_001, now=NOON)


def test_people_on_one_ticket_see_each_other_for_twenty_seconds(session: Session) -> None:
    awa, ousman = somebody(session, "awa"), somebody(session, "ousman")
    redis.client().flushall()
    assert presence.here(7, actor=awa, is_writing=True, at=100.0) == ()
    assert presence.here(7, actor=ousman, is_writing=False, at=110.0) == (Present("Awa", True),)
    assert presence.here(8, actor=ousman, is_writing=False, at=110.0) == ()
    assert presence.here(7, actor=ousman, is_writing=False, at=121.0) == ()
    presence.gone(7, actor=ousman)
    assert presence.here(7, actor=awa, is_writing=False, at=122.0) == ()


def test_nobody_is_said_to_be_there_while_redis_is_away(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    awa = somebody(session, "awa")
    away = redis_library.Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=0.2)
    monkeypatch.setattr(redis, "client", lambda: away)
    assert presence.here(7, actor=awa, is_writing=True, at=100.0) == ()
    presence.gone(7, actor=awa)


def test_a_view_is_the_owners_until_somebody_of_the_desk_shares_it(session: Session) -> None:
    awa, admin = somebody(session, "awa"), somebody(session, "admin", Role.SYSTEM_ADMIN)
    own = views.save_view(
        session, actor=awa, page="tickets", name=" Urgent  ones ", query={"priority": "urgent"}, is_shared=False, now=NOON
    )
    assert (own.name, dict(own.query), own.is_own) == ("Urgent ones", {"priority": "urgent"}, True)
    assert views.list_views(session, actor=admin, page="tickets") == ()
    with pytest.raises(ViewNameTaken):
        views.save_view(session, actor=awa, page="tickets", name="urgent ONES", query={}, is_shared=False, now=NOON)
    with pytest.raises(Forbidden):
        views.save_view(session, actor=awa, page="tickets", name="For all", query={}, is_shared=True, now=NOON)
    shared = views.save_view(session, actor=admin, page="tickets", name="For all", query={"due": "late"}, is_shared=True, now=NOON)
    assert [one.name for one in views.list_views(session, actor=awa, page="tickets")] == ["For all", "Urgent ones"]
    with pytest.raises(Forbidden):
        views.delete_view(session, actor=awa, view_id=shared.id, now=NOON)
    with pytest.raises(ViewNotFound):
        views.delete_view(session, actor=admin, view_id=own.id, now=NOON)
    views.delete_view(session, actor=awa, view_id=own.id, now=NOON)
    assert [one.name for one in views.list_views(session, actor=awa, page="tickets")] == ["For all"]


def test_the_board_has_a_column_for_each_state_with_what_is_due_first_on_top(session: Session) -> None:
    root = somebody(session, "root", Role.ROOT)
    tickets = [builders.a_ticket(session, body=f"number {number}", at=NOON) for number in range(3)]
    for ticket, hours in zip(tickets, (3, 1, 2), strict=True):
        ticket.due_at = NOON + timedelta(hours=hours)
    changes.set_state(session, tickets[2], TicketState.RESOLVED, who=changes.SYSTEM, now=NOON)
    session.flush()
    columns = {column.state: column for column in board.board(session, actor=root, wanted=TicketFilter(), now=NOON)}
    assert [row.ticket.id for row in columns[TicketState.NEW].rows] == [tickets[1].id, tickets[0].id]
    assert columns[TicketState.RESOLVED].total == 1
    assert columns[TicketState.PENDING].rows == ()


def test_a_technicians_board_shows_their_own(session: Session) -> None:
    person = a_person(session, "tech@inet.test")
    mine = builders.a_ticket(session, assignee=person, at=NOON)
    builders.a_ticket(session, at=NOON)
    columns = board.board(session, actor=principal_of(person), wanted=TicketFilter(), now=NOON)
    assert [row.ticket.id for column in columns for row in column.rows] == [mine.id]


def test_a_card_moves_and_a_bad_move_is_refused_in_words(session: Session) -> None:
    root = somebody(session, "root", Role.ROOT)
    ticket = builders.a_ticket(session, at=NOON)

    def move(to: TicketState, **more: object) -> TicketState:
        return board.move(session, actor=root, reference=ticket.reference, to=to, now=NOON, **more).state  # type: ignore[arg-type]

    assert move(TicketState.OPEN) is TicketState.OPEN
    with pytest.raises(BadMove, match="Nothing becomes new again"):
        move(TicketState.NEW)
    with pytest.raises(BadMove, match="what it waits for"):
        move(TicketState.ON_HOLD)
    assert move(TicketState.ON_HOLD, hold=HoldReason.PART) is TicketState.ON_HOLD
    assert move(TicketState.RESOLVED) is TicketState.RESOLVED
    with pytest.raises(BadMove, match="Open it again first"):
        move(TicketState.PENDING)
    with pytest.raises(InvalidInput):
        move(TicketState.OPEN)
    assert move(TicketState.OPEN, note="It is dark again") is TicketState.OPEN
