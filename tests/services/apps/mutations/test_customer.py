"""What customers did with no network: each kind takes effect as its route would, once, and on nothing but what is theirs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.keys import seal
from services.access import entry
from services.access.models import DeviceSlot
from services.accounts.models import Customer, Role
from services.apps import desk, documents
from services.apps.desk import Words
from services.apps.mutations import customer
from services.apps.profile import set_profile
from services.notifications.models import Medium, Notification, NotificationState, Urgency
from services.notifications.service import BODY
from services.tickets import changes
from services.tickets.changes import SYSTEM
from services.tickets.models import MessageKind, Ticket, TicketMessage, TicketState
from tests.conftest import NOON
from tests.services.access.at_the_router import AtRouter
from tests.services.apps.buying import bought
from tests.services.apps.mutations.phones import AnApp, a_technician, an_app
from tests.services.apps.texting import logged_in

MINE = "+220833000061"


@pytest.fixture
def app(session: Session) -> AnApp:
    return AnApp(logged_in(session, MINE)[1])


@pytest.fixture
def ticket(session: Session, app: AnApp) -> Ticket:
    kept = desk.open_own(session, app.caller, Words("No page comes up"), client_id="online-01", now=NOON)
    return session.get_one(Ticket, kept.ticket_id)


def said(session: Session, ticket_id: int | None) -> list[str]:
    wanted = select(TicketMessage.body).where(TicketMessage.ticket_id == ticket_id, TicketMessage.kind == MessageKind.CUSTOMER)
    return list(session.exec(wanted.order_by(col(TicketMessage.id))).all())


def version(session: Session, app: AnApp, kind: str, number: int) -> str:
    found = documents.one(session, app.caller, kind, number)
    assert found is not None
    return found.version


def a_notice(session: Session, app: AnApp) -> Notification:
    notice = Notification(
        dedupe_key=f"notice-{app.caller.customer_id}",
        event="ticket_resolved",
        medium=Medium.BELL,
        urgency=Urgency.NORMAL,
        customer_id=app.caller.customer_id,
        body_sealed=seal(BODY, b"It is resolved"),
        state=NotificationState.DELIVERED,
        created_at=NOON,
    )
    session.add(notice)
    session.flush()
    return notice


def test_a_request_opened_offline_gets_its_name_and_is_the_one_that_was_tried_before(session: Session, app: AnApp) -> None:
    words: dict[str, Any] = {"body": "No page comes up", "subject": "Wi-Fi"}
    tried = desk.open_own(session, app.caller, Words(**words), client_id="wish-0001", now=NOON)
    done = app.one("ticket.open", customer.NEW_TICKET, id="wish-0001", **words)
    assert (done.outcome, done.entity, done.data["is_new"]) == ("applied", f"ticket:{tried.ticket_id}", False)
    assert done.version == version(session, app, "ticket", tried.ticket_id)
    other = app.one("ticket.open", customer.NEW_TICKET, body="Something else")
    assert (other.outcome, other.data["is_new"]) == ("applied", True)


def test_words_said_offline_are_kept_once_also_if_they_were_sent_by_the_route_before(session: Session, app: AnApp, ticket: Ticket) -> None:
    desk.say(session, app.caller, ticket.id or 0, body="Hello?", client_id="say-00001", now=NOON)
    done = app.one("ticket.say", f"ticket:{ticket.id}", id="say-00001", body="Hello?")
    assert done.outcome == "applied"
    assert said(session, ticket.id) == ["No page comes up", "Hello?"]


def test_help_is_rated_when_it_is_done_and_not_before(session: Session, app: AnApp, ticket: Ticket) -> None:
    named = f"ticket:{ticket.id}"
    early = app.one("ticket.rate", named, score=5)
    assert (early.outcome, early.reason and early.reason["code"]) == ("rejected", "ticket_not_done")
    changes.set_state(session, ticket, TicketState.RESOLVED, who=SYSTEM, now=NOON)
    assert app.one("ticket.rate", named, score=5).data == {"score": 5}


def test_a_profile_that_changed_elsewhere_is_a_conflict_and_a_queue_is_none_with_itself(session: Session, app: AnApp) -> None:
    number = app.caller.customer()
    named, seen = f"profile:{number}", version(session, app, "profile", number)
    answers = app.send(app.did("profile.set", named, seen, name="Awa"), app.did("profile.set", named, seen, language="fr"))
    assert [one.outcome for one in answers.results] == ["applied", "applied"]
    assert answers.results[-1].version == version(session, app, "profile", number)
    set_profile(session, app.caller, name="Fatou")
    late = app.one("profile.set", named, answers.results[-1].version, name="Awa C.")
    assert late.outcome == "conflict"
    assert late.server is not None
    assert late.server["data"]["name"] == "Fatou"
    assert session.get_one(Customer, number, populate_existing=True).name == "Fatou"


def test_a_device_is_taken_off_that_had_the_place_then(session: Session, app: AnApp) -> None:
    _, _, time = bought(session, MINE)
    device = entry.let_in(session, time, AtRouter(session).joins(), None, swap=False, now=NOON).device
    assert device is not None
    named = f"access:{time.id}"
    free = app.did("access.free_slot", named, number=1, device_id=str(device.id))
    assert app.send(free).results[0].data == {"freed": True}
    assert app.one("access.free_slot", named, number=1).data == {"freed": False}
    session.expire_all()
    assert session.exec(select(DeviceSlot).where(DeviceSlot.entitlement_id == time.id)).one().released_at is not None


def test_a_notice_is_read(session: Session, app: AnApp) -> None:
    notice = a_notice(session, app)
    done = app.one("notice.read", f"notice:{notice.id}")
    session.refresh(notice)
    assert (done.outcome, done.version) == ("applied", version(session, app, "notice", notice.id or 0))
    assert notice.read_at is not None


def test_nobody_reaches_what_is_another_persons(session: Session, app: AnApp, ticket: Ticket) -> None:
    _, _, time = bought(session, MINE)
    notice = a_notice(session, app)
    stranger = AnApp(logged_in(session)[1])
    profile = f"profile:{app.caller.customer_id}"
    tries = [
        stranger.did("ticket.say", f"ticket:{ticket.id}", body="Hello"),
        stranger.did("ticket.rate", f"ticket:{ticket.id}", score=1),
        stranger.did("profile.set", profile, version(session, app, "profile", app.caller.customer()), name="Gone"),
        stranger.did("access.free_slot", f"access:{time.id}", number=1),
        stranger.did("notice.read", f"notice:{notice.id}"),
    ]
    answers = stranger.send(*tries)
    assert [(one.outcome, one.reason and one.reason["code"], one.server) for one in answers.results] == [
        ("rejected", "not_found", None)
    ] * 5
    assert said(session, ticket.id) == ["No page comes up"]


@pytest.mark.parametrize(
    ("type", "entity", "payload", "code"),
    [
        ("ticket.open", "ticket:new", {"body": ""}, "invalid_input"),
        ("ticket.open", "ticket:new", {"body": "x", "payment_id": "nobodys"}, "payment_not_found"),
        ("ticket.open", "ticket:new", {"body": "x", "place_id": "99999999999"}, "invalid_input"),
        ("ticket.open", "ticket:new", {"body": "x", "place_id": "here"}, "invalid_input"),
        ("ticket.open", "profile:1", {"body": "x"}, "not_found"),
        ("ticket.say", "ticket:new", {"body": "x"}, "not_found"),
        ("ticket.rate", "ticket:0", {"score": 6}, "invalid_input"),
        ("access.free_slot", "access:x", {"number": 1}, "not_found"),
        ("access.free_slot", "access:1", {"number": "1"}, "invalid_input"),
        ("notice.read", "notice:1", {"more": 1}, "invalid_input"),
        ("purchase.open", "purchase:new", {"package_id": "day-1"}, "unknown_type"),
        ("ticket.visit", "ticket:1", {"state": "accepted"}, "unknown_type"),
    ],
)
def test_what_makes_no_sense_is_refused(session: Session, app: AnApp, type: str, entity: str, payload: dict[str, Any], code: str) -> None:
    refused = app.send(app.did(type, entity, **payload)).results[0]
    assert refused.outcome == "rejected"
    assert refused.reason is not None
    assert refused.reason["code"] == code


def test_a_technicians_phone_knows_none_of_it(session: Session, ticket: Ticket) -> None:
    tech = an_app(session, a_technician(session, role=Role.ROOT))
    refused = tech.one("ticket.say", f"ticket:{ticket.id}", body="Hello")
    assert refused.reason is not None
    assert refused.reason["code"] == "unknown_type"
