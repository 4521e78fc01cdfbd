"""Mail over a real connection to a mail server that listens here."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message

import pytest

from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.integrations.mail import MailClient
from tests.conftest import free_port


@dataclass
class MailServer:
    """Says `answers[verb]` where it is told to, hangs up where that is empty, and takes every other mail."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    taken: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}/?from=inet@test.gm&tls=no"

    def serve(self, talk: socketserver.StreamRequestHandler) -> None:
        talk.wfile.write(b"220 ready\r\n")
        while line := talk.rfile.readline():
            verb = line.split()[0].decode().upper().partition(":")[0]
            answer = self.answers.get(verb, {"DATA": "354 go on", "QUIT": "221 bye"}.get(verb, "250 fine"))
            if not answer:
                return
            talk.wfile.write(f"{answer}\r\n".encode())
            if verb == "DATA" and answer.startswith("354"):
                lines = []
                while (text := talk.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(text)
                if not (closing := self.answers.get(".", "250 taken")):
                    return
                self.taken.append(message_from_bytes(b"".join(lines)))
                talk.wfile.write(f"{closing}\r\n".encode())


@pytest.fixture
def server() -> Iterator[MailServer]:
    mail = MailServer()

    class Talk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            mail.serve(self)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as listening:
        mail.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield mail
        listening.shutdown()
        thread.join()


def send(url: str, *, to: str = "awa@test.gm", subject: str = "Your new password") -> None:
    MailClient(url, timeout_seconds=3).send(to=to, subject=subject, text="Salaam àlekum\n")


def test_a_mail_arrives_with_sender_subject_and_text(server: MailServer) -> None:
    send(server.url)
    (mail,) = server.taken
    assert (mail["From"], mail["To"], mail["Subject"]) == ("inet@test.gm", "awa@test.gm", "Your new password")
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert "Salaam àlekum" in body.decode()


@pytest.mark.parametrize(
    ("verb", "answer", "error"),
    [
        ("RCPT", "550 no such person", Refused),
        ("RCPT", "450 greylisted", Unavailable),
        ("MAIL", "451 later", Unavailable),
        ("DATA", "554 spam", Refused),
        (".", "452 full", Unavailable),
        (".", "", OutcomeUnknown),
        ("EHLO", "", Unavailable),
    ],
)
def test_an_answer_says_whether_it_went_may_go_later_or_is_not_known(
    server: MailServer, verb: str, answer: str, error: type[Exception]
) -> None:
    server.answers[verb] = answer
    if verb == "EHLO":
        server.answers["HELO"] = ""
    with pytest.raises(error):
        send(server.url)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        send(f"smtp://127.0.0.1:{free_port()}/?from=inet@test.gm&tls=no")


def test_nothing_is_said_to_a_server_that_offers_no_encryption(server: MailServer) -> None:
    with pytest.raises(Unavailable):
        send(f"smtp://awa:geheim@127.0.0.1:{server.port}/?from=inet@test.gm")
    assert server.taken == []


@pytest.mark.parametrize(("to", "subject"), [("awa@test.gm\r\nBcc: all@test.gm", "Hello"), ("awa@test.gm", "Hello\nBcc: all@test.gm")])
def test_nobody_adds_a_header(server: MailServer, to: str, subject: str) -> None:
    with pytest.raises(Refused):
        send(server.url, to=to, subject=subject)
    assert server.taken == []


@pytest.mark.parametrize(
    "url",
    [
        "smtp://user:geheim@mail.test.gm/",
        "smtp://user@mail.test.gm/?from=inet@test.gm",
        "http://mail.test.gm/?from=inet@test.gm",
        "smtp:///?from=inet@test.gm",
        "smtp://user:geheim@mail.test.gm/?from=inet@test.gm&tls=no",
        "smtps://127.0.0.1/?from=inet@test.gm&tls=no",
    ],
)
def test_an_address_that_will_not_do_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"mail address must|only to a relay") as refusal:
        MailClient(url)
    assert "geheim" not in str(refusal.value)


def test_a_check_logs_in_and_sends_nothing(server: MailServer) -> None:
    MailClient(server.url, timeout_seconds=3).check()
    assert server.taken == []


@pytest.mark.parametrize(("verb", "answer", "kind"), [("NOOP", "421 later", Unavailable), ("NOOP", "", Unavailable)])
def test_a_check_says_what_the_server_said(server: MailServer, verb: str, answer: str, kind: type[Exception]) -> None:
    server.answers[verb] = answer
    with pytest.raises(kind):
        MailClient(server.url, timeout_seconds=3).check()


def test_a_wrong_address_is_refused_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="must look like") as refusal:
        MailClient("smtp://user:se/cret@host:587/?from=inet@test.gm")
    assert "se" not in str(refusal.value).replace("user:password", "").split()
