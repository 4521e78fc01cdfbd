"""Each thing that was done on a phone takes effect once, in its order, and gets one answer, whatever becomes of batches and answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import after_commit, transaction
from app.errors import InvalidInput, Unauthenticated, Unavailable
from services.accounts.models import Staff
from services.apps.callers import Caller
from services.apps.devices import let_go
from services.apps.models import App, AppDevice, AppMutation, MutationOutcome
from services.apps.mutations import engine
from services.apps.mutations.engine import Answers, Held, Sent, apply_batch
from services.apps.mutations.kinds import At, Done, Kind, Payload
from services.fieldwork.models import PartUsed
from services.tickets import changes, service
from services.tickets.models import HoldReason, Ticket, TicketState
from tests.conftest import NOON
from tests.services.apps.mutations.phones import AnApp, a_technician, a_ticket, an_app, named, version_of
from tests.services.tickets.working import care, hear, history, said


@pytest.fixture
def app(session: Session) -> AnApp:
    return an_app(session, a_technician(session))


@pytest.fixture
def ticket(session: Session, app: AnApp) -> Ticket:
    return a_ticket(session, session.get_one(Staff, app.caller.technician().id))


def parts(session: Session) -> list[str]:
    return list(session.exec(select(PartUsed.name).order_by(col(PartUsed.id))).all())


def kept(session: Session, app: AnApp, client_id: str) -> AppMutation:
    return session.get_one(AppMutation, (app.caller.app_device_id, client_id), populate_existing=True)


def test_a_batch_is_applied_in_its_order_and_each_is_answered_with_the_version_that_it_led_to(
    session: Session, app: AnApp, ticket: Ticket
) -> None:
    answers = app.send(*(app.did("ticket.part", named(ticket), name=f"cable {number}") for number in range(5)))
    assert parts(session) == [f"cable {number}" for number in range(5)]
    assert [one.outcome for one in answers.results] == ["applied"] * 5
    assert answers.results[-1].version == version_of(session, ticket)
    assert answers.held == Held(total=5, applied=5, conflict=0, rejected=0)


def test_what_is_sent_again_changes_nothing_and_gets_the_answer_that_it_got(session: Session, app: AnApp, ticket: Ticket) -> None:
    batch = [
        app.did("ticket.part", named(ticket), name="cable"),
        app.did("ticket.part", named(ticket), name=""),
        app.did("ticket.note", named(ticket), text="Roof is wet"),
    ]
    first = app.send(*batch)
    again = app.send(*batch, app.did("ticket.note", named(ticket), text="And loose"))
    assert [(one.outcome, one.first) for one in again.results] == [
        ("duplicate", "applied"),
        ("duplicate", "rejected"),
        ("duplicate", "applied"),
        ("applied", None),
    ]
    for one, other in zip(first.results, again.results, strict=False):
        assert (one.entity, one.version, one.data, one.reason) == (other.entity, other.version, other.data, other.reason)
    assert parts(session) == ["cable"]
    assert said(session, ticket)[-2:] == ["Roof is wet", "And loose"]
    assert again.held.total == 4


def test_twice_in_one_batch_is_done_once(session: Session, app: AnApp, ticket: Ticket) -> None:
    one = app.did("ticket.part", named(ticket), name="cable")
    assert [result.outcome for result in app.send(one, one).results] == ["applied", "duplicate"]
    assert parts(session) == ["cable"]


def test_a_name_that_was_used_for_something_else_is_refused_and_what_it_stands_for_stays(
    session: Session, app: AnApp, ticket: Ticket
) -> None:
    app.send(app.did("ticket.part", named(ticket), id="one", name="cable"))
    other = app.one("ticket.part", named(ticket), id="one", name="mast")
    assert (other.outcome, other.reason and other.reason["code"]) == ("rejected", "id_reused")
    assert parts(session) == ["cable"]
    assert kept(session, app, "one").outcome is MutationOutcome.APPLIED
    assert app.one("ticket.part", named(ticket), id="one", name="cable").outcome == "duplicate"


def test_two_phones_may_use_the_same_names(session: Session, app: AnApp, ticket: Ticket) -> None:
    other = an_app(session, session.get_one(Staff, app.caller.technician().id))
    results = [one.one("ticket.part", named(ticket), id="one", name="cable") for one in (app, other)]
    assert [result.outcome for result in results] == ["applied", "applied"]


@pytest.mark.parametrize(
    ("type_", "payload", "code", "field"),
    [
        ("ticket.explode", {}, "unknown_type", "type"),
        ("ticket.open", {"body": "Help"}, "unknown_type", "type"),
        ("ticket.part", {"name": "cable", "colour": "red"}, "invalid_input", "colour"),
        ("ticket.part", {"name": "cable", "quantity": 0}, "invalid_input", "quantity"),
        ("ticket.part", {"name": "ca\x00ble"}, "invalid_input", "name"),
        ("ticket.part", {"name": "\ud800"}, "invalid_input", "name"),
        ("ticket.note", {"text": "x" * 70_000}, "invalid_input", "payload"),
        ("ticket.check", {"item": "no-such", "is_done": True}, "invalid_input", "item"),
        ("ticket.visit", {"state": "cannot"}, "invalid_input", "reason"),
        ("ticket.visit", {"state": "on_site", "latitude": 13.4}, "invalid_input", "longitude"),
        ("ticket.visit", {"state": "on_site", "latitude": float("nan"), "longitude": 1}, "invalid_input", "latitude"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words_and_kept(
    session: Session, app: AnApp, ticket: Ticket, type_: str, payload: dict[str, object], code: str, field: str
) -> None:
    before = history(session, ticket)
    result = app.one(type_, named(ticket), version_of(session, ticket), id="bad", **payload)
    assert result.outcome == "rejected"
    assert result.reason is not None
    assert (result.reason["code"], result.reason["field"]) == (code, field)
    assert kept(session, app, "bad").outcome is MutationOutcome.REJECTED
    assert history(session, ticket) == before


@pytest.mark.parametrize("entity", ["ticket:999999", "ticket:new", "ticket:", "site:1", "nonsense", "ticket:99999999999999999999"])
def test_what_there_is_not_is_not_found(app: AnApp, ticket: Ticket, entity: str) -> None:
    result = app.one("ticket.note", entity, text="Hello")
    assert result.reason is not None
    assert (result.outcome, result.reason["code"], result.server) == ("rejected", "not_found", None)


def test_a_ticket_of_somebody_else_is_answered_like_one_that_there_is_not(session: Session, app: AnApp) -> None:
    theirs = a_ticket(session, a_technician(session, "musa"))
    result = app.one("ticket.note", named(theirs), text="Hello")
    assert result.reason is not None
    assert (result.reason["code"], result.server) == ("not_found", None)
    assert said(session, theirs) == ["No page comes up"]


def test_one_that_is_refused_holds_up_none_behind_it(session: Session, app: AnApp, ticket: Ticket) -> None:
    wrong, right = app.did("ticket.part", named(ticket), name=""), app.did("ticket.part", named(ticket), name="cable")
    assert [one.outcome for one in app.send(wrong, right).results] == ["rejected", "applied"]
    assert parts(session) == ["cable"]


def test_a_refusal_half_way_leaves_nothing_of_it(session: Session, app: AnApp, ticket: Ticket) -> None:
    before = history(session, ticket)

    def half(opened: Session) -> None:
        changes.set_state(opened, opened.get_one(Ticket, ticket.id), TicketState.PENDING, who=changes.SYSTEM, now=NOON)
        raise InvalidInput("No.")

    kinds = {"half": a_kind(half)}
    assert send_with(app, kinds, app.did("half", named(ticket))).results[0].outcome == "rejected"
    session.expire_all()
    assert (history(session, ticket), ticket.state) == (before, TicketState.NEW)


def test_what_a_phone_did_itself_never_speaks_against_what_it_did_next(session: Session, app: AnApp, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    day = [app.did("ticket.visit", named(ticket), base, state=state) for state in ("accepted", "on_the_way", "on_site")]
    later = [app.did("ticket.state", named(ticket), base, state="on_hold", hold_reason="part")]
    assert [one.outcome for one in app.send(*day[:2]).results] == ["applied"] * 2
    assert [one.outcome for one in app.send(*day, *later).results] == ["duplicate", "duplicate", "applied", "applied"]
    session.refresh(ticket)
    assert ticket.state is TicketState.ON_HOLD


def test_not_even_when_others_added_words_in_between(session: Session, app: AnApp, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    hear(session, ticket, "It is still slow")
    first = app.did("ticket.visit", named(ticket), base, state="on_the_way")
    assert app.send(first).results[0].outcome == "applied"
    hear(session, ticket, "Are you there?")
    assert app.one("ticket.visit", named(ticket), base, state="on_site").outcome == "applied"


def test_what_somebody_else_changed_since_is_a_conflict_that_shows_what_stands(session: Session, app: AnApp, ticket: Ticket) -> None:
    base = version_of(session, ticket)
    service.wait(session, actor=care(session), reference=ticket.reference, hold=HoldReason.PART, now=NOON)
    result = app.one("ticket.visit", named(ticket), base, id="late", state="on_the_way")
    assert (result.outcome, result.reason and result.reason["code"]) == ("conflict", "changed_meanwhile")
    assert result.server is not None
    assert (result.server["version"], result.server["data"]["state"]) == (version_of(session, ticket), "on_hold")
    assert kept(session, app, "late").outcome is MutationOutcome.CONFLICT
    # The person looked, and does it again on what stands.
    assert app.one("ticket.visit", named(ticket), result.server["version"], state="on_the_way").outcome == "applied"
    again = app.one("ticket.visit", named(ticket), base, id="late", state="on_the_way")
    assert (again.outcome, again.first) == ("duplicate", "conflict")
    assert again.server is not None
    assert again.server["data"]["work"]["visit"]["state"] == "on_the_way"


def test_what_was_built_on_a_conflict_is_one_too_but_words_and_parts_stay(session: Session, app: AnApp, ticket: Ticket) -> None:
    other = a_ticket(session, session.get_one(Staff, app.caller.technician().id))
    base, seen = version_of(session, ticket), version_of(session, other)
    changes.set_state(session, ticket, TicketState.PENDING, who=changes.SYSTEM, now=NOON)
    newest = version_of(session, ticket)
    batch = [
        app.did("ticket.visit", named(ticket), base, state="on_site"),
        app.did("ticket.part", named(ticket), name="cable"),
        app.did("ticket.state", named(ticket), newest, state="open"),
        app.did("ticket.visit", named(other), seen, state="on_site"),
        app.did("ticket.note", named(ticket), text="Fitted a cable"),
    ]
    wanted = ["conflict", "applied", "conflict", "applied", "applied"]
    assert [one.outcome for one in app.send(*batch[:1]).results] == wanted[:1]
    # Also when the batch was cut after the first: the second half knows it from the answer that is kept.
    assert [one.outcome for one in app.send(*batch).results] == ["duplicate", *wanted[1:]]


def test_what_can_conflict_has_to_say_what_was_seen(session: Session, app: AnApp, ticket: Ticket) -> None:
    for base in (None, "latest", "1.2.3"):
        result = app.one("ticket.visit", named(ticket), base, state="on_site")
        assert result.reason is not None
        assert (result.reason["code"], result.reason["field"]) == ("invalid_input", "base_version")


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(hours=5), timedelta(days=-400)])
def test_the_phones_clock_is_set_right_by_ours(session: Session, behind: timedelta) -> None:
    person = a_technician(session)
    app, ticket = an_app(session, person, behind=behind), a_ticket(session, person)
    hour_ago = app.now - timedelta(hours=1)
    answers = app.send(app.did("ticket.part", named(ticket), id="p", name="cable", at=hour_ago))
    assert abs(answers.skew_ms - behind.total_seconds() * 1000) < 1000
    assert session.get_one(AppDevice, app.caller.app_device_id).skew_ms == answers.skew_ms
    assert abs(kept(session, app, "p").happened_at - (NOON - timedelta(hours=1))) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ago", "wanted"),
    [(timedelta(hours=-3), timedelta(0)), (timedelta(days=300), timedelta(days=30)), (timedelta(days=-900_000), timedelta(0))],
)
def test_nothing_happened_after_it_came_or_longer_than_a_month_ago(
    session: Session, app: AnApp, ticket: Ticket, ago: timedelta, wanted: timedelta
) -> None:
    app.one("ticket.part", named(ticket), id="p", name="cable", at=NOON - ago)
    assert abs(kept(session, app, "p").happened_at - (NOON - wanted)) < timedelta(seconds=1)


def test_a_clock_at_the_end_of_time_does_no_harm(session: Session, app: AnApp, ticket: Ticket) -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    for number, (at, sent_at) in enumerate(((first, last), (last, first))):
        app.send(app.did("ticket.part", named(ticket), id=f"p{number}", name="cable", at=at), sent_at=sent_at)
        assert NOON - engine.OLDEST - timedelta(1) < kept(session, app, f"p{number}").happened_at <= NOON + timedelta(seconds=1)


def test_a_phone_that_was_logged_out_meanwhile_does_nothing_more(session: Session, app: AnApp, ticket: Ticket) -> None:
    let_go(session, session.get_one(AppDevice, app.caller.app_device_id), why="lost", now=NOON)
    with pytest.raises(Unauthenticated):
        app.one("ticket.part", named(ticket), name="cable")
    assert parts(session) == []


def test_receipts_say_which_names_are_held_and_whose(session: Session, app: AnApp, ticket: Ticket) -> None:
    app.send(app.did("ticket.part", named(ticket), id="one", name="cable"), app.did("ticket.part", named(ticket), id="two", name=""))
    other = an_app(session, a_technician(session, "musa"))
    with transaction() as opened:
        assert engine.known(opened, caller=app.caller, ids=["one", "two", "three"]) == {"one": "applied", "two": "rejected"}
        assert engine.known(opened, caller=other.caller, ids=["one"]) == {}
        assert engine.held(opened, caller=app.caller) == Held(2, 1, 0, 1)
        assert engine.held(opened, caller=other.caller) == Held(0, 0, 0, 0)


def a_kind(apply: Callable[[Session], object]) -> Kind:
    """One that does this to whatever is named."""

    def done(opened: Session, _: Caller, entity: str, payload: Payload, at: At) -> Done:
        apply(opened)
        return Done(entity, {})

    return Kind(App.TECH, Payload, done, lambda *_: "1")


def send_with(app: AnApp, kinds: dict[str, Kind], *sent: Sent) -> Answers:
    return apply_batch(
        transaction, caller=app.caller, kinds=kinds, server_says=lambda *_: None, sent_at=app.now, sent=sent, clock=app.clock
    )


def test_what_is_not_about_the_mutation_ends_the_batch_and_what_was_done_stays(session: Session, app: AnApp) -> None:
    is_away = [True]

    def away(_: Session) -> None:
        if is_away:
            raise Unavailable

    kinds = {"note": a_kind(lambda _: None), "ask": a_kind(away)}
    batch = [app.did("note", "a:1", id="one"), app.did("ask", "a:1", id="two"), app.did("note", "a:1", id="three")]
    with pytest.raises(Unavailable):
        send_with(app, kinds, *batch)
    is_away.clear()
    assert [one.outcome for one in send_with(app, kinds, *batch).results] == ["duplicate", "applied", "applied"]


def test_what_the_database_cannot_hold_is_refused_and_holds_up_nothing(session: Session, app: AnApp) -> None:
    kinds = {"note": a_kind(lambda _: None), "wrong": a_kind(lambda opened: opened.execute(sa.text("SELECT 10000000000::int")))}
    results = send_with(app, kinds, app.did("wrong", "a:1"), app.did("note", "a:1")).results
    assert [one.outcome for one in results] == ["rejected", "applied"]


def test_what_is_refused_rings_nobody_after_the_commit(session: Session, app: AnApp) -> None:
    rung: list[str] = []

    def half(opened: Session) -> None:
        after_commit(opened, lambda: rung.append("half"))
        raise InvalidInput("No.")

    kinds = {"whole": a_kind(lambda opened: after_commit(opened, lambda: rung.append("whole"))), "half": a_kind(half)}
    send_with(app, kinds, app.did("half", "a:1"), app.did("whole", "a:1"))
    assert rung == ["whole"]


def test_a_version_that_is_there_again_by_ones_own_hand_is_no_conflict(session: Session, app: AnApp) -> None:
    """A name that was changed and changed back has the digest that it had; then somebody else changes it."""
    now = ["A"]

    def set_to(name: str) -> Kind:
        def done(_: Session, __: Caller, entity: str, ___: Payload, at: At) -> Done:
            now[0] = name
            return Done(entity, {})

        return Kind(App.TECH, Payload, done, lambda *_: now[0], lambda _, __, ___, base: base != now[0])

    kinds = {name: set_to(name) for name in "ABC"}
    sent = [app.did(name, "a:1", "A") for name in "BABAC"]
    assert {one.outcome for one in send_with(app, kinds, *sent).results} == {"applied"}
    now[0] = "theirs"
    assert send_with(app, kinds, app.did("A", "a:1", "C")).results[0].outcome == "conflict"
