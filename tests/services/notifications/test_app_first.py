"""A text that waits for the app, because texts cost money: it goes only when the push did not arrive."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from sqlmodel import Session

from services.accounts.models import Customer
from services.apps import devices, notices
from services.apps.callers import Caller
from services.integrations.push import Receipt
from services.notifications import Recipient, outbox, preferences, pushes, tell
from services.notifications.models import Medium, Notification, NotificationState
from services.notifications.policy import Held
from tests.conftest import NOON
from tests.services.apps.texting import logged_in
from tests.services.notifications.build import Clock, Expo, Gateway, begin_in, rows, words, world

S = NotificationState
TOKEN = "ExponentPushToken[app]"
REPLY = {"reference": "T-1", "subject": "No Wi-Fi", "text": "Your new code is ABCD."}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def me(session: Session) -> Caller:
    caller = logged_in(session)[1]
    pushes.register(session, token=TOKEN, customer_id=caller.customer_id, app_device_id=caller.app_device_id, now=NOON)
    return caller


def told(
    session: Session, me: Caller, event: str = "ticket_reply", key: str = "k", clock: Clock | None = None
) -> dict[Medium, Notification]:
    values = REPLY | {"dalasi": 25}
    tell(session, event=event, to=Recipient(customer_id=me.customer_id), values=values, dedupe_key=key, now=clock.now if clock else NOON)
    return {row.medium: row for row in rows(session)}


def sweep(session: Session, clock: Clock, expo: Expo, gateway: Gateway) -> dict[Medium, NotificationState]:
    """What the sweep and the jobs that it rings for do at this moment."""
    outside = world(sms=gateway, push=expo)
    outbox.ring_due(session, now=clock.now)
    pushes.send_due(begin_in(session), outside, clock=clock)
    for row in rows(session):
        if row.medium is Medium.SMS and row.state is S.QUEUED and row.next_attempt_at is not None and row.handed_at is None:
            is_due = row.error != Held.APP.value or clock.now >= row.created_at + timedelta(minutes=30)
            if is_due:
                outbox.send(begin_in(session), row.id or 0, outside, clock=clock)
    return {row.medium: row.state for row in rows(session)}


def test_a_push_that_arrives_spares_the_text(session: Session, me: Caller, clock: Clock) -> None:
    made, expo, gateway = told(session, me), Expo(), Gateway()
    assert set(made) == {Medium.BELL, Medium.PUSH, Medium.SMS}
    assert made[Medium.SMS].error == Held.APP.value
    assert sweep(session, clock, expo, gateway)[Medium.PUSH] is S.SENT
    expo.known = {f"t-n-{made[Medium.PUSH].id}": Receipt()}
    clock.passes(minutes=31)
    assert sweep(session, clock, expo, gateway) == {Medium.BELL: S.DELIVERED, Medium.PUSH: S.DELIVERED, Medium.SMS: S.SUPPRESSED}
    assert gateway.taken == []


@pytest.mark.parametrize("expo", [Expo(bad={TOKEN: "DeviceNotRegistered"}), Expo()], ids=["refused", "never heard of again"])
def test_a_push_that_does_not_arrive_is_followed_by_the_text(session: Session, me: Caller, clock: Clock, expo: Expo) -> None:
    told(session, me)
    gateway = Gateway()
    sweep(session, clock, expo, gateway)
    assert gateway.taken == []
    clock.passes(minutes=31)
    assert sweep(session, clock, expo, gateway)[Medium.SMS] is S.SENT
    assert len(gateway.taken) == 1


def test_who_read_it_in_the_app_is_not_texted(session: Session, me: Caller, clock: Clock) -> None:
    bell = told(session, me)[Medium.BELL]
    assert bell.id is not None
    notices.mark_read(session, me, bell.id, now=NOON)
    clock.passes(minutes=31)
    assert sweep(session, clock, Expo(errors=[]), Gateway())[Medium.SMS] is S.SUPPRESSED


def test_the_text_waits_for_a_push_that_quiet_hours_hold(session: Session, me: Caller, clock: Clock) -> None:
    preferences.set_quiet_hours(session, customer_id=me.customer_id, medium=Medium.PUSH, begin=time(11), end=time(14))
    told(session, me)
    gateway = Gateway()
    assert sweep(session, clock, Expo(), gateway)[Medium.PUSH] is S.QUEUED
    clock.passes(minutes=31)
    assert sweep(session, clock, Expo(), gateway)[Medium.SMS] is S.QUEUED
    waits = next(row for row in rows(session) if row.medium is Medium.SMS)
    assert (waits.error, waits.next_attempt_at) == (Held.APP.value, NOON + timedelta(hours=2, minutes=30))


def test_a_receipt_is_texted_at_once_and_a_one_time_code_never_leaves_by_push(session: Session, me: Caller) -> None:
    receipt = told(session, me, "purchase_receipt")
    assert set(receipt) == {Medium.BELL, Medium.PUSH, Medium.SMS}
    assert (receipt[Medium.SMS].error, receipt[Medium.SMS].next_attempt_at) == (None, NOON)
    before = len(rows(session))
    tell(session, event="one_time_code", to=Recipient(customer_id=me.customer_id), values={"code": "1"}, dedupe_key="code", now=NOON)
    assert [row.medium for row in rows(session)[before:]] == [Medium.SMS]


@pytest.mark.parametrize("event", ["ticket_reply", "ticket_resolved", "purchase_receipt"])
def test_neither_push_nor_notice_says_what_is_for_the_person_alone(session: Session, me: Caller, event: str) -> None:
    values = {"reference": "T-1", "text": "ABCD-EFGH", "link": "https://inet.test/secret", "dalasi": 25}
    tell(session, event=event, to=Recipient(customer_id=me.customer_id), values=values, dedupe_key="k", now=NOON)
    said = [words(row) for row in rows(session) if row.medium in (Medium.PUSH, Medium.BELL)]
    assert len(said) == 2
    assert not any(secret in one for one in said for secret in ("ABCD", "https", "{"))


def test_who_does_not_use_the_app_any_more_is_texted_at_once(session: Session, me: Caller) -> None:
    later = NOON + timedelta(days=4)
    tell(session, event="ticket_reply", to=Recipient(customer_id=me.customer_id), values=REPLY, dedupe_key="k", now=later)
    (text,) = [row for row in rows(session) if row.medium is Medium.SMS]
    assert (text.error, text.next_attempt_at) == (None, later)


def test_who_wants_no_pushes_is_texted_at_once_and_finds_the_notice(session: Session, me: Caller) -> None:
    preferences.opt_out(session, customer_id=me.customer_id, medium=Medium.PUSH, by="app", now=NOON)
    made = told(session, me)
    assert set(made) == {Medium.BELL, Medium.SMS}
    assert made[Medium.SMS].error is None


def test_what_was_texted_before_there_was_an_app_is_not_told_again(session: Session) -> None:
    _, caller = logged_in(session)
    device = devices.devices_of(session, caller=caller)[0]
    devices.let_go(session, device, why="test", now=NOON)
    told(session, caller)
    number = session.get_one(Customer, caller.customer_id).phone_e164
    again = logged_in(session, number)[1]
    pushes.register(session, token=TOKEN, customer_id=again.customer_id, app_device_id=again.app_device_id, now=NOON)
    assert set(told(session, again)) == {Medium.SMS}
