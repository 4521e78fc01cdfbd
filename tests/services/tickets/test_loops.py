"""What does not become a ticket by itself: bounces, automatic replies, loops, floods, spam."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.settings import get_settings
from services.notifications import Recipient, tell
from services.notifications.models import Notification, NotificationState
from services.tickets.intake_models import InboundState
from services.tickets.models import Ticket
from tests.conftest import NOON
from tests.services.tickets.mails import a_mail, came_and_read

S = InboundState
OURS = "20261122.1@inet.gm"
_REPORT = """From: Mail Delivery <MAILER-DAEMON@mx.example>
To: help@inet.gm
Subject: Undelivered
Return-Path: <>
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; awa@example.gm
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user

--b
Content-Type: message/rfc822

Message-ID: <20261122.1@inet.gm>
Subject: Re: your request

words
--b--
"""


@pytest.fixture(autouse=True)
def mail_is_set_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("INET_IMAP_URL", "imap://help%40inet.gm:secret@127.0.0.1:9/INBOX?tls=no")
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"Auto_Submitted": "auto-replied (vacation)"}, S.IGNORED),
        ({"Auto_Submitted": "auto-generated"}, S.HELD),
        ({"Auto_Submitted": "no"}, S.TAKEN),
        ({"Precedence": "bulk"}, S.IGNORED),
        ({"Precedence": "auto_reply"}, S.IGNORED),
        ({"List_Id": "<news.example.gm>"}, S.IGNORED),
        ({"List_Unsubscribe": "<https://example.gm/stop>"}, S.HELD),
        ({"Return_Path": "<>"}, S.IGNORED),
        ({"sender": "MAILER-DAEMON@mx.example"}, S.IGNORED),
        ({"sender": "Help <HELP@inet.gm>"}, S.HELD),
        ({"X_Spam_Flag": "YES"}, S.HELD),
        ({"X_Spam_Status": "Yes, score=9.1"}, S.HELD),
        ({"X_Spam_Status": "No, score=0.1"}, S.TAKEN),
        ({"Authentication_Results": "mx.inet.gm; dmarc=fail header.from=bank.example"}, S.HELD),
        ({"X_Auto_Response_Suppress": "All"}, S.TAKEN),
    ],
)
def test_each_rule_says_where_a_mail_goes_and_why(session: Session, fields: dict[str, str], state: InboundState) -> None:
    found = came_and_read(session, a_mail(**fields))  # type: ignore[arg-type]
    assert found.state is state, found.why
    assert bool(found.why) is (state is not S.TAKEN)
    assert session.exec(select(Notification).where(Notification.event == "ticket_received")).all() == []


@pytest.mark.parametrize(("action", "state"), [("failed", NotificationState.FAILED), ("delayed", NotificationState.SENT)])
def test_a_mail_of_ours_that_comes_back_is_marked_where_it_was_sent(session: Session, action: str, state: NotificationState) -> None:
    values = {"reference": "T-1", "text": "Try once more"}
    (sent,) = tell(session, event="ticket_reply", to=Recipient(email="awa@example.gm"), values=values, dedupe_key="r1", now=NOON)
    row = session.get_one(Notification, sent)
    row.state, row.provider, row.provider_id = NotificationState.SENT, "smtp", f"<{OURS}>"
    session.commit()
    report = came_and_read(session, _REPORT.format(action=action).encode())
    session.refresh(row)
    assert (report.state, row.state) == (S.IGNORED, state)
    assert row.error == ("It came back: 550 5.1.1 No such user" if action == "failed" else None)


def test_a_report_on_a_mail_that_is_not_ours_marks_nothing(session: Session) -> None:
    report = came_and_read(session, _REPORT.format(action="failed").encode())
    assert (report.state, report.why) == (S.IGNORED, "A mail of ours came back.")


def test_the_sixth_mail_within_ten_minutes_is_held_and_nobody_elses(session: Session) -> None:
    states = [came_and_read(session, a_mail(f"Bomb {n}"), at=NOON + timedelta(seconds=n)).state for n in range(8)]
    assert states == [S.TAKEN] * 5 + [S.HELD] * 3
    assert came_and_read(session, a_mail(sender="other@example.gm"), at=NOON + timedelta(seconds=9)).state is S.TAKEN
    assert len(session.exec(select(Ticket)).all()) == 6


def test_the_thirty_first_mail_of_a_day_is_held(session: Session) -> None:
    states = [came_and_read(session, a_mail(f"Mail {n}"), at=NOON + timedelta(minutes=11 * n)).state for n in range(31)]
    assert states == [S.TAKEN] * 30 + [S.HELD]
