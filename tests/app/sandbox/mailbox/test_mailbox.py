"""The sandbox's mail server as a program meets it: Python's own IMAP and SMTP, and its page."""

from __future__ import annotations

import imaplib
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.services.tickets.mailbox import Mailbox, mail_server


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as serving:
        yield serving


@contextmanager
def _logged_in(mailbox: Mailbox) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4("127.0.0.1", urlsplit(mailbox.imap_url).port or 0, timeout=5)
    try:
        client.login("help@inet.demo", "sandbox-mail")
        yield client
    finally:
        client.logout()


def test_a_mail_that_was_written_on_the_page_is_in_the_mailbox_with_its_file(mailbox: Mailbox) -> None:
    form = {"from": "Lamin <lamin@example.gm>", "subject": "Slow", "text": "It is slow"}
    assert mailbox.http.post("/mail", data=form, files={"file": ("a.txt", b"words")}).status_code == 303
    with _logged_in(mailbox) as client:
        client.select("INBOX")
        uids = client.uid("SEARCH", "UNSEEN")[1][0].split()
        _, ((_, raw), _) = client.uid("FETCH", uids[-1].decode(), "(BODY.PEEK[])")
    assert b"It is slow" in raw
    assert b"a.txt" in raw


def test_sets_of_numbers_flags_and_new_names_are_as_the_protocol_says(mailbox: Mailbox) -> None:
    first, second, third = (mailbox.deliver(f"{number}")[0] for number in range(3))
    with _logged_in(mailbox) as client:
        client.select("INBOX")
        client.uid("STORE", f"{first}:{second}", "+FLAGS", r"(\Seen \Flagged)")
        client.uid("STORE", str(second), "-FLAGS", r"(\Seen)")
        unseen = client.uid("SEARCH", "UID", f"{first}:*", "UNSEEN")[1][0].decode().split()
        before = client.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1][0].decode()
    assert [int(uid) for uid in unseen] == [second, third]
    mailbox.order("mail/renumber")
    with _logged_in(mailbox) as client:
        after = client.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1][0].decode()
    validity = re.compile(r"UIDVALIDITY (\d+)")
    assert int(validity.findall(after)[0]) == int(validity.findall(before)[0]) + 1


def test_a_wrong_password_an_unknown_word_and_an_unselected_folder_are_refused(mailbox: Mailbox) -> None:
    client = imaplib.IMAP4("127.0.0.1", urlsplit(mailbox.imap_url).port or 0, timeout=5)
    with pytest.raises(imaplib.IMAP4.error):
        client.login("help@inet.demo", "wrong")
    client.login("help@inet.demo", "sandbox-mail")
    client.state = "SELECTED"  # as a program may think
    assert client.uid("SEARCH", "ALL")[0] == "NO"
    with pytest.raises(imaplib.IMAP4.error):
        client.check()
    client.logout()


def test_what_is_sent_is_shown_and_can_be_answered_from_the_page(mailbox: Mailbox) -> None:
    port = urlsplit(mailbox.smtp_url).port or 0
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        raw = "Message-ID: <1@inet>\r\nReply-To: help+T-1.abc@inet.demo\r\nSubject: <b>Re</b>\r\n\r\nTry once more"
        client.sendmail("help@inet.demo", ["awa@example.gm"], raw)
    (sent,) = mailbox.sent()
    shown = mailbox.http.get(f"/mail?reply={sent['key']}", headers={"Accept": "text/html"}).text
    assert "help+T-1.abc@inet.demo" in shown
    assert "<b>Re</b>" not in shown
    assert "&lt;b&gt;Re&lt;/b&gt;" in shown


def test_a_server_that_is_busy_takes_no_mail(mailbox: Mailbox) -> None:
    mailbox.order("mail/mode", refuse_smtp=True)
    port = urlsplit(mailbox.smtp_url).port or 0
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client, pytest.raises(smtplib.SMTPDataError):
        client.sendmail("help@inet.demo", ["awa@example.gm"], "Subject: x\r\n\r\nx")
    mailbox.order("mail/mode")
