"""Notes, whom they name, tags, links and watchers."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.notifications.models import Notification
from services.tickets import links, mentions, notes, replies, service, tags, watching
from services.tickets.errors import TicketNotFound
from services.tickets.models import MessageKind
from tests.conftest import NOON
from tests.services.tickets import working
from tests.services.tickets.people import a_person, a_service


@pytest.fixture
def awa(session: Session) -> Principal:
    return working.care(session, "awa.ceesay")


def test_a_note_names_colleagues_who_are_told_and_watch_from_then_on(session: Session, awa: Principal) -> None:
    binta = working.care(session, "binta")
    ticket = working.a_ticket(session)
    noted = notes.note(session, actor=awa, reference=ticket.reference, text="@binta please call, @Awa.Ceesay cannot", now=NOON)
    assert (noted.message.kind, noted.told, noted.not_told) == (MessageKind.NOTE, ("Binta",), ())
    assert working.bells(session, binta) == ["ticket_mention"]
    assert working.told(session, "ticket_reply") == []
    assert watching.is_watching(session, actor=binta, ticket_id=ticket.id or 0)
    working.hear(session, ticket, "hello?")
    assert working.bells(session, binta) == ["ticket_mention", "ticket_customer_wrote"]


def test_who_may_not_know_of_the_ticket_is_not_told_of_it(session: Session, awa: Principal) -> None:
    tech = a_person(session, "tech@inet.test")
    ticket = working.a_ticket(session)
    noted = notes.note(session, actor=awa, reference=ticket.reference, text="@tech look", now=NOON)
    assert (noted.told, noted.not_told) == ((), ("Tech",))
    assert session.exec(select(Notification).where(col(Notification.staff_id) == tech.id)).all() == []
    assert watching.names(session, ticket.id or 0) == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@awa", ["Awa Ceesay"]),
        ("ask @AWA CEESAY, now", ["Awa Ceesay"]),
        ("(@awa.ceesay)", ["Awa Ceesay"]),
        ("@awa. And @awa again", ["Awa Ceesay"]),
        ("@awa's turn", ["Awa Ceesay"]),
        ("@modou", []),
        ("@modou jallow and @modou bah", ["Modou Jallow", "Modou Bah"]),
        ("write to awa@inet.test or x@awa.ceesay", []),
        ("@awaa @nobody @ @@ @gone", []),
        ("@awa.x", []),
    ],
)
def test_a_name_is_found_as_it_is_written(session: Session, text: str, named: list[str]) -> None:
    for email, name in (("awa.ceesay@inet.test", "Awa Ceesay"), ("mj@inet.test", "Modou Jallow"), ("mb@inet.test", "Modou Bah")):
        a_person(session, email).name = name
    a_person(session, "gone@inet.test", is_active=False)
    session.flush()
    assert [one.name for one in mentions.find(session, text)] == named


def test_a_note_needs_words_and_the_right_to_write_it(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session)
    with pytest.raises(InvalidInput):
        notes.note(session, actor=awa, reference=ticket.reference, text=" \x00", now=NOON)
    with pytest.raises(Forbidden):
        notes.note(session, actor=a_service("tickets:read", number=1), reference=ticket.reference, text="x", now=NOON)
    handles = {one.handle for one in mentions.mentionable(session, actor=awa)}
    assert "awa.ceesay" in handles


def test_tags_are_plain_words_and_suggested_from_those_in_use(session: Session, awa: Principal) -> None:
    ticket, other = working.a_ticket(session), working.a_ticket(session)
    assert tags.change(session, actor=awa, reference=ticket.reference, add=["#Market ", "Power Cut", "market"], now=NOON) == (
        "market",
        "power-cut",
    )
    tags.change(session, actor=awa, reference=other.reference, add=["market", "été"], now=NOON)
    assert tags.known(session) == ("market", "power-cut", "été")
    seen = ticket.revision
    tags.change(session, actor=awa, reference=ticket.reference, add=["market"], remove=["never"], now=NOON)
    assert ticket.revision == seen
    assert tags.change(session, actor=awa, reference=ticket.reference, remove=["market"], now=NOON) == ("power-cut",)
    assert working.history(session, ticket)[-2:] == ["tags", "tags"]


@pytest.mark.parametrize("tag", ["", "#", "a/b", "<script>", "x" * 41, "🚀", "a\nb/"])
def test_what_is_no_tag_is_refused(session: Session, awa: Principal, tag: str) -> None:
    with pytest.raises(InvalidInput):
        tags.change(session, actor=awa, reference=working.a_ticket(session).reference, add=[tag], now=NOON)


def test_a_ticket_has_twenty_tags_at_most(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session)
    tags.change(session, actor=awa, reference=ticket.reference, add=[f"t{number}" for number in range(20)], now=NOON)
    with pytest.raises(InvalidInput):
        tags.change(session, actor=awa, reference=ticket.reference, add=["one-more"], now=NOON)
    tags.change(session, actor=awa, reference=ticket.reference, add=["one-more"], remove=["t0"], now=NOON)


def test_a_link_stands_in_both_once_and_shows_nobody_a_foreign_ticket(session: Session, awa: Principal) -> None:
    staff = a_person(session, "tech@inet.test")
    mine, other = working.a_ticket(session, "mine", assignee=staff), working.a_ticket(session, "other")
    for one, two in ((mine, other), (other, mine)):
        links.link(session, actor=awa, reference=one.reference, other=two.reference, now=NOON)
    assert [one.headline for one in links.of(session, actor=awa, ticket_id=mine.id or 0)] == ["other"]
    assert [one.headline for one in links.of(session, actor=awa, ticket_id=other.id or 0)] == ["mine"]
    assert links.of(session, actor=working.principal_of(staff), ticket_id=mine.id or 0) == ()
    with pytest.raises(TicketNotFound):
        links.link(session, actor=working.principal_of(staff), reference=mine.reference, other=other.reference, now=NOON)
    with pytest.raises(InvalidInput):
        links.link(session, actor=awa, reference=mine.reference, other=mine.reference, now=NOON)
    links.unlink(session, actor=awa, reference=other.reference, other=mine.reference, now=NOON)
    assert links.of(session, actor=awa, ticket_id=mine.id or 0) == ()
    assert [kind for kind in working.history(session, mine) if "link" in kind] == ["link", "unlink"]


def test_watchers_hear_of_replies_and_states_but_not_of_their_own_acts(session: Session, awa: Principal) -> None:
    money = working.care(session, "money", Role.BILLING_OFFICER)
    ticket = working.a_ticket(session)
    seen = ticket.revision
    assert watching.watch(session, actor=money, reference=ticket.reference, now=NOON)
    assert not watching.watch(session, actor=money, reference=ticket.reference, now=NOON)
    watching.watch(session, actor=awa, reference=ticket.reference, now=NOON)
    assert (watching.names(session, ticket.id or 0), ticket.revision) == (("Awa.Ceesay", "Money"), seen)
    replies.reply(session, actor=awa, reference=ticket.reference, text="Hi", expected_revision=None, now=NOON)
    service.close(session, actor=awa, reference=ticket.reference, note="done", now=NOON)
    assert working.bells(session, money) == ["ticket_watched", "ticket_watched"]
    assert working.bells(session, awa) == []
    assert watching.unwatch(session, actor=money, reference=ticket.reference, now=NOON)
    assert not watching.unwatch(session, actor=money, reference=ticket.reference, now=NOON)
    service.reopen(session, actor=awa, reference=ticket.reference, note="again", now=NOON)
    assert len(working.bells(session, money)) == 2


def test_a_technician_from_whom_it_was_taken_hears_no_more_of_it(session: Session, awa: Principal) -> None:
    staff = a_person(session, "tech@inet.test")
    tech = working.principal_of(staff)
    ticket = working.a_ticket(session, assignee=staff)
    watching.watch(session, actor=tech, reference=ticket.reference, now=NOON)
    service.assign(session, actor=awa, reference=ticket.reference, staff_id=None, expected_revision=None, now=NOON)
    service.close(session, actor=awa, reference=ticket.reference, note="done", now=NOON)
    assert working.bells(session, tech) == []
    with pytest.raises(Forbidden):
        watching.watch(session, actor=a_service("tickets:read", number=1), reference=ticket.reference, now=NOON)
