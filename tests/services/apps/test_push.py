"""Pushes of a phone: a token is of whoever is logged in on it, and each person says when they want to be told."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from sqlmodel import Session, select

from app.errors import InvalidInput
from services.apps import push
from services.apps.callers import Caller
from services.apps.push import Wish
from services.notifications import Recipient, preferences, pushes, tell
from services.notifications.models import Medium, NotificationState, PushToken
from services.notifications.preferences import BadQuietHours
from services.notifications.pushes import BadPushToken
from tests.conftest import NOON
from tests.services.apps.texting import a_person, enrolled, logged_in
from tests.services.notifications.build import Clock, Expo, begin_in, rows, world

TOKEN = "ExponentPushToken[one]"
EVENING = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session)[1]


def kept(session: Session) -> PushToken:
    session.expire_all()
    return session.exec(select(PushToken)).one()


def test_a_token_goes_to_whoever_is_logged_in_on_the_phone_now(session: Session, me: Caller) -> None:
    push.register(session, me, token=TOKEN, now=NOON)
    other = logged_in(session)[1]
    push.register(session, other, token=TOKEN, now=NOON)
    assert (kept(session).customer_id, kept(session).app_device_id) == (other.customer_id, other.app_device_id)
    technician = enrolled(session, a_person(session))[1]
    push.register(session, technician, token=TOKEN, now=NOON)
    assert (kept(session).customer_id, kept(session).staff_id) == (None, technician.technician().id)


def test_nobody_gives_another_persons_token_back(session: Session, me: Caller) -> None:
    push.register(session, me, token=TOKEN, now=NOON)
    for other in (logged_in(session)[1], enrolled(session, a_person(session))[1]):
        push.give_back(session, other, token=TOKEN, now=NOON)
        assert kept(session).dropped_at is None
    push.give_back(session, me, token=TOKEN, now=NOON)
    push.give_back(session, me, token=TOKEN, now=NOON + timedelta(days=1))
    assert kept(session).dropped_at == NOON
    push.register(session, me, token=TOKEN, now=NOON)
    assert kept(session).dropped_at is None


@pytest.mark.parametrize("token", ["", "nonsense", "ExponentPushToken[]", "ExponentPushToken[" + "x" * 300 + "]"])
def test_what_expo_did_not_make_is_no_token(session: Session, me: Caller, token: str) -> None:
    with pytest.raises(BadPushToken):
        push.register(session, me, token=token, now=NOON)


def test_who_never_said_anything_wants_everything_and_a_wish_is_kept(session: Session, me: Caller) -> None:
    assert push.wishes(session, me) == dict.fromkeys((Medium.PUSH, Medium.SMS, Medium.EMAIL), Wish(True))
    night = Wish(True, time(22), time(7))
    said = push.set_wishes(session, me, {Medium.PUSH: night, Medium.SMS: Wish(False)}, now=NOON)
    assert said == {Medium.PUSH: night, Medium.SMS: Wish(False), Medium.EMAIL: Wish(True)}
    assert push.set_wishes(session, me, {Medium.SMS: Wish(True)}, now=NOON)[Medium.PUSH] == night
    assert preferences.of_customer(session, me.customer())[Medium.SMS].opted_out_at is None


def test_quiet_hours_are_whole_and_have_a_length(session: Session, me: Caller) -> None:
    for begin, end in ((time(22), None), (None, time(7)), (time(22), time(22))):
        with pytest.raises(BadQuietHours):
            push.set_wishes(session, me, {Medium.PUSH: Wish(True, begin, end)}, now=NOON)


def test_a_technician_chooses_pushes_and_nothing_else(session: Session) -> None:
    technician = enrolled(session, a_person(session))[1]
    night = Wish(True, time(22), time(7))
    assert push.set_wishes(session, technician, {Medium.PUSH: night}, now=NOON) == {Medium.PUSH: night}
    with pytest.raises(InvalidInput):
        push.set_wishes(session, technician, {Medium.SMS: Wish(False)}, now=NOON)


@pytest.mark.parametrize(
    ("event", "state", "until"),
    [("ticket_assigned", NotificationState.QUEUED, datetime(2026, 11, 23, 7, tzinfo=UTC)), ("sla_breach", NotificationState.SENT, None)],
    ids=["waits for the morning", "is urgent"],
)
def test_a_technicians_quiet_hours_cross_midnight_and_hold_what_can_wait(
    session: Session, event: str, state: NotificationState, until: datetime | None
) -> None:
    technician = enrolled(session, a_person(session))[1]
    push.register(session, technician, token=TOKEN, now=NOON)
    push.set_wishes(session, technician, {Medium.PUSH: Wish(True, time(22), time(7))}, now=NOON)
    to = Recipient(staff_id=technician.technician().id)
    tell(session, event=event, to=to, values={"reference": "T-1"}, dedupe_key="k", now=EVENING)
    clock, expo = Clock(EVENING), Expo()
    pushes.send_due(begin_in(session), world(push=expo), clock=clock)
    bell, sent = rows(session)
    assert (bell.medium, sent.state) == (Medium.BELL, state)
    if until is not None:
        assert sent.next_attempt_at == until
        clock.now = until
        pushes.send_due(begin_in(session), world(push=expo), clock=clock)
        assert rows(session)[1].state is NotificationState.SENT


def test_a_technician_who_wants_no_pushes_has_the_bell(session: Session) -> None:
    technician = enrolled(session, a_person(session))[1]
    push.register(session, technician, token=TOKEN, now=NOON)
    push.set_wishes(session, technician, {Medium.PUSH: Wish(False)}, now=NOON)
    to = Recipient(staff_id=technician.technician().id)
    tell(session, event="ticket_assigned", to=to, values={"reference": "T-1"}, dedupe_key="k", now=NOON)
    assert [row.medium for row in rows(session)] == [Medium.BELL]
