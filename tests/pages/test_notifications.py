"""Messages in the console: what was given up and sending it again, the words and their preview, the bell."""

from __future__ import annotations

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction
from services.accounts.models import Customer, Role, Staff
from services.notifications import Recipient, tell
from services.notifications.models import Notification, NotificationState, NotificationTemplate
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, toasted, until

pytestmark = pytest.mark.usefixtures("shop")


def _given_up(session: Session) -> int:
    customer = session.exec(select(Customer).order_by(col(Customer.id)).limit(1)).one()
    values = {"reference": "T-1", "text": "Try once more."}
    (made,) = tell(session, event="ticket_reply", to=Recipient(customer_id=customer.id), values=values, dedupe_key="r", now=utc_now())
    row = session.get_one(Notification, made)
    row.state, row.next_attempt_at, row.error = NotificationState.FAILED, None, "InvalidPhoneNumber"
    return made


def _ring(session: Session, text: str = "No Wi-Fi") -> None:
    care = session.exec(select(Staff).where(Staff.email == builders.email_of(Role.CUSTOMER_CARE))).one()
    values = {"by": "Awa", "reference": "T-1", "subject": text}
    tell(session, event="ticket_assigned", to=Recipient(staff_id=care.id), values=values, dedupe_key=text, link="/console", now=utc_now())


async def test_one_that_was_given_up_is_looked_at_and_sent_once_more(user: User, sign_in: SignIn) -> None:
    made = await in_transaction(_given_up)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/messages?state=given_up")
    (row,) = [row for row in table(user, "messages").rows if row["id"] == made]
    assert (row["why"], row["medium"], "•" in row["to"]) == ("InvalidPhoneNumber", "Text", True)
    user.find(marker="messages-table").trigger("act", made)
    await user.should_see(marker="retry", retries=100)
    assert label(user, "words") == "INET T-1: Try once more."
    user.find(marker="retry").click()
    await until(toasted(user, "It is being sent."))
    assert (await in_transaction(lambda session: session.get_one(Notification, made))).state is NotificationState.QUEUED


async def test_words_are_changed_with_a_preview_and_what_would_not_work_is_said(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/messages/words")
    user.find(marker="edit-ticket_reply-sms-en").click()
    await user.should_see(marker="cost", retries=50)
    (body,) = user.find(kind=ui.textarea, marker="field-body").elements
    body.value = "{nobody}"
    await user.should_see(marker="refusal", retries=50)
    assert "does not have" in label(user, "refusal")
    body.value = "From INET: {text}"
    await user.should_see("From INET: Please try once more.", retries=50)
    user.find(marker="keep-words").click()
    await until(toasted(user, "These words are used from now on."))
    saved = await in_transaction(lambda session: session.exec(select(NotificationTemplate)).one())
    assert (saved.body, saved.version) == ("From INET: {text}", 1)


async def test_the_bell_counts_what_is_new_and_opening_it_reads(user: User, sign_in: SignIn) -> None:
    await in_transaction(_ring)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers")
    (count,) = user.find(kind=ui.badge, marker="bell-count").elements
    assert (count.text, count.visible) == ("1", True)
    (menu,) = user.find(kind=ui.menu, marker="bell-menu").elements
    menu.open()
    await user.should_see("Awa gave you T-1: No Wi-Fi", retries=50)
    menu.close()
    await until(lambda: not count.visible)
