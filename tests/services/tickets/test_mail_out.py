"""What our mails carry, so that the answers find back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from app.settings import get_settings
from services.integrations.mail import MailClient
from services.tickets import changes, mail_out
from services.tickets.changes import SYSTEM
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from tests.conftest import NOON
from tests.services.tickets.mailbox import mail_server
from tests.services.tickets.mails import a_mail, came_and_read, ticket_of


@pytest.fixture(autouse=True)
def mail_is_set_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INET_EMAIL_URL", "smtp://127.0.0.1:9/?from=help@inet.gm&tls=no")
    monkeypatch.setenv("INET_IMAP_URL", "imap://help%40inet.gm:secret@127.0.0.1:9/INBOX?tls=no")
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def _replied(session: Session, ticket: Ticket) -> TicketMessage:
    ticket = session.get_one(Ticket, ticket.id)
    return changes.say(session, ticket, kind=MessageKind.REPLY, body="Try once more.", channel=Channel.EMAIL, who=SYSTEM, now=NOON)


def test_an_answer_to_a_reply_finds_back_by_its_address_and_by_its_name(session: Session) -> None:
    ticket = ticket_of(session, came_and_read(session, a_mail(mail_id="first@x")))
    reply = _replied(session, ticket)
    fields = mail_out.headers(session, ticket, reply)
    assert (fields["In-Reply-To"], fields["References"], fields["Auto-Submitted"]) == ("<first@x>", "<first@x>", "no")
    assert fields["Message-ID"] == f"<{reply.mail_id}>"
    assert mail_out.headers(session, ticket, reply) == fields
    session.commit()
    by_address = came_and_read(session, a_mail("By address", sender="x@example.gm", to=fields["Reply-To"]))
    by_name = came_and_read(session, a_mail("By name", In_Reply_To=fields["Message-ID"]))
    assert by_address.ticket_id == by_name.ticket_id == ticket.id


def test_what_the_product_writes_by_itself_says_so(session: Session) -> None:
    ticket = ticket_of(session, came_and_read(session, a_mail()))
    fields = mail_out.headers(session, ticket)
    assert fields["Auto-Submitted"] == "auto-generated"
    assert "Message-ID" not in fields


def test_without_a_mailbox_nobody_is_asked_to_answer_to_one(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = ticket_of(session, came_and_read(session, a_mail()))
    monkeypatch.delenv("INET_IMAP_URL")
    get_settings.cache_clear()
    assert "Reply-To" not in mail_out.headers(session, session.exec(select(Ticket).where(Ticket.id == ticket.id)).one())


def test_the_fields_arrive_at_a_real_mail_server(session: Session, tmp_path_factory: pytest.TempPathFactory) -> None:
    ticket = ticket_of(session, came_and_read(session, a_mail(mail_id="first@x")))
    fields = mail_out.headers(session, ticket, _replied(session, ticket))
    with mail_server(tmp_path_factory.mktemp("mail")) as mailbox:
        sent = MailClient(mailbox.smtp_url).send(to="awa@example.gm", subject="Re", text="Try once more.", headers=fields)
        (got,) = mailbox.sent()
    assert (sent, got["message_id"], got["reply_to"]) == (fields["Message-ID"], fields["Message-ID"], fields["Reply-To"])
    assert (got["automatic"], got["references"], got["to"]) == ("no", "<first@x>", ["awa@example.gm"])
