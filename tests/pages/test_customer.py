"""A customer's page: the story, how things stand, and each act of Customer Care from there, also where it is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction, transaction
from services.access.models import AccessSession, DeviceSlot, Entitlement, Grant, GrantState, SessionState
from services.accounts.models import Customer, Device, Role
from services.apps import devices
from services.apps.devices import Phone
from services.notifications.models import Notification
from services.notifications.receipts import queue_reminder
from services.payments.models import Payment, PaymentStatus, Refund
from services.tickets.models import MessageKind, Ticket, TicketMessage
from services.vouchers.models import Voucher, VoucherOrigin
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import toasted, until

_AGO = timedelta(hours=1)


@pytest.fixture
def online(database: sa.Engine) -> int:
    """A customer who bought an hour ago and is online, with the phone of the app and a request that waits; and the desks' people."""
    now = utc_now()
    with transaction() as session:
        for role in (Role.CUSTOMER_CARE, Role.BILLING_OFFICER, Role.ROOT):
            builders.a_staff(session, role, now=now)
        customer, gateway = builders.a_customer(session, 1, now=now - timedelta(days=9)), builders.a_gateway(session, now=now)
        offer = builders.an_offer(session, now=now)
        builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=now - _AGO, gateway=gateway)
        grant, time = session.exec(select(Grant)).one(), session.exec(select(Entitlement)).one()
        assert time.id is not None
        assert grant.device_id is not None
        session.add(DeviceSlot(entitlement_id=time.id, number=1, device_id=grant.device_id, mac_hint=grant.mac, taken_at=now))
        builders.a_ticket(session, customer=customer, gateway=gateway, body="Slow since noon", at=now - _AGO / 2)
        devices.open_for_customer(session, customer=customer, phone=Phone("Awa's phone"), now=now)
        return customer.id or 0


@pytest.fixture
def offline(online: int) -> int:
    """The same, whose device is not online any more though time is left."""
    now = utc_now()
    with transaction() as session:
        row, grant = session.exec(select(AccessSession)).one(), session.exec(select(Grant)).one()
        row.state, row.ended_at, row.end_reason = SessionState.ENDED, now, "router_restart"
        grant.state, grant.ended_at = GrantState.ENDED, now
    return online


async def opens(user: User, sign_in: SignIn, customer: int, role: Role = Role.CUSTOMER_CARE, query: str = "") -> None:
    await sign_in(role)
    await user.open(f"/console/customers/{customer}{query}")
    await user.should_see(marker="story", retries=100)


async def test_the_page_tells_the_story_and_how_things_stand(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    for text in ("Today", "Online at Serekunda Market", "Bought 1 day for D 50", "Asked for help: Slow since noon", "D 50", "1 purchase"):
        await user.should_see(text)
    await user.should_see("This is where the story begins.")
    await user.should_not_see(marker="let-in")
    await user.should_not_see(marker="older")


async def test_filters_stand_in_the_address_and_narrow_the_story(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online, query="?kind=tickets,nonsense&since=not-a-day")
    await user.should_see("Asked for help: Slow since noon")
    await user.should_not_see("Online at Serekunda Market")
    user.find(marker="kind-tickets").click()
    await user.should_see("Online at Serekunda Market", retries=100)
    user.find(marker="story-until").type("2020-01-01")
    await user.should_see("Nothing like that", retries=100)
    user.find(marker="show-all").click()
    await user.should_see("Bought 1 day for D 50", retries=100)


async def test_a_long_story_is_read_page_by_page(user: User, sign_in: SignIn, online: int) -> None:
    def long_ago(session: Session) -> None:
        for number in range(60):
            at = utc_now() - timedelta(days=3, minutes=number)
            session.add(Device(customer_id=online, last_mac=f"02:00:00:00:00:{number:02x}", created_at=at, last_seen_at=at))

    await in_transaction(long_ago)
    await opens(user, sign_in, online, query="?kind=devices")
    await user.should_not_see("02:00:00:00:00:3b")
    for last in ("02:00:00:00:00:30", "02:00:00:00:00:3b"):
        user.find(marker="older").click()
        await user.should_see(last, retries=100)
    await user.should_not_see(marker="older")


async def test_who_paid_and_is_not_online_is_let_in_again(user: User, sign_in: SignIn, offline: int) -> None:
    await opens(user, sign_in, offline)
    await user.should_see("Paid, and no device is online with it")
    user.find(marker="let-in").click()
    await user.should_see("asked to let it in", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "The router is asked to let it in."))
    states = await in_transaction(lambda session: session.exec(select(Grant.state)).all())
    assert GrantState.QUEUED in states
    await user.should_see("The router was asked to let the device in again", retries=100)


async def test_a_refusal_is_said_and_nothing_is_done(user: User, sign_in: SignIn, offline: int) -> None:
    await opens(user, sign_in, offline)

    def free(session: Session) -> None:
        session.exec(select(DeviceSlot)).one().released_at = utc_now()

    await in_transaction(free)
    user.find(marker="let-in").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "No device was let in with this purchase yet."))


async def test_more_time_is_given_from_here(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    user.find(marker="extend").click()
    await user.should_see(marker="field-seconds", retries=100)
    user.find(marker="field-reason").type("Slow all morning")
    user.find(marker="submit").click()
    await until(toasted(user, "The time is theirs."))
    await user.should_see("1 h more time given", retries=100)


async def texts_the_code(user: User, said: str) -> int:
    """Answers how many texts with it there are then."""
    user.find(marker="text-code").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, said))
    return list(await in_transaction(lambda session: session.exec(select(Notification.event)).all())).count("receipt_reminder")


async def test_the_code_is_texted_again(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    assert await texts_the_code(user, "On its way.") == 1


async def test_the_code_is_not_texted_twice_in_a_quarter_of_an_hour(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)

    def sent_already(session: Session) -> None:
        now = utc_now()
        # Also when the quarter ends while the page is asked.
        for at in (now, now + timedelta(minutes=15)):
            queue_reminder(session, customer_id=online, references=["X"], now=at)

    await in_transaction(sent_already)
    assert await texts_the_code(user, "It was sent within the last quarter of an hour") == 2


async def test_money_back_is_asked_for_with_a_reason(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online, Role.BILLING_OFFICER)
    user.find(marker="refund").click()
    await user.should_see("Give the money back", retries=100)
    user.find(marker="field-reason").type("Was cut off all day")
    user.find(marker="ask-refund").click()
    at_once, second = toasted(user, "The money is on its way back."), toasted(user, "It waits for a second person.")
    await until(lambda: at_once() or second())
    assert len(await in_transaction(lambda session: session.exec(select(Refund)).all())) == 1


async def test_a_voucher_is_given_with_a_reason_and_its_code_shown_once(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    user.find(marker="give-voucher").click()
    await user.should_see(marker="field-package", retries=100)
    user.find(marker="submit").click()
    field = next(iter(user.find(marker="field-reason").elements))
    await until(lambda: "Say in a few words why." in str(field.props.get("error-message")))
    user.find(marker="field-reason").type("For the bad weekend")
    user.find(marker="submit").click()
    await user.should_see(marker="code", retries=100)
    made = await in_transaction(lambda session: session.exec(select(Voucher).where(col(Voucher.note).is_not(None))).one())
    assert (made.customer_id, made.origin, made.note) == (online, VoucherOrigin.HAND, "For the bad weekend")


async def test_a_ticket_is_opened_for_them_with_the_number_known(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    user.find(marker="open-ticket").click()
    await user.should_see("Slow since noon", retries=100)
    await user.should_see(marker="field-words", retries=100)
    user.find(marker="field-words").type("Calls: still slow")
    user.find(marker="submit").click()
    await until(toasted(user, "Kept in T-"))
    opened = await in_transaction(lambda session: session.exec(select(Ticket).order_by(col(Ticket.id).desc())).first())
    assert opened is not None
    assert opened.customer_id == online


async def test_a_note_goes_into_the_ticket_that_waits(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    user.find(marker="note").click()
    await user.should_see(marker="field-note", retries=100)
    user.find(marker="field-note").type("Speaks Mandinka")
    user.find(marker="submit").click()
    await until(toasted(user, "Kept in T-"))
    kinds = await in_transaction(lambda session: session.exec(select(TicketMessage.kind, TicketMessage.body)).all())
    assert (MessageKind.NOTE, "Speaks Mandinka") in [tuple(row) for row in kinds]


async def test_a_session_is_ended_with_a_reason(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    user.find(marker="end-session").click()
    await user.should_see(marker="reason", retries=100)
    user.find(marker="reason").type("Shared the phone")
    user.find(marker="confirm").click()
    await until(toasted(user, "Ended."))
    assert await in_transaction(lambda session: session.exec(select(AccessSession.state)).one()) is SessionState.ENDED


async def test_the_app_is_logged_out_everywhere(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)
    user.find(marker="log-out-app").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "1 phone is logged out."))
    await user.should_see("This customer is not logged in with the app.", retries=100)


async def test_what_waits_to_be_served_is_tried_again(user: User, sign_in: SignIn, online: int) -> None:
    def stuck(session: Session) -> None:
        customer = session.get_one(Customer, online)
        builders.a_payment(
            session,
            offer=builders.an_offer(session, now=utc_now()),
            customer=customer,
            status=PaymentStatus.PAID,
            at=utc_now() - _AGO,
            reason="The billing system is not answering.",
        )

    await in_transaction(stuck)
    await opens(user, sign_in, online)
    await user.should_see("Paid, and not served yet")
    user.find(marker="try-again").click()
    await until(toasted(user, "It is being tried now"))
    due = await in_transaction(lambda session: session.exec(select(Payment).where(Payment.status == PaymentStatus.PAID)).one())
    assert due.next_attempt_at is not None


async def test_billing_is_offered_only_what_billing_may_do(user: User, sign_in: SignIn, offline: int) -> None:
    await opens(user, sign_in, offline, Role.BILLING_OFFICER)
    for marker in ("let-in", "extend", "text-code", "open-ticket", "note", "log-out-app", "kind-messages"):
        await user.should_not_see(marker=marker)
    await user.should_see(marker="give-voucher")


async def test_news_of_the_customer_reaches_the_open_page(user: User, sign_in: SignIn, online: int) -> None:
    await opens(user, sign_in, online)

    def writes(session: Session) -> None:
        builders.a_ticket(session, customer=session.get_one(Customer, online), body="It is gone now", at=utc_now())

    await in_transaction(writes)
    await user.should_see("Asked for help: It is gone now", retries=200)


async def test_who_did_nothing_yet_has_an_empty_story(user: User, sign_in: SignIn, online: int) -> None:
    nobody = await in_transaction(lambda session: builders.a_customer(session, 99, now=utc_now()).id)
    await opens(user, sign_in, nobody or 0)
    await user.should_see("Nothing happened yet")


async def test_a_ticket_shows_the_last_of_the_story_and_leads_to_all_of_it(user: User, sign_in: SignIn, online: int) -> None:
    reference = await in_transaction(lambda session: session.exec(select(Ticket.reference)).one())
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/tickets/{reference}")
    await user.should_see("Lately", retries=100)
    await user.should_see("Online at Serekunda Market")
    await user.should_see(marker="whole-story")
