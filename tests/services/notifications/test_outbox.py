"""Sending: what is tried again, what never is, who is asked first, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlmodel import Session

from app.outbound import OutcomeUnknown, Unavailable
from app.settings import get_settings
from services.integrations.clients import Outside
from services.integrations.sms import SmsRefused
from services.notifications import Recipient, outbox, preferences, tell
from services.notifications.models import Medium, Notification, NotificationState
from services.notifications.policy import Held
from tests.conftest import NOON
from tests.services.notifications.build import Clock, Gateway, Mailbox, begin_in, customer, person, rows, world

S = NotificationState
REPLY = {"reference": "T-1", "subject": "No Wi-Fi", "text": "Try once more."}
LOST = OutcomeUnknown("sms", "send", "no usable answer")
AWAY = Unavailable("sms", "send", "not connected")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    get_settings.cache_clear()


def send(session: Session, outside: Outside, clock: Clock) -> list[Notification]:
    """Send all that is queued, once."""
    for row in rows(session):
        if row.state is S.QUEUED and row.next_attempt_at is not None and row.next_attempt_at <= clock.now:
            outbox.send(begin_in(session), row.id or 0, outside, clock=clock)
    return rows(session)


def told(session: Session, event: str = "ticket_reply", to: Recipient | None = None, key: str = "k", now: datetime = NOON) -> None:
    tell(session, event=event, to=to or Recipient(customer_id=customer(session)), values=REPLY, dedupe_key=key, now=now)


def test_a_text_goes_once_and_is_named_by_its_gateway(session: Session, clock: Clock) -> None:
    told(session)
    gateway = Gateway(name="first")
    (row,) = send(session, world(sms=gateway), clock)
    assert (row.state, row.provider, row.provider_id, row.sent_at) == (S.SENT, "africastalking", "first-0", NOON)
    outbox.send(begin_in(session), row.id or 0, world(sms=gateway), clock=clock)
    assert gateway.taken == [("+2203000001", "INET T-1: Try once more.")]


def test_one_whose_answer_was_lost_is_unknown_and_not_sent_again(session: Session, clock: Clock) -> None:
    told(session)
    gateway = Gateway(will=[LOST])
    (row,) = send(session, world(sms=gateway), clock)
    assert (row.state, row.next_attempt_at, row.error) == (S.UNKNOWN, None, "no usable answer")
    clock.passes(days=1)
    assert outbox.ring_due(session, now=clock.now) == 0
    assert gateway.taken == []


def test_what_certainly_was_not_sent_is_tried_again_ever_later_until_it_is_too_late(session: Session, clock: Clock) -> None:
    told(session)
    gateway = Gateway(will=[AWAY] * 500)
    waits, before = [], clock.now
    for _ in range(500):
        (row,) = send(session, world(sms=gateway), clock)
        if row.state is not S.QUEUED:
            break
        assert row.next_attempt_at is not None
        waits.append((row.next_attempt_at - clock.now).total_seconds())
        clock.now = row.next_attempt_at
    assert row.state is S.FAILED
    assert row.error is not None
    assert row.error.startswith("Given up after")
    assert timedelta(hours=23) < clock.now - before <= timedelta(hours=24)
    assert 16 <= waits[0] <= 24
    assert 720 <= waits[-1] <= 1080


def test_the_second_gateway_takes_what_the_first_cannot_route_or_reach_but_not_what_it_may_have_sent(
    session: Session, clock: Clock
) -> None:
    for number, failure in enumerate((SmsRefused("send", "CouldNotRoute", "number"), AWAY, LOST)):
        told(session, key=f"k{number}")
        second = Gateway(name="local")
        row = send(session, world(sms=Gateway(will=[failure]), second=second), clock)[-1]
        assert (row.state, len(second.taken)) == ((S.UNKNOWN, 0) if failure is LOST else (S.SENT, 1))
    assert [row.provider for row in rows(session)] == ["local", "local", None]


def test_a_wrong_number_is_final_and_a_blocked_one_is_an_opt_out(session: Session, clock: Clock) -> None:
    to = customer(session)
    told(session, key="a")
    told(session, key="b")
    gateway = Gateway(will=[SmsRefused("send", "InvalidPhoneNumber", "number"), SmsRefused("send", "UserInBlacklist", "opt_out")])
    assert [row.state for row in send(session, world(sms=gateway), clock)] == [S.FAILED, S.SUPPRESSED]
    assert preferences.of_customer(session, to)[Medium.SMS].opted_out_by == "gateway"


def test_an_empty_account_holds_texts_back_and_rings_those_who_can_fill_it_once_an_hour(session: Session, clock: Clock) -> None:
    person(session)
    empty = SmsRefused("send", "InsufficientBalance", "configuration")
    told(session, key="a")
    told(session, key="b")
    found = send(session, world(sms=Gateway(will=[empty, empty])), clock)
    assert [row.state for row in found if row.medium is Medium.SMS] == [S.QUEUED, S.QUEUED]
    assert [row.event for row in found if row.medium is Medium.BELL] == ["sms_held"]


def test_a_one_time_code_is_void_after_two_minutes_and_nothing_holds_it_back(session: Session, clock: Clock) -> None:
    to = customer(session)
    preferences.opt_out(session, customer_id=to, medium=Medium.SMS, by="STOP", now=NOON)
    told(session, "one_time_code", key="a")
    told(session, "one_time_code", key="b")
    first = Gateway(will=["x", AWAY])
    assert [row.state for row in send(session, world(sms=first), clock)] == [S.SENT, S.QUEUED]
    clock.passes(minutes=3)
    assert send(session, world(sms=first), clock)[1].state is S.FAILED


def test_who_said_stop_gets_no_text_even_if_it_was_written_before(session: Session, clock: Clock) -> None:
    to = customer(session)
    told(session)
    assert preferences.heard_by_sms(session, phone="3000001", text=" Stop. ", now=NOON) == "stop"
    gateway = Gateway()
    assert send(session, world(sms=gateway), clock)[0].state is S.SUPPRESSED
    assert preferences.heard_by_sms(session, phone="+220833000001", text="START", now=NOON) == "start"
    assert preferences.heard_by_sms(session, phone="+220833000001", text="stop the music", now=NOON) is None
    assert preferences.of_customer(session, to)[Medium.SMS].opted_out_at is None


def test_news_wait_for_the_morning_and_receipts_do_not(session: Session, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    told(session, "time_given_back", key="news", now=clock.now)
    told(session, "purchase_receipt", key="receipt", now=clock.now)
    gateway = Gateway()
    news, receipt = send(session, world(sms=gateway), clock)
    assert (news.state, news.error, receipt.state) == (S.QUEUED, Held.QUIET.value, S.SENT)
    assert news.next_attempt_at == datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    clock.now = news.next_attempt_at
    assert send(session, world(sms=gateway), clock)[0].state is S.SENT


def test_the_customers_own_quiet_hours_hold_everything_but_what_is_urgent(session: Session, clock: Clock) -> None:
    to = customer(session)
    preferences.set_quiet_hours(session, customer_id=to, medium=Medium.SMS, begin=time(11), end=time(13))
    told(session, key="reply")
    told(session, "purchase_receipt", key="receipt")
    reply, receipt = send(session, world(sms=Gateway()), clock)
    assert (reply.next_attempt_at, receipt.state) == (NOON + timedelta(hours=1), S.SENT)


def test_over_the_hours_budget_what_can_wait_waits_and_what_is_urgent_passes(
    session: Session, clock: Clock, settings: pytest.MonkeyPatch
) -> None:
    person(session)
    settings.setenv("INET_SMS_PER_HOUR", "2")
    get_settings.cache_clear()
    for number in range(3):
        told(session, key=f"k{number}")
    told(session, "purchase_receipt", key="receipt")
    gateway = Gateway()
    texts = [row for row in send(session, world(sms=gateway), clock) if row.medium is Medium.SMS]
    assert [row.state for row in texts] == [S.SENT, S.SENT, S.QUEUED, S.SENT]
    assert (texts[2].error, texts[2].next_attempt_at) == (Held.BUDGET.value, NOON + timedelta(hours=1))
    assert [row.event for row in rows(session) if row.medium is Medium.BELL] == ["sms_held"]
    clock.passes(hours=1, seconds=1)
    assert [row for row in send(session, world(sms=gateway), clock) if row.medium is Medium.SMS][2].state is S.SENT


def test_a_sender_that_died_leaves_a_message_that_may_have_been_sent(session: Session, clock: Clock) -> None:
    told(session)

    class Dies(Gateway):
        def send(self, *, to: str, text: str) -> None:  # type: ignore[override]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(session, world(sms=Dies()), clock)
    gateway = Gateway()
    # While its lease runs, a second worker leaves it alone.
    outbox.send(begin_in(session), rows(session)[0].id or 0, world(sms=gateway), clock=clock)
    clock.passes(minutes=2, seconds=1)
    assert outbox.ring_due(session, now=clock.now) == 1
    assert (rows(session)[0].state, gateway.taken) == (S.UNKNOWN, [])


def test_a_mail_carries_its_fields_and_the_way_to_end_such_mails(session: Session, clock: Clock) -> None:
    headers = {"Message-ID": "<m1@inet.gm>", "In-Reply-To": "<c1@b.gm>", "Reply-To": "help+abc@inet.gm"}
    to = Recipient(email="Writer@b.gm")
    tell(session, event="ticket_reply", to=to, values=REPLY, headers=headers, dedupe_key="m", now=NOON)
    mailbox = Mailbox()
    (row,) = send(session, world(mail=mailbox), clock)
    (mail,) = mailbox.taken
    assert (row.state, row.provider, mail["to"], mail["subject"]) == (S.SENT, "smtp", "Writer@b.gm", "[T-1] No Wi-Fi")
    sent = mail["headers"]
    assert isinstance(sent, dict)
    assert headers.items() <= sent.items()
    assert sent["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = str(sent["List-Unsubscribe"]).strip("<>")
    preferences.stop_by_link(session, link.rpartition("/")[2], now=NOON)
    # An answer to what they asked still comes, by mail; other mails do not.
    told(session, to=Recipient(email="writer@B.gm"), key="n")
    told(session, "ticket_satisfaction", to=Recipient(email="writer@b.gm"), key="o")
    assert [row.state for row in send(session, world(mail=mailbox), clock)[1:]] == [S.SENT, S.SUPPRESSED]


def test_a_disabled_person_and_a_medium_that_is_not_set_up_end_by_name(session: Session, clock: Clock) -> None:
    told(session)
    (row,) = send(session, world(), clock)
    assert (row.state, row.error) == (S.FAILED, "No SMS gateway is configured.")
