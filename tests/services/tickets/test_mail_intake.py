"""A kept mail becomes part of a conversation, a new ticket, or is put aside; once, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.keys import unseal
from app.settings import get_settings
from services.accounts.customers import find_or_create_customer
from services.notifications.models import Notification
from services.notifications.service import ADDRESS
from services.tickets import inbound_store, mail_fetching, mail_intake
from services.tickets.intake_models import Attachment, Correspondent, InboundMessage, InboundState
from services.tickets.mail_intake import TWICE
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from services.tickets.tokens import reply_token
from tests.conftest import NOON
from tests.services.tickets.mails import FATOU, a_mail, came, came_and_read, read, ticket_of

S = InboundState


@pytest.fixture(autouse=True)
def mail_is_set_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INET_EMAIL_URL", "smtp://127.0.0.1:9/?from=help@inet.gm&tls=no")
    monkeypatch.setenv("INET_IMAP_URL", "imap://help%40inet.gm:secret@127.0.0.1:9/INBOX?tls=no")
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def _tickets(session: Session) -> int:
    return session.execute(sa.select(sa.func.count()).select_from(Ticket)).scalar_one()


def _said_in(session: Session, ticket: Ticket) -> list[str]:
    return list(session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all())


def test_a_mail_opens_a_ticket_and_its_writer_is_told(session: Session) -> None:
    taken = came_and_read(session, a_mail("It is slow.", subject="Slow", mail_id="1@x", file=("a.txt", b"words")))
    ticket = ticket_of(session, taken)
    assert (taken.state, ticket.channel, ticket.subject, ticket.customer_id) == (S.TAKEN, Channel.EMAIL, "Slow", None)
    (said,) = session.exec(select(TicketMessage).where(TicketMessage.ticket_id == ticket.id)).all()
    assert (said.body, said.kind, said.author, said.mail_id, said.inbound_id) == (
        "It is slow.",
        MessageKind.CUSTOMER,
        "Awa Ceesay",
        "1@x",
        taken.id,
    )
    assert [file.name for file in session.exec(select(Attachment).where(Attachment.message_id == said.id))] == ["a.txt"]
    (told,) = session.exec(select(Notification).where(Notification.ticket_id == ticket.id, Notification.event == "ticket_received")).all()
    assert told.address_sealed is not None
    assert unseal(ADDRESS, told.address_sealed) == b"awa@example.gm"


def test_the_second_new_ticket_within_an_hour_is_not_acknowledged_again(session: Session) -> None:
    for minutes in (0, 20, 61):
        came_and_read(session, a_mail(f"Trouble {minutes}"), at=NOON + timedelta(minutes=minutes))
    told = session.exec(select(Notification).where(Notification.event == "ticket_received")).all()
    assert (len(told), _tickets(session)) == (2, 3)


def test_an_answer_to_the_address_with_the_token_goes_on_whoever_sends_it(session: Session) -> None:
    ticket = ticket_of(session, came_and_read(session, a_mail()))
    address = f"help+{ticket.reference.lower()}.{reply_token(ticket)}@inet.gm"
    answer = came_and_read(session, a_mail("It is me, from another address.", sender=FATOU, to=address))
    assert answer.ticket_id == ticket.id
    assert _said_in(session, ticket)[-1] == "It is me, from another address."


def test_an_answer_is_known_by_what_it_refers_to_and_by_the_number_in_its_subject(session: Session) -> None:
    ticket = ticket_of(session, came_and_read(session, a_mail(mail_id="first@x")))
    assert came_and_read(session, a_mail("More", In_Reply_To="<first@x>")).ticket_id == ticket.id
    assert came_and_read(session, a_mail("Yet more", subject=f"Re: [{ticket.reference}] No Wi-Fi")).ticket_id == ticket.id


@pytest.mark.parametrize("forged_token", [False, True])
def test_who_merely_names_anothers_ticket_gets_one_of_their_own(session: Session, forged_token: bool) -> None:
    theirs = ticket_of(session, came_and_read(session, a_mail(mail_id="theirs@x")))
    to = f"help+{theirs.reference}.{'0' * 20}@inet.gm" if forged_token else "help@inet.gm"
    raw = a_mail("Tell me all", sender=FATOU, to=to, subject=f"Re: [{theirs.reference}]", In_Reply_To="<theirs@x>")
    stranger = came_and_read(session, raw)
    assert stranger.ticket_id != theirs.id
    assert _said_in(session, theirs) == ["My Wi-Fi does not work since this morning."]


def test_a_correspondent_is_a_customer_only_when_that_is_known(session: Session) -> None:
    customer = find_or_create_customer(session, phone="+220833000077", now=NOON)
    assert ticket_of(session, came_and_read(session, a_mail("Call me: 833000077"))).customer_id is None
    writer = session.exec(select(Correspondent)).one()
    writer.customer_id = customer.id
    session.commit()
    assert ticket_of(session, came_and_read(session, a_mail("Once more"))).customer_id == customer.id


def test_the_same_mail_under_another_number_is_held_and_becomes_nothing(session: Session) -> None:
    raw = a_mail("Only once", mail_id="once@x")
    came_and_read(session, raw)
    again = came_and_read(session, b"Received: by mx.example\n" + raw)
    assert (again.state, again.why, _tickets(session)) == (S.IGNORED, TWICE, 1)


def test_another_mail_under_the_same_name_is_not_lost(session: Session) -> None:
    came_and_read(session, a_mail("One thing", mail_id="careless@x"))
    other = came_and_read(session, a_mail("Quite another thing", mail_id="careless@x"))
    assert (other.state, _tickets(session)) == (S.TAKEN, 2)


def test_reading_twice_makes_one_ticket(session: Session) -> None:
    kept = came(session, a_mail())
    for _ in range(3):
        read(session, kept)
    assert _tickets(session) == 1


def test_an_answer_never_overtakes_what_it_answers(session: Session) -> None:
    came(session, a_mail("First", mail_id="first@x"))
    second = came(session, a_mail("Second", References="<first@x>"))
    answer = read(session, second)
    assert _said_in(session, ticket_of(session, answer)) == ["First", "Second"]


def test_one_over_which_the_reader_dies_each_time_is_put_before_a_person(session: Session) -> None:
    kept = came(session, a_mail())
    session.get_one(InboundMessage, kept).attempts = 3
    session.commit()
    found = read(session, kept)
    assert (found.state, found.why) == (S.HELD, "It could not be read in 3 tries. It is kept as it came.")


def test_what_cannot_be_read_is_held_with_words_and_kept_whole(session: Session) -> None:
    deep = b"From: a@x.gm\n" + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000))
    found = came_and_read(session, deep)
    assert (found.state, inbound_store.raw_of(found)) == (S.HELD, deep)
    assert "deep" in (found.why or "")


def test_no_text_only_emoji_and_a_mail_without_a_sender(session: Session) -> None:
    empty = ticket_of(session, came_and_read(session, a_mail("", subject="")))
    assert _said_in(session, empty) == ["(no text)"]
    assert _said_in(session, ticket_of(session, came_and_read(session, a_mail("🙂🙂")))) == ["🙂🙂"]
    assert came_and_read(session, b"Subject: who am I\n\nhello").state is S.HELD


def test_one_that_was_read_before_us_or_is_too_large_is_put_aside_with_its_sender(session: Session) -> None:
    old = read(session, came(session, a_mail(), why=mail_fetching.READ_BEFORE_US))
    assert (old.state, inbound_store.sender_of(old)) == (S.IGNORED, "awa@example.gm")
    huge = read(session, came(session, a_mail(subject="Film"), why=mail_fetching.TOO_LARGE))
    assert (huge.state, huge.subject, huge.why) == (S.HELD, "Film", mail_fetching.TOO_LARGE)
    assert _tickets(session) == 0


def test_the_sweep_rings_for_what_nobody_read(session: Session) -> None:
    came(session, a_mail(), at=NOON - timedelta(minutes=1))
    came(session, a_mail(), at=NOON)
    with transaction() as other:
        assert mail_intake.sweep(other, now=NOON) == 1
