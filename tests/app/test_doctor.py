"""What `inet doctor` says of mail and of the proxy before it; the rest is asked by the command itself in test_cli.py."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from app.doctor.machine import proxy
from services.operations.health.mails import mail, mailbox
from tests.conftest import free_port
from tests.services.integrations.test_mail import MailServer, server

__all__ = ["server"]


def test_a_mail_server_that_answers_is_well(server: MailServer) -> None:
    found = mail(SecretStr(server.url))
    assert (found.ok, found.said) == (True, "answers")
    assert server.taken == []


def test_without_mail_it_says_what_is_missed_and_is_well() -> None:
    assert mail(None).ok


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("smtp://127.0.0.1:{port}/?from=inet@test.gm&tls=no", "Correct both in INET_EMAIL_URL"),
        ("smtp://mail.example.gm:587/", "Correct INET_EMAIL_URL"),
        ("smtp://mail.invalid:587/?from=inet@test.gm", "Correct the host in INET_EMAIL_URL"),
    ],
)
def test_a_mail_server_that_cannot_be_used_comes_with_advice(url: str, advice: str) -> None:
    found = mail(SecretStr(url.format(port=free_port())))
    assert not found.ok
    assert found.advice.startswith(advice)


def test_wrong_credentials_are_told_without_quoting_them(server: MailServer) -> None:
    server.answers |= {"EHLO": "250-fine\r\n250 AUTH PLAIN LOGIN", "AUTH": "535 no"}
    found = mail(SecretStr(server.url.replace("//", "//inet:the-mail-password@")))
    assert "refuses user or password" in found.said
    assert "the-mail-password" not in found.said + found.advice


@pytest.mark.parametrize(("trusted", "ok"), [("", False), ("*", False), ("127.0.0.1", True), ("10.0.0.2,10.0.0.3", True)])
def test_behind_a_proxy_somebody_must_be_trusted_but_not_everybody(trusted: str, ok: bool) -> None:
    assert proxy(trusted).ok is ok


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("imap://a:b@127.0.0.1:{port}/INBOX?tls=no", "Correct both in INET_IMAP_URL"),
        ("imaps://mail.example.gm/INBOX", "Correct INET_IMAP_URL"),
    ],
)
def test_a_mailbox_that_cannot_be_read_comes_with_advice(url: str, advice: str) -> None:
    found = mailbox(SecretStr(url.format(port=free_port())))
    assert not found.ok
    assert found.advice.startswith(advice)


def test_without_a_mailbox_it_says_so_and_is_well() -> None:
    assert mailbox(None).ok
