"""Telling somebody: who is told how, in which words, and never twice."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.settings import get_settings
from services.accounts.models import Role
from services.notifications import Recipient, preferences, pushes, tell, templates
from services.notifications.models import Medium, NotificationState, Urgency
from tests.conftest import NOON
from tests.factories import staff
from tests.services.notifications.build import customer, person, rows, words

REPLY = {"reference": "T-1", "subject": "No Wi-Fi", "text": "Try once more."}


def reply(session: Session, to: Recipient, key: str = "reply:1") -> tuple[int, ...]:
    return tell(session, event="ticket_reply", to=to, values=REPLY, dedupe_key=key, now=NOON)


def test_a_customer_is_told_by_text_and_one_who_writes_mails_by_mail(session: Session) -> None:
    reply(session, Recipient(customer_id=customer(session)))
    reply(session, Recipient(customer_id=customer(session), email="a@b.gm"), "reply:2")
    reply(session, Recipient(email="stranger@b.gm"), "reply:3")
    assert [row.medium for row in rows(session)] == [Medium.SMS, Medium.EMAIL, Medium.EMAIL]
    assert words(rows(session)[0]) == "INET T-1: Try once more."


def test_the_same_news_is_never_told_twice_whatever_the_medium(session: Session) -> None:
    to = customer(session)
    assert len(reply(session, Recipient(customer_id=to))) == 1
    assert reply(session, Recipient(customer_id=to)) == reply(session, Recipient(customer_id=to, email="a@b.gm")) == ()


def test_every_phone_with_the_app_gets_a_push_beside_the_text(session: Session) -> None:
    to = customer(session)
    for number in range(2):
        pushes.register(session, token=f"ExponentPushToken[{number}]", customer_id=to, now=NOON)
    pushes.drop(session, token="ExponentPushToken[0]", customer_id=to, now=NOON)
    reply(session, Recipient(customer_id=to))
    assert sorted(row.medium for row in rows(session)) == [Medium.PUSH, Medium.SMS]
    (push,) = [row for row in rows(session) if row.medium is Medium.PUSH]
    assert "Try once more" not in words(push)


def test_who_wants_no_texts_is_told_another_way_if_there_is_one(session: Session) -> None:
    to = customer(session)
    preferences.opt_out(session, customer_id=to, medium=Medium.EMAIL, by="link", now=NOON)
    tell(session, event="ticket_closing", to=Recipient(customer_id=to, email="a@b.gm"), values={}, dedupe_key="x", now=NOON)
    assert [row.medium for row in rows(session)] == [Medium.SMS]


def test_staff_has_the_bell_and_no_mail_where_none_is_set_up(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    to = Recipient(staff_id=person(session).id)
    tell(session, event="sla_breach", to=to, values={}, dedupe_key="b", link="/console/tickets/T-1", now=NOON)
    (bell,) = rows(session)
    assert (bell.medium, bell.state, bell.next_attempt_at) == (Medium.BELL, NotificationState.DELIVERED, None)
    monkeypatch.setenv("INET_EMAIL_URL", "smtp://127.0.0.1:9/?from=inet@test.gm&tls=no")
    get_settings.cache_clear()
    tell(session, event="sla_breach", to=to, values={}, dedupe_key="c", now=NOON)
    monkeypatch.undo()
    get_settings.cache_clear()
    assert [row.medium for row in rows(session)] == [Medium.BELL, Medium.BELL, Medium.EMAIL]


def test_the_words_are_in_the_customers_language_or_in_english(session: Session) -> None:
    values = {"dalasi": 25, "reference": "ABCD"}
    for language in ("fr", "wo", "mnk", "de"):
        to = Recipient(customer_id=customer(session, language=language))
        tell(session, event="purchase_receipt", to=to, values=values, dedupe_key=language, now=NOON)
    said = [words(row).split()[1] for row in rows(session)]
    assert said == [":", "paid", "paid", "paid"]
    assert {row.urgency for row in rows(session)} == {Urgency.URGENT}


def test_staffs_own_words_go_before_and_what_was_sent_stays_as_it_was(session: Session) -> None:
    admin = staff(Role.SYSTEM_ADMIN)
    to = Recipient(customer_id=customer(session))
    reply(session, to, "1")
    keys = {"event": "ticket_reply", "medium": Medium.SMS, "language": "en"}
    made = templates.save(session, actor=admin, subject="", body="{reference} says: {text}", now=NOON, **keys)  # type: ignore[arg-type]
    reply(session, to, "2")
    templates.restore(session, actor=admin, now=NOON, **keys)  # type: ignore[arg-type]
    reply(session, to, "3")
    first, second, third = rows(session)
    assert [words(row) for row in (first, second, third)] == [
        "INET T-1: Try once more.",
        "T-1 says: Try once more.",
        "INET T-1: Try once more.",
    ]
    assert (first.template_id, second.template_id, third.template_id) == (None, made.id, None)


def test_a_value_that_looks_like_a_placeholder_or_a_header_stays_text(session: Session) -> None:
    values = {"reference": "T-1", "subject": "x\r\nBcc: all@b.gm", "text": "{reference} {nothing}"}
    tell(session, event="ticket_reply", to=Recipient(email="a@b.gm"), values=values, dedupe_key="h", now=NOON)
    from app.keys import unseal
    from services.notifications.service import SUBJECT

    (row,) = rows(session)
    assert "{reference} {nothing}" in words(row)
    assert "\n" not in unseal(SUBJECT, row.subject_sealed or "").decode()


def test_one_there_is_no_way_to_is_told_nothing(session: Session) -> None:
    assert tell(session, event="ticket_reply", to=Recipient(), values=REPLY, dedupe_key="n", now=NOON) == ()


def test_an_event_that_nobody_knows_still_carries_its_text(session: Session) -> None:
    tell(session, event="of_tomorrow", to=Recipient(customer_id=customer(session)), values={"text": "Hello"}, dedupe_key="t", now=NOON)
    assert words(rows(session)[0]) == "Hello"
