"""Pushes: in batches, asked about later, and never again to a phone that is gone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app import redis
from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.apps.models import AppDevice
from services.integrations.push import ProjectsMixed, PushMessage, Receipt
from services.notifications import Recipient, outbox, pushes, tell
from services.notifications.models import Medium, Notification, NotificationState, PushToken
from tests.conftest import NOON
from tests.services.apps.texting import enrolled, logged_in
from tests.services.notifications.build import Clock, Expo, begin_in, customer, person, rows, world

S = NotificationState


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens(session: Session, number: int) -> int:
    to = customer(session)
    for one in range(number):
        pushes.register(session, token=f"ExponentPushToken[{one}]", customer_id=to, now=NOON)
    return to


def told(session: Session, to: int, key: str = "k") -> list[Notification]:
    tell(
        session,
        event="ticket_reply",
        to=Recipient(customer_id=to),
        values={"reference": "T"},
        dedupe_key=key,
        media=[Medium.PUSH],
        now=NOON,
    )
    return rows(session)


def send(session: Session, expo: Expo | None, clock: Clock) -> list[NotificationState]:
    pushes.send_due(begin_in(session), world(push=expo), clock=clock)
    return [row.state for row in rows(session)]


def test_a_hundred_go_in_one_request_under_the_number_of_their_message(session: Session, clock: Clock) -> None:
    first = told(session, tokens(session, 120))[0]
    expo = Expo()
    assert set(send(session, expo, clock)) == {S.SENT}
    assert [len(batch) for batch in expo.taken] == [100, 20]
    assert expo.taken[0][0].wire()["data"] == {"notification_id": f"n-{first.id}"}


def test_a_dead_phone_is_never_sent_to_again_until_it_registers_anew(session: Session, clock: Clock) -> None:
    to = tokens(session, 2)
    told(session, to)
    expo = Expo(bad={"ExponentPushToken[0]": "DeviceNotRegistered"})
    assert send(session, expo, clock) == [S.FAILED, S.SENT]
    told(session, to, "second")
    assert len(rows(session)) == 3
    pushes.register(session, token="ExponentPushToken[0]", customer_id=to, now=NOON)
    told(session, to, "third")
    assert len(rows(session)) == 5


def test_one_that_was_written_before_the_phone_was_dropped_is_not_sent(session: Session, clock: Clock) -> None:
    to = tokens(session, 1)
    told(session, to)
    pushes.drop(session, token="ExponentPushToken[0]", customer_id=to, now=NOON)
    expo = Expo()
    assert (send(session, expo, clock), expo.taken) == ([S.SUPPRESSED], [])


def test_receipts_are_asked_for_after_a_quarter_of_an_hour_until_they_are_there(session: Session, clock: Clock) -> None:
    (row,) = told(session, tokens(session, 1))
    expo = Expo()
    send(session, expo, clock)
    clock.passes(minutes=14)
    expo.known = {str(row.provider_id): Receipt()}
    assert send(session, expo, clock) == [S.SENT]
    expo.known = {}
    clock.passes(minutes=2)
    assert send(session, expo, clock) == [S.SENT]
    expo.known = {str(rows(session)[0].provider_id): Receipt()}
    clock.passes(minutes=15)
    assert outbox.ring_due(session, now=clock.now) == 1
    assert send(session, expo, clock) == [S.DELIVERED]


def test_a_receipt_that_never_comes_is_no_longer_asked_for_after_a_day(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 1))
    expo = Expo()
    send(session, expo, clock)
    clock.passes(hours=24)
    assert send(session, expo, clock) == [S.SENT]
    assert rows(session)[0].next_attempt_at is None


def test_a_phone_that_is_gone_only_by_its_receipt_is_dropped_then(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 1))
    expo = Expo()
    send(session, expo, clock)
    expo.known = {str(rows(session)[0].provider_id): Receipt("DeviceNotRegistered")}
    clock.passes(minutes=16)
    assert send(session, expo, clock) == [S.FAILED]
    assert session.exec(select(PushToken)).one().dropped_at == clock.now


def test_too_many_to_one_phone_are_slowed_and_sent_again(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 1))
    expo = Expo()
    send(session, expo, clock)
    expo.known = {str(rows(session)[0].provider_id): Receipt("MessageRateExceeded")}
    clock.passes(minutes=16)
    assert send(session, expo, clock) == [S.QUEUED]
    clock.passes(minutes=1)
    assert send(session, expo, clock) == [S.SENT]
    assert len(expo.taken) == 2


def test_a_lost_answer_is_not_sent_again_and_a_refused_connection_is(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 2))
    expo = Expo(errors=[OutcomeUnknown("push", "send", "HTTP 502")])
    assert send(session, expo, clock) == [S.UNKNOWN, S.UNKNOWN]
    told(session, customer(session), "later")
    expo = Expo(errors=[Unavailable("push", "send", "too many requests", 30.0)])
    assert send(session, expo, clock)[2:] == [S.QUEUED, S.QUEUED]
    clock.passes(minutes=1)
    assert send(session, expo, clock)[2:] == [S.SENT, S.SENT]


def test_one_bad_message_takes_no_other_with_it(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 8))

    class Picky(Expo):
        def send(self, messages):  # type: ignore[no-untyped-def]
            if any(message.to == "ExponentPushToken[5]" for message in messages):
                raise Refused("push", "send", "API_ERROR")
            return super().send(messages)

    states = send(session, Picky(), clock)
    assert states == [S.SENT] * 5 + [S.FAILED] + [S.SENT] * 2


def test_phones_of_two_projects_are_sent_to_apart(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 4))
    parts = {
        "@inet/portal": [f"ExponentPushToken[{one}]" for one in (0, 2)],
        "@inet/other": [f"ExponentPushToken[{one}]" for one in (1, 3)],
    }
    expo = Expo(errors=[ProjectsMixed(parts)])
    assert send(session, expo, clock) == [S.SENT] * 4
    assert [len(batch) for batch in expo.taken] == [2, 2]


def test_a_phone_belongs_to_who_logged_in_last(session: Session) -> None:
    first, second = customer(session), customer(session, "+220833000002")
    made = pushes.register(session, token="ExponentPushToken[x]", customer_id=first, now=NOON)
    again = pushes.register(session, token="ExponentPushToken[x]", customer_id=second, now=NOON + timedelta(days=1))
    assert (made.id, again.customer_id) == (again.id, second)
    with pytest.raises(pushes.BadPushToken):
        pushes.register(session, token="nonsense", customer_id=first, now=NOON)


def test_a_push_that_waited_does_not_go_to_who_has_the_phone_now(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 1))
    other = customer(session, "+220833000002")
    pushes.register(session, token="ExponentPushToken[0]", customer_id=other, now=NOON)
    expo = Expo()
    assert (send(session, expo, clock), expo.taken) == ([S.SUPPRESSED], [])


def test_nothing_goes_to_an_app_that_was_logged_out(session: Session, clock: Clock) -> None:
    _, caller = logged_in(session)
    pushes.register(session, token="ExponentPushToken[0]", customer_id=caller.customer_id, app_device_id=caller.app_device_id, now=NOON)
    told(session, caller.customer())
    device = session.get_one(AppDevice, caller.app_device_id)
    device.revoked_at, device.revoked_why = NOON, "lost"
    session.flush()
    expo = Expo()
    assert (send(session, expo, clock)[-1], expo.taken) == (S.SUPPRESSED, [])
    assert len(told(session, caller.customer(), "later")) == len(rows(session)) == 2


@pytest.mark.parametrize("change", [{"is_active": False}, {"session_epoch": 1}], ids=["disabled", "another role or password"])
def test_staff_who_were_logged_out_everywhere_get_no_pushes(session: Session, clock: Clock, change: dict[str, object]) -> None:
    who = person(session)
    _, caller = enrolled(session, who)
    pushes.register(session, token="ExponentPushToken[0]", staff_id=who.id, app_device_id=caller.app_device_id, now=NOON)
    tell(session, event="ticket_assigned", to=Recipient(staff_id=who.id), values={}, dedupe_key="k", media=[Medium.PUSH], now=NOON)
    for name, value in change.items():
        setattr(who, name, value)
    session.flush()
    expo = Expo()
    assert (send(session, expo, clock), expo.taken) == ([S.SUPPRESSED], [])


def test_one_app_has_one_token(session: Session) -> None:
    _, caller = logged_in(session)
    first, second = (
        pushes.register(
            session, token=f"ExponentPushToken[{one}]", customer_id=caller.customer_id, app_device_id=caller.app_device_id, now=NOON
        )
        for one in "ab"
    )
    session.refresh(first)
    assert (first.dropped_at, second.dropped_at) == (NOON, None)


def test_the_provider_is_never_given_more_than_it_takes_in_a_second(session: Session) -> None:
    redis.client().flushall()
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        redis.client().flushall()

    for number in (100, 500, 1):
        pushes.keep_pace(number, pause)
    assert len(waits) == 1


def test_projects_that_expo_does_not_tell_apart_are_found_by_halving(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 4))

    class Mixed(Expo):
        def send(self, messages):  # type: ignore[no-untyped-def]
            if len({message.to in ("ExponentPushToken[0]",) for message in messages}) > 1:
                raise ProjectsMixed({})
            return super().send(messages)

    assert send(session, Mixed(), clock) == [S.SENT] * 4


def test_a_push_is_at_most_as_long_as_expo_takes(session: Session, clock: Clock) -> None:
    def long(size: int) -> PushMessage:
        empty = PushMessage("ExponentPushToken[0]", "INET", "", "n-1")
        return PushMessage("ExponentPushToken[0]", "INET", "x" * (size - len(json.dumps(empty.wire()))), "n-1")

    assert (long(4096).is_too_big, long(4097).is_too_big) == (False, True)
    to = tokens(session, 1)
    values = {"place": "x" * 4097}
    tell(session, event="ticket_outage", to=Recipient(customer_id=to), values=values, dedupe_key="k", media=[Medium.PUSH], now=NOON)
    expo = Expo()
    assert (send(session, expo, clock), expo.taken) == ([S.FAILED], [])


def test_without_a_push_service_a_push_ends_by_name(session: Session, clock: Clock) -> None:
    told(session, tokens(session, 1))
    assert send(session, None, clock) == [S.FAILED]
