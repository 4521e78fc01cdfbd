"""Held messages in the console: why each is held, letting it through, throwing it away, and the counts of both sides."""

from __future__ import annotations

import pytest
from nicegui.testing import User
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction, transaction
from services.accounts.models import Role
from services.tickets import inbound_store, mail_intake
from services.tickets.intake_models import InboundCount, InboundMessage, InboundSource, InboundState
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, toasted, until
from tests.services.tickets.mails import a_mail

pytestmark = pytest.mark.usefixtures("shop")


def _held(session: Session) -> int:
    now = utc_now()
    raw = a_mail("Buy <b>now</b>", subject="Cheap", X_Spam_Flag="YES")
    kept = inbound_store.keep(session, source=InboundSource.IMAP, key="help@inet.gm/INBOX:1:1", raw=raw, received_at=now)
    session.add(InboundCount(source=InboundSource.IMAP, place="help@inet.gm/INBOX", counted_at=now, theirs=41, ours=41))
    assert kept is not None
    return kept


async def test_a_held_mail_says_why_is_looked_at_and_let_through(user: User, sign_in: SignIn) -> None:
    held = await in_transaction(_held)
    mail_intake_read()
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/inbound")
    assert label(user, "count-imap") == "Mailbox says 41, we hold 41"
    (row,) = table(user, "inbound").rows
    assert (row["subject"], row["sender"], row["why"]) == (
        "Cheap · Buy <b>now</b>",
        "awa@example.gm",
        "The mail server's filter says that it is spam.",
    )
    user.find(marker="inbound-table").trigger("act", held)
    await user.should_see(marker="release", retries=100)
    assert label(user, "words") == "Buy <b>now</b>"
    user.find(marker="release").click()
    await until(toasted(user, "It becomes a ticket now."))
    found = await in_transaction(lambda session: session.get_one(InboundMessage, held))
    assert found.state is InboundState.STORED
    user.find(marker="inbound-table").trigger("act", held)
    await user.should_see(marker="discard", retries=100)
    user.find(marker="discard").click()
    await until(toasted(user, "It is thrown away; it stays kept."))


async def test_without_a_mailbox_it_says_how_to_set_one(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/inbound")
    await user.should_see("No mailbox is read")
    await user.should_see("Nothing is held")


async def test_a_technician_may_not_see_it(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/inbound")
    await user.should_see(marker="not-allowed")


def mail_intake_read() -> None:
    """As a worker does, in a thread that is not the page's."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(mail_intake.read, transaction, clock=utc_now).result()
