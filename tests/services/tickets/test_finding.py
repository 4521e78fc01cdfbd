"""Tickets are found by what people have of them: a word, a number or a part of it, a name, also with a typing error."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.keys import keyed_mac, seal
from services.listing import Slice
from services.tickets import changes, finding, vocabulary
from services.tickets.intake_models import Correspondent
from services.tickets.models import Channel, MessageKind, Ticket, TicketState
from services.tickets.opening import Opening, open_ticket
from services.tickets.people import ADDRESS
from services.tickets.queries import BEST, TicketFilter, list_tickets
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders


def a_ticket(session: Session, body: str, *, subject: str = "", minutes: int = 0, **more: object) -> Ticket:
    opening = Opening(body=body, channel=Channel.EMAIL, subject=subject, **more)  # type: ignore[arg-type]
    return open_ticket(session, opening, who=changes.By("customer"), now=NOON + timedelta(minutes=minutes))


def found(session: Session, text: str) -> list[int]:
    return list(finding.find(session, text, within=(), most=20).ids)


@pytest.fixture
def theirs(session: Session) -> Ticket:
    """One ticket with everything that a person may have of it, beside others."""
    customer = builders.a_customer(session, 1, now=NOON)
    for number in range(3):
        a_ticket(session, f"Something else, number {number}", client_mac="02:00:00:aa:bb:00")
    ticket = a_ticket(
        session,
        "I cannot connect at the ferry. My code is ABCD-1234-EFGH and I paid with 7K3M9Q.",
        customer_id=customer.id,
        client_mac="02:00:00:bb:00:50",
        author="Fatou Ceesay",
    )
    session.flush()
    return ticket


@pytest.mark.parametrize(
    "text",
    [
        "ferry",
        "cannot FERRY",
        "Férry",
        "+220833000001",
        "83 300 0001",
        "3000001",
        "02:00:00:bb:00:50",
        "020000BB0050",
        "02-00-00-bb-00-50",
        "bb:00:50",
        "1234-efgh",
        "1234EFGH",
        "4-EF",
        "7k3m9",
        "ceesay",
        "Fatou",
    ],
)
def test_a_ticket_is_found_by(session: Session, theirs: Ticket, text: str) -> None:
    assert theirs.id in found(session, text)
    assert len(found(session, text)) == 1


def test_a_ticket_is_found_by_its_reference_in_any_case(session: Session, theirs: Ticket) -> None:
    assert found(session, theirs.reference.lower()) == [theirs.id]
    assert found(session, theirs.reference[2:]) == [theirs.id]


def test_a_mail_address_finds_what_its_writer_sent(session: Session, theirs: Ticket) -> None:
    writer = Correspondent(
        address_mac=keyed_mac(ADDRESS, "awa@mail.test"), address_sealed=seal(ADDRESS, b"awa@mail.test"), created_at=NOON, last_wrote_at=NOON
    )
    session.add(writer)
    session.flush()
    mailed = a_ticket(session, "By mail", correspondent_id=writer.id)
    assert found(session, "Awa@mail.test") == [mailed.id]
    assert found(session, "other@mail.test") == []


@pytest.mark.parametrize("text", ["ferrry", "ferri", "cesay", "Fattou"])
def test_a_typing_error_still_finds_it(session: Session, theirs: Ticket, text: str) -> None:
    assert found(session, text) == []
    vocabulary.gather(session, now=NOON + timedelta(minutes=1))
    answer = finding.find(session, text, within=(), most=20)
    assert answer.ids == (theirs.id,)
    assert answer.corrected in ("ferry", "ceesay", "fatou")


def test_the_words_of_a_ticket_are_gathered_again_when_it_changes(session: Session, theirs: Ticket) -> None:
    later = NOON + timedelta(minutes=1)
    assert vocabulary.gather(session, now=later) == 4
    changes.say(session, theirs, kind=MessageKind.REPLY, body="The antenna is mended", channel=Channel.EMAIL, who=changes.SYSTEM, now=later)
    assert vocabulary.nearest(session, "antena") == ()
    assert vocabulary.gather(session, now=later + timedelta(minutes=1)) > 0
    assert "antenna" in vocabulary.nearest(session, "antena")


def test_names_go_before_subjects_and_subjects_before_words_and_newer_before_older(session: Session) -> None:
    said = a_ticket(session, "the ferry is late")
    newer = a_ticket(session, "again the ferry", minutes=1)
    about = a_ticket(session, "no connection", subject="Ferry terminal", minutes=2)
    named = a_ticket(session, "no connection", author="Ferry Touray", minutes=3)
    last = a_ticket(session, "and the ferry once more", minutes=4)
    assert found(session, "ferry") == [named.id, about.id, last.id, newer.id, said.id]


def test_a_search_keeps_to_the_filters_beside_it(session: Session, theirs: Ticket) -> None:
    done = a_ticket(session, "the ferry again")
    changes.set_state(session, done, TicketState.CLOSED, who=changes.SYSTEM, now=NOON)

    def listed(**wanted: object) -> list[str]:
        filters = TicketFilter(search="ferry", **wanted)  # type: ignore[arg-type]
        return [one.ticket.reference for one in list_tickets(session, actor=staff(), wanted=filters, part=Slice(sort=BEST)).rows]

    assert set(listed()) == {theirs.reference, done.reference}
    assert listed(state=TicketState.CLOSED) == [done.reference]
    assert listed(is_undone=True) == [theirs.reference]
    assert listed(assignee_id=999) == []


def test_what_is_rare_is_found_however_old_it_is(session: Session, theirs: Ticket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "_WINDOWS", (1, 2))
    monkeypatch.setattr(finding, "_FIRST", (1, 2))
    for number in range(6):
        a_ticket(session, f"newer, {number}", minutes=number)
    assert found(session, "ferry") == [theirs.id]
    monkeypatch.setattr(finding, "_FEW", 0)
    assert found(session, "ferry") == [theirs.id]
    undone = list_tickets(session, actor=staff(), wanted=TicketFilter(search="ferry", is_undone=True), part=Slice(sort=BEST))
    assert [row.ticket.id for row in undone.rows] == [theirs.id]


@pytest.mark.parametrize("text", ["", "   ", "%", "_", "'", "\x00", "a & | b", "(((", '"', "-", "<script>", "🙂", "x" * 500])
def test_no_text_breaks_the_search(session: Session, theirs: Ticket, text: str) -> None:
    assert theirs.id not in found(session, text)
