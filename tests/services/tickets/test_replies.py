"""A reply reaches the customer once, on their way, and never past what somebody else said meanwhile."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from sqlmodel import Session

from app.errors import Forbidden, InvalidInput
from app.keys import seal, unseal
from services.accounts.models import Role
from services.notifications.models import NotificationState
from services.notifications.service import HEADERS
from services.tickets import changes, merging, notes, people, replies, service
from services.tickets.errors import AnsweredMeanwhile, NobodyToAnswer, ReplyNotFound, ReplyNotResent, TicketMerged, TicketNotFound
from services.tickets.intake_models import Correspondent
from services.tickets.models import Channel, Priority, Ticket, TicketState
from services.tickets.opening import Opening, open_ticket
from tests.conftest import NOON
from tests.services.tickets import working
from tests.services.tickets.people import a_person, a_service

MINUTE = timedelta(minutes=1)


def reply(session: Session, actor: object, ticket: Ticket, text: str = "Please try once more.", **more: object) -> object:
    wanted = {"expected_revision": ticket.revision, "now": NOON + MINUTE, **more}
    return replies.reply(session, actor=actor, reference=ticket.reference, text=text, **wanted)  # type: ignore[arg-type]


def test_a_reply_is_texted_once_and_the_ticket_waits_and_is_whoevers_wrote_it(session: Session) -> None:
    awa, ticket = working.care(session), working.a_ticket(session)
    message = replies.reply(
        session, actor=awa, reference=ticket.reference, text=" Try again. ", expected_revision=ticket.revision, now=NOON + MINUTE
    )
    assert (message.body, message.channel, message.author, message.staff_id) == ("Try again.", Channel.SMS, "Awa", awa.id)
    assert (ticket.state, ticket.assignee_id, ticket.first_responded_at) == (TicketState.PENDING, awa.id, NOON + MINUTE)
    (text,) = working.told(session, "ticket_reply")
    assert (text.ticket_message_id, text.medium) == (message.id, "sms")
    assert replies.deliveries(session, ticket.id or 0)[message.id or 0].state == "queued"


@pytest.mark.parametrize(("then", "state"), [("open", TicketState.OPEN), ("resolved", TicketState.RESOLVED)])
def test_the_ticket_goes_on_as_wanted(session: Session, then: replies.Then, state: TicketState) -> None:
    awa, ticket = working.care(session), working.a_ticket(session)
    reply(session, awa, ticket, then=then)
    assert ticket.state is state


def test_a_double_click_is_one_reply_and_the_same_words_later_are_another(session: Session) -> None:
    awa, ticket = working.care(session), working.a_ticket(session)
    seen = ticket.revision
    first = reply(session, awa, ticket)
    again = reply(session, awa, ticket, expected_revision=seen, now=NOON + MINUTE + timedelta(seconds=9))
    assert again == first
    assert len(working.told(session, "ticket_reply")) == 1
    assert reply(session, awa, ticket, now=NOON + 2 * MINUTE) != first
    assert len(working.told(session, "ticket_reply")) == 2


def test_who_did_not_see_the_newest_words_is_shown_them_first(session: Session) -> None:
    awa, binta, ticket = working.care(session), working.care(session, "binta"), working.a_ticket(session)
    seen = ticket.revision
    reply(session, binta, ticket, "I look into it.")
    working.hear(session, ticket, "It is\nstill broken")
    with pytest.raises(AnsweredMeanwhile) as refusal:
        reply(session, awa, ticket, expected_revision=seen)
    assert refusal.value.what == "Binta replied: I look into it.\nThe customer wrote: It is still broken"
    assert refusal.value.revision == ticket.revision
    assert len(working.told(session, "ticket_reply")) == 1
    reply(session, awa, ticket, expected_revision=refusal.value.revision)
    reply(session, awa, ticket, "And this.", expected_revision=seen, anyway=True)
    assert len(working.told(session, "ticket_reply")) == 3


def test_a_note_counts_as_said_but_a_changed_field_and_ones_own_words_do_not(session: Session) -> None:
    awa, binta, ticket = working.care(session), working.care(session, "binta"), working.a_ticket(session)
    seen = ticket.revision
    service.triage(session, actor=binta, reference=ticket.reference, priority=Priority.HIGH, now=NOON)
    notes.note(session, actor=awa, reference=ticket.reference, text="Mine.", now=NOON)
    reply(session, awa, ticket, expected_revision=seen)
    seen = ticket.revision
    notes.note(session, actor=binta, reference=ticket.reference, text="Do not answer, I call them.", now=NOON)
    with pytest.raises(AnsweredMeanwhile):
        reply(session, awa, ticket, "Another one", expected_revision=seen)


def test_a_revision_that_never_was_is_not_answered_to(session: Session) -> None:
    awa, ticket = working.care(session), working.a_ticket(session)
    with pytest.raises(AnsweredMeanwhile):
        reply(session, awa, ticket, expected_revision="made-up")


def test_what_is_written_to_a_ticket_that_was_merged_meanwhile_lands_where_it_lies(session: Session) -> None:
    awa, binta = working.care(session), working.care(session, "binta")
    one, other = working.a_ticket(session, "one"), working.a_ticket(session, "other")
    seen = one.revision
    merging.merge(session, actor=binta, source=one.reference, into=other.reference, now=NOON)
    reply(session, awa, one, expected_revision=seen)
    assert working.said(session, other) == ["one", "other", "Please try once more."]
    assert working.said(session, one) == []


def test_who_would_answer_another_customer_by_that_is_stopped(session: Session) -> None:
    awa, binta = working.care(session), working.care(session, "binta")
    one, other = working.a_ticket(session, "one"), working.a_ticket(session, "other", customer=working.a_customer(session, 2))
    seen = one.revision
    merging.merge(session, actor=binta, source=one.reference, into=other.reference, confirm=True, now=NOON)
    with pytest.raises(AnsweredMeanwhile, match="another customer"):
        reply(session, awa, one, expected_revision=seen)


def test_a_technician_is_told_that_theirs_lies_in_another_and_knows_of_no_foreign_one(session: Session) -> None:
    awa, staff = working.care(session), a_person(session, "tech@inet.test")
    tech = working.principal_of(staff)
    mine, other = working.a_ticket(session, "mine", assignee=staff), working.a_ticket(session, "other")
    with pytest.raises(TicketNotFound):
        reply(session, tech, other)
    merging.merge(session, actor=awa, source=mine.reference, into=other.reference, now=NOON)
    with pytest.raises(TicketMerged):
        reply(session, tech, mine)


def test_who_wrote_a_mail_is_answered_by_mail_that_finds_its_way_back(session: Session) -> None:
    awa = working.care(session)
    writer = Correspondent(
        address_mac="0" * 64, address_sealed=seal(people.ADDRESS, b"fatou@mail.test"), created_at=NOON, last_wrote_at=NOON
    )
    session.add(writer)
    session.flush()
    opening = Opening(body="No page", channel=Channel.EMAIL, correspondent_id=writer.id, mail_id="first@mail.test")
    ticket = open_ticket(session, opening, who=changes.By("customer"), now=NOON)
    message = replies.reply(session, actor=awa, reference=ticket.reference, text="Try now.", expected_revision=None, now=NOON)
    (mail,) = working.told(session, "ticket_reply")
    fields = orjson.loads(unseal(HEADERS, mail.headers_sealed or ""))
    assert (message.channel, mail.medium) == (Channel.EMAIL, "email")
    assert (fields["Message-ID"], fields["In-Reply-To"]) == (f"<{message.mail_id}>", "<first@mail.test>")


def test_who_left_no_number_reads_it_on_their_page(session: Session) -> None:
    awa = working.care(session)
    ticket = open_ticket(session, Opening(body="No page", channel=Channel.PORTAL), who=changes.By("customer"), now=NOON)
    message = replies.reply(session, actor=awa, reference=ticket.reference, text="Try now.", expected_revision=None, now=NOON)
    assert (message.channel, replies.deliveries(session, ticket.id or 0)[message.id or 0].state) == (Channel.PORTAL, "none")


def test_nobody_is_answered_about_an_outage_that_the_machine_reported(session: Session) -> None:
    ticket = open_ticket(session, Opening(body="AP down", channel=Channel.INCIDENT), who=changes.SYSTEM, now=NOON)
    with pytest.raises(NobodyToAnswer):
        reply(session, working.care(session), ticket)


@pytest.mark.parametrize("text", ["", "  \n", "\x00", "x" * 20_001])
def test_a_reply_has_words(session: Session, text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        reply(session, working.care(session), working.a_ticket(session), text)
    assert refusal.value.field == "text"


def test_who_may_only_read_answers_nobody(session: Session) -> None:
    ticket = working.a_ticket(session)
    with pytest.raises(Forbidden):
        reply(session, working.care(session, "money", Role.BILLING_OFFICER), ticket)
    with pytest.raises(Forbidden):
        reply(session, a_service("tickets:edit", number=1), ticket)


def test_a_reply_that_did_not_arrive_is_sent_again_and_no_other(session: Session) -> None:
    awa, ticket = working.care(session), working.a_ticket(session)
    message = replies.reply(session, actor=awa, reference=ticket.reference, text="Try.", expected_revision=None, now=NOON)
    assert message.id is not None
    with pytest.raises(ReplyNotResent):
        replies.resend(session, actor=awa, message_id=message.id, now=NOON)
    (text,) = working.told(session, "ticket_reply")
    text.state, text.error, text.next_attempt_at = NotificationState.FAILED, "The number does not exist.", None
    shown = replies.deliveries(session, ticket.id or 0)[message.id]
    assert (shown.state, shown.error, shown.may_be_resent) == ("failed", "The number does not exist.", True)
    assert replies.resend(session, actor=awa, message_id=message.id, now=NOON).state == "queued"
    for number in (message.id - 1, 999_999_999):
        with pytest.raises(ReplyNotFound):
            replies.resend(session, actor=awa, message_id=number, now=NOON)


def test_a_closed_ticket_is_not_opened_by_a_last_word(session: Session) -> None:
    awa, ticket = working.care(session), working.a_ticket(session)
    service.close(session, actor=awa, reference=ticket.reference, note="all is well", now=NOON)
    reply(session, awa, ticket, then="resolved")
    assert ticket.state is TicketState.CLOSED
    reply(session, awa, ticket, "One more question", then="pending")
    assert ticket.state is TicketState.PENDING
