"""The customer's own page of a ticket, as a browser without JavaScript meets it."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from httpx import Client
from PIL import Image
from sqlmodel import Session, col, select

from app.clock import utc_now
from portal.rendering import clock_time
from services.accounts.customers import find_or_create_customer
from services.network.incident_models import Incident
from services.tickets import changes, closure_news
from services.tickets.changes import By
from services.tickets.closure_models import TicketRating
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.opening import Opening, open_ticket
from services.tickets.tokens import reply_token
from tests.factories import PHONE
from tests.portal.test_pages import JS, heading, words

STAFF = By("staff:care@inet.test")


@pytest.fixture
def ticket(session: Session) -> Ticket:
    now = utc_now()
    customer = find_or_create_customer(session, phone=PHONE, now=now)
    opening = Opening(body="No page comes up <b>at all</b>", channel=Channel.PORTAL, customer_id=customer.id)
    return open_ticket(session, opening, who=By("customer"), now=now - timedelta(hours=2))


def path(ticket: Ticket) -> str:
    return f"/ticket/{ticket.reference}"


def opened(ticket: Ticket, **more: str) -> dict[str, str]:
    return {"t": reply_token(ticket), **more}


def say(session: Session, ticket: Ticket, kind: MessageKind, body: str) -> TicketMessage:
    return changes.say(session, ticket, kind=kind, body=body, channel=ticket.channel, who=STAFF, author="Awa Ceesay", now=utc_now())


def resolve(session: Session, ticket: Ticket) -> None:
    changes.set_state(session, ticket, TicketState.RESOLVED, who=STAFF, note="mended at the gate", now=utc_now())


def customer_said(session: Session, ticket: Ticket) -> list[str]:
    wanted = select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id, TicketMessage.kind == MessageKind.CUSTOMER)
    return list(session.exec(wanted.order_by(col(TicketMessage.id))).all())


def test_the_page_shows_what_was_said_and_nothing_of_what_staff_said_among_themselves(
    phone: Client, session: Session, ticket: Ticket
) -> None:
    say(session, ticket, MessageKind.REPLY, "Please try once more")
    say(session, ticket, MessageKind.NOTE, "This one is difficult")
    page = phone.get(path(ticket), params=opened(ticket))
    assert heading(page) == f'Your request <span class="nobr">{ticket.reference}</span>'
    assert "Please try once more" in words(page)
    assert "No page comes up &lt;b&gt;at all&lt;/b&gt;" in page.text
    for hidden in ("difficult", "Awa", "care@inet.test", "system"):
        assert hidden not in page.text


def test_the_page_is_kept_nowhere_and_named_to_nobody(phone: Client, ticket: Ticket) -> None:
    page = phone.get(path(ticket), params=opened(ticket))
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in page.headers["x-robots-tag"]
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize("token", ["", "0" * 20, "x", "é"])
def test_a_wrong_token_is_answered_like_a_ticket_that_there_is_not(phone: Client, session: Session, ticket: Ticket, token: str) -> None:
    resolve(session, ticket)
    none = phone.get("/ticket/T-ABCDEFG", params={"t": token})
    assert none.status_code == 404
    for answer in (
        phone.get(path(ticket), params={"t": token}),
        phone.post(path(ticket), data={"t": token, "words": "Hello"}),
        phone.post(f"{path(ticket)}/rating", data={"t": token, "score": "1"}),
    ):
        assert (answer.status_code, answer.text) == (404, none.text)
    assert len(customer_said(session, ticket)) == 1
    assert session.get(TicketRating, ticket.id) is None


def test_an_answer_is_kept_once_however_often_the_button_is_pressed(phone: Client, session: Session, ticket: Ticket) -> None:
    changes.set_state(session, ticket, TicketState.PENDING, who=STAFF, now=utc_now())
    assert "We wait for your answer" in words(phone.get(path(ticket), params=opened(ticket)))
    for _ in range(2):
        page = phone.post(path(ticket), data=opened(ticket, words="It is the house\x00 by the well "))
        assert "We have your message." in words(page)
    assert customer_said(session, ticket)[1:] == ["It is the house by the well"]
    session.refresh(ticket)
    assert ticket.state is TicketState.OPEN


def test_nothing_said_is_refused_at_the_field_and_the_page_stays(phone: Client, ticket: Ticket) -> None:
    page = phone.post(path(ticket), data=opened(ticket, words="   "))
    assert page.status_code == 422
    assert "Write in a few words" in words(page)
    assert 'aria-invalid="true"' in page.text


def test_a_picture_goes_along_and_comes_back_and_a_program_does_not(phone: Client, session: Session, ticket: Ticket) -> None:
    written = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(written, "JPEG")
    files = [
        ("photos", ("screen.jpg", written.getvalue(), "image/jpeg")),
        ("photos", ("game.jpg", b"MZ\x90\x00" + b"0" * 99, "image/jpeg")),
    ]
    page = phone.post(path(ticket), data=opened(ticket, words="See here"), files=files)
    assert "game.jpg was not kept: A program is not kept." in words(page)
    kept = session.exec(select(Attachment).where(Attachment.ticket_id == ticket.id, col(Attachment.file).is_not(None))).one()
    picture = phone.get(f"{path(ticket)}/file/{kept.id}", params=opened(ticket, thumb="1"))
    assert picture.headers["content-type"].startswith("image/")
    assert picture.headers["cache-control"] == "no-store"
    whole = phone.get(f"{path(ticket)}/file/{kept.id}", params=opened(ticket))
    assert whole.headers["content-disposition"].startswith("attachment")
    assert phone.get(f"{path(ticket)}/file/{kept.id}", params={"t": "0" * 20}).status_code == 404


def test_opening_the_link_votes_nothing_and_one_tap_does(phone: Client, session: Session, ticket: Ticket) -> None:
    resolve(session, ticket)
    link = closure_news.page_link(ticket)
    page = phone.get(link[link.index("/ticket/") :])
    assert "How was our help?" in words(page)
    assert session.get(TicketRating, ticket.id) is None
    page = phone.post(f"{path(ticket)}/rating", data=opened(ticket, score="4"))
    assert "You gave us 4 of 5: good." in words(page)
    assert session.get_one(TicketRating, ticket.id).score == 4
    assert page.text.count('aria-pressed="true"') == 1


@pytest.mark.parametrize("score", ["0", "6", "x", ""])
def test_a_vote_outside_of_the_scale_is_refused(phone: Client, session: Session, ticket: Ticket, score: str) -> None:
    resolve(session, ticket)
    assert phone.post(f"{path(ticket)}/rating", data=opened(ticket, score=score)).status_code == 422
    assert session.get(TicketRating, ticket.id) is None


def test_it_still_does_not_work_opens_it_again(phone: Client, session: Session, ticket: Ticket) -> None:
    resolve(session, ticket)
    page = phone.get(path(ticket), params=opened(ticket))
    assert "It still does not work" in words(page)
    assert "mended at the gate" not in page.text
    phone.post(path(ticket), data=opened(ticket, words="Down again"))
    session.refresh(ticket)
    assert (ticket.state, ticket.reopened_count) == (TicketState.OPEN, 1)


def test_long_after_the_words_begin_a_new_request_with_a_page_of_its_own(phone: Client, session: Session, ticket: Ticket) -> None:
    changes.set_state(session, ticket, TicketState.RESOLVED, who=STAFF, now=utc_now() - timedelta(days=30))
    assert "your words begin a new request" in words(phone.get(path(ticket), params=opened(ticket)))
    page = phone.post(path(ticket), data=opened(ticket, words="Down again"))
    assert ticket.reference not in heading(page)
    assert "so this is a new one" in words(page)


def test_a_known_outage_is_told_with_the_time_it_began(phone: Client, session: Session, ticket: Ticket) -> None:
    since = utc_now() - timedelta(hours=1)
    incident = Incident(reference="I-TEST01", started_at=since, opened_at=since)
    session.add(incident)
    session.flush()
    changes.set_field(session, ticket, "incident_id", incident.id, who=STAFF, now=utc_now())
    began = clock_time(since, utc_now()).replace("\u00a0", " ")
    assert f"There is an outage since {began}" in words(phone.get(path(ticket), params=opened(ticket)))


def test_too_many_words_of_one_ticket_are_put_off_and_kept_in_the_box(phone: Client, ticket: Ticket) -> None:
    answers = [phone.post(path(ticket), data=opened(ticket, words=f"Message {number}")) for number in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert "Message 10" in answers[-1].text


def test_the_script_gets_the_main_part_only_and_is_told_where_to_go(phone: Client, ticket: Ticket) -> None:
    page = phone.get(path(ticket), params=opened(ticket), headers=JS)
    assert "<html" not in page.text
    gone = phone.post(path(ticket), data=opened(ticket, words="More"), headers=JS)
    assert gone.headers["x-go"] == f"{path(ticket)}?t={reply_token(ticket)}&did=sent"


def test_the_page_weighs_little(phone: Client, ticket: Ticket) -> None:
    with phone.stream("GET", path(ticket), params=opened(ticket), headers={"Accept-Encoding": "gzip"}) as answer:
        assert len(b"".join(answer.iter_raw())) < 2500


def test_of_a_merged_ticket_a_stranger_s_words_are_not_shown(phone: Client, session: Session, ticket: Ticket) -> None:
    now = utc_now()
    other = find_or_create_customer(session, phone="+220833000099", now=now)
    into = open_ticket(session, Opening(body="Secret words", channel=Channel.PORTAL, customer_id=other.id), who=By("customer"), now=now)
    ticket.merged_into_id = into.id
    changes.set_state(session, ticket, TicketState.CLOSED, who=STAFF, now=now)
    for message in session.exec(select(TicketMessage).where(TicketMessage.ticket_id == ticket.id)).all():
        message.said_in_id, message.ticket_id = ticket.id, into.id or 0
    session.flush()
    mine, theirs = (words(phone.get(path(one), params=opened(one))) for one in (ticket, into))
    assert "No page comes up" in mine
    assert "Secret" not in mine
    assert "Secret words" in theirs
    assert "No page" not in theirs
    assert "We have it" in mine
