"""Texts to numbers that are no customer's are sent as all are, and staff sees no whole number."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from app import redis
from app.settings import get_settings
from services.apps import login, numbers
from services.apps.models import KeyPurpose
from services.listing import Slice
from services.notifications import outbox
from services.notifications.models import NotificationState
from services.notifications.queries import NotificationFilter, list_notifications
from tests.conftest import NOON
from tests.factories import staff
from tests.services.apps.texting import last_key, logged_in, texts, words_of
from tests.services.notifications.build import Clock, Gateway, begin_in, world

OLD, NEW = "+220833019501", "+220833019502"


def sent(session: Session, event: str) -> tuple[str, str]:
    """To whom, and what it said."""
    message, gateway = texts(session, event)[-1], Gateway()
    outbox.send(begin_in(session), message.id or 0, world(sms=gateway), clock=Clock(NOON + timedelta(seconds=1)))
    assert message.state is NotificationState.SENT
    return gateway.taken[0]


def test_a_key_reaches_a_number_that_is_nobodys_yet_and_the_old_number_hears_of_the_change(session: Session) -> None:
    redis.client().flushall()
    assert get_settings().sms_legacy_until > f"{NOON:%Y-%m-%d}"
    login.request_key(session, phone=NEW, purpose=KeyPurpose.LOG_IN, now=NOON)
    assert sent(session, "login_key") == ("+2203019502", words_of(texts(session, "login_key")[-1]))
    _, caller = logged_in(session, OLD)
    numbers.request_key(session, caller=caller, phone=NEW, now=NOON)
    assert sent(session, "number_key")[0] == "+2203019502"
    numbers.change_number(session, caller=caller, phone=NEW, key=last_key(session, "number_key"), now=NOON)
    assert sent(session, "number_changed")[0] == "+2203019501"
    listed = list_notifications(session, actor=staff(), wanted=NotificationFilter(), part=Slice()).rows
    assert {row.to for row in listed} == {"+220 ••• 9501", "+220 ••• 9502"}
