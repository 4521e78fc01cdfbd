"""What a technician's phone may send: words, states, duty and positions go through the services that the console uses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from services.accounts.models import Role, Staff
from services.accounts.sessions import principal_of
from services.apps.documents import one
from services.apps.models import AppDevice
from services.apps.mutations.technician import KINDS
from services.fieldwork.models import VisitConfirmation
from services.notifications.models import Notification
from services.tickets import changes, duty, merging, notes, replies, service
from services.tickets.models import Ticket, TicketState
from tests.conftest import NOON
from tests.services.apps.mutations.phones import AnApp, a_technician, a_ticket, an_app, named, version_of
from tests.services.tickets.desk import a_member, a_team
from tests.services.tickets.working import a_customer, care, hear, said, told


@pytest.fixture
def lamin(session: Session) -> Staff:
    return a_technician(session)


@pytest.fixture
def app(session: Session, lamin: Staff) -> AnApp:
    return an_app(session, lamin)


@pytest.fixture
def ticket(session: Session, lamin: Staff) -> Ticket:
    return a_ticket(session, lamin, customer=a_customer(session))


def profile(app: AnApp) -> str:
    return f"profile:{app.caller.technician().id}"


def test_a_reply_goes_to_the_customer_once(session: Session, app: AnApp, ticket: Ticket) -> None:
    sent = app.did("ticket.reply", named(ticket), version_of(session, ticket), text="I come at two", then="open")
    first, again = app.send(sent).results[0], app.send(sent).results[0]
    assert (first.outcome, again.outcome, first.data) == ("applied", "duplicate", again.data)
    assert len(told(session, "ticket_reply")) == 1
    session.refresh(ticket)
    assert ticket.state is TicketState.OPEN


def test_a_reply_is_not_sent_past_what_was_said_meanwhile(session: Session, app: AnApp, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    hear(session, ticket, "It works again by itself")
    result = app.one("ticket.reply", named(ticket), base, text="I come at two")
    assert result.outcome == "conflict"
    assert result.server is not None
    assert result.server["data"]["messages"][-1]["body"] == "It works again by itself"
    assert told(session, "ticket_reply") == []
    base = result.server["version"]
    replies.reply(session, actor=care(session), reference=ticket.reference, text="Fine then", expected_revision=None, now=NOON)
    assert app.one("ticket.reply", named(ticket), base, text="I come at two").outcome == "conflict"


def test_what_one_says_oneself_and_notes_of_others_hold_no_reply_back(session: Session, app: AnApp, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    batch = [app.did("ticket.reply", named(ticket), base, text=text) for text in ("I come at two", "I come at three")]
    notes.note(session, actor=care(session), reference=ticket.reference, text="Beware of the dog", now=NOON)
    assert [one.outcome for one in app.send(*batch).results] == ["applied", "applied"]
    assert said(session, ticket)[-2:] == ["I come at two", "I come at three"]


def test_a_reply_without_the_right_to_it_is_forbidden(session: Session, lamin: Staff, ticket: Ticket) -> None:
    app = an_app(session, lamin)
    actor = principal_of(lamin)
    poorer = type(actor)(**{**vars(actor), "permissions": actor.permissions - {"tickets:reply"}})
    app.caller = type(app.caller)(app.caller.app_device_id, "", app.caller.app, 1, staff=poorer)
    result = app.one("ticket.reply", named(ticket), version_of(session, ticket), text="Hello")
    assert result.reason is not None
    assert (result.outcome, result.reason["code"]) == ("rejected", "forbidden")


def test_words_for_a_ticket_that_was_merged_are_said_in_the_one_that_took_it_in(
    session: Session, app: AnApp, lamin: Staff, ticket: Ticket
) -> None:
    into = a_ticket(session, lamin, customer=a_customer(session))
    base = version_of(session, ticket)
    merging.merge(session, actor=care(session), source=ticket.reference, into=into.reference, now=NOON)
    assert app.one("ticket.note", named(ticket), text="Roof is wet").outcome == "applied"
    assert said(session, into)[-1] == "Roof is wet"
    assert app.one("ticket.visit", named(ticket), base, state="on_site").outcome == "conflict"
    assert app.one("ticket.reply", named(ticket), base, text="I come at two").outcome == "conflict"
    part = app.one("ticket.part", named(ticket), name="cable")
    assert part.reason is not None
    assert part.reason["code"] == "ticket_merged"


def test_a_state_is_given_as_in_the_console(session: Session, app: AnApp, ticket: Ticket) -> None:
    changes.set_state(session, ticket, TicketState.OPEN, who=changes.SYSTEM, now=NOON)
    base = version_of(session, ticket)
    for payload, code in (
        ({"state": "new"}, "cannot_move"),
        ({"state": "on_hold"}, "invalid_input"),
        ({"state": "closed"}, "invalid_input"),
        ({"state": "open", "hold_reason": "part"}, "invalid_input"),
    ):
        result = app.one("ticket.state", named(ticket), base, **payload)
        assert result.reason is not None
        assert (result.outcome, result.reason["code"]) == ("rejected", code)
        assert result.reason["field"] in (None, "words", "hold_reason")
    assert app.one("ticket.state", named(ticket), base, state="on_hold", hold_reason="part").data == {
        "state": "on_hold",
        "hold_reason": "part",
    }
    assert app.one("ticket.state", named(ticket), base, state="resolved", words="New fuse").outcome == "applied"
    assert len(told(session, "ticket_resolved")) == 1


def test_a_ticket_that_was_handed_over_meanwhile_is_not_theirs_any_more(session: Session, app: AnApp, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    service.assign(session, actor=care(session), reference=ticket.reference, staff_id=None, expected_revision=None, now=NOON)
    for one_ in (app.did("ticket.visit", named(ticket), base, state="on_site"), app.did("ticket.note", named(ticket), text="Hello")):
        result = app.send(one_).results[0]
        assert result.reason is not None
        assert (result.outcome, result.reason["code"], result.server) == ("rejected", "not_found", None)


def test_who_had_it_back_meanwhile_looks_first(session: Session, app: AnApp, lamin: Staff, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    for staff_id in (None, lamin.id):
        changes.set_field(session, ticket, "assignee_id", staff_id, who=changes.SYSTEM, now=NOON)
    assert app.one("ticket.visit", named(ticket), base, state="on_site").outcome == "conflict"


def test_a_visit_that_hands_the_ticket_back_is_answered_though_it_is_out_of_sight(session: Session, app: AnApp, ticket: Ticket) -> None:
    sent = app.did("ticket.visit", named(ticket), version_of(session, ticket), state="cannot", reason="No car today")
    assert [one.outcome for one in (*app.send(sent).results, *app.send(sent).results)] == ["applied", "duplicate"]
    session.refresh(ticket)
    assert ticket.assignee_id is None


def test_what_the_customer_said_at_the_end_is_kept(session: Session, app: AnApp, ticket: Ticket) -> None:
    day = [
        app.did("ticket.check", named(ticket), item="power", is_done=True),
        app.did("ticket.part", named(ticket), name="PoE injector", serial="SN1", quantity=2),
        app.did("ticket.confirmation", named(ticket), works=True, name="Fatou"),
    ]
    assert [one.outcome for one in app.send(*day).results] == ["applied"] * 3
    assert session.exec(select(VisitConfirmation.works)).one()


def test_duty_is_switched_in_all_teams(session: Session) -> None:
    lamin = a_member(session, a_team(session, "Field"), "lamin", role=Role.FIELD_TECHNICIAN)
    app = an_app(session, lamin)
    result = app.one("duty.set", profile(app), is_on_duty=False)
    assert (result.outcome, result.data) == ("applied", {"is_on_duty": False, "teams": ["Field"]})
    assert not duty.own_duty(session, actor=principal_of(lamin)).is_on_duty
    found = one(session, app.caller, "profile", lamin.id or 0)
    assert found is not None
    assert result.version == found.version


def test_the_newest_position_counts_in_whatever_order_they_come(session: Session, app: AnApp) -> None:
    here = {"latitude": 13.4, "longitude": -16.7}
    assert app.one("position.report", profile(app), at=NOON - timedelta(minutes=5), **here).data == {"is_newest": True}
    older = app.one("position.report", profile(app), at=NOON - timedelta(hours=1), latitude=1.0, longitude=1.0)
    assert older.data == {"is_newest": False}
    phone = session.get_one(AppDevice, app.caller.app_device_id, populate_existing=True)
    assert (phone.latitude, phone.longitude) == (13.4, -16.7)


@pytest.mark.parametrize("payload", [{"latitude": 91, "longitude": 0}, {"latitude": 0}, {"latitude": float("inf"), "longitude": 0}])
def test_a_position_that_is_not_on_earth_is_refused(app: AnApp, payload: dict[str, float]) -> None:
    assert app.one("position.report", profile(app), **payload).outcome == "rejected"


def test_nobody_speaks_for_another_person(session: Session, app: AnApp) -> None:
    musa = a_technician(session, "musa")
    for kind, payload in (("duty.set", {"is_on_duty": True}), ("position.report", {"latitude": 1, "longitude": 1})):
        result = app.one(kind, f"profile:{musa.id}", **payload)
        assert result.reason is not None
        assert result.reason["code"] == "not_found"


def test_only_a_refusal_leaves_no_message_to_be_sent(session: Session, app: AnApp, ticket: Ticket) -> None:
    """The customer is told on the way; the resolving that is refused takes its news back with it."""
    before = len(session.exec(select(Notification.id)).all())
    app.one("ticket.state", named(ticket), version_of(session, ticket), state="resolved", words="x")
    assert len(session.exec(select(Notification.id)).all()) == before


def test_every_kind_is_a_technicians() -> None:
    assert {kind.app.value for kind in KINDS.values()} == {"tech"}
