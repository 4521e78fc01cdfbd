"""A customer who deleted their account: every page that tells of what they did still opens, and none says who they were."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import col, select

from app.db import transaction
from services.accounts.models import Customer, Role
from services.apps import erasing, unspent
from services.notifications import Recipient, tell
from services.payments.models import Payment
from services.tickets import changes, forgetting
from services.tickets.changes import SYSTEM
from services.tickets.models import Ticket
from services.vouchers.models import Voucher
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until

DELETED = "Deleted customer"


@pytest.fixture
def places(database: sa.Engine, now: datetime) -> list[str]:
    """Where staff meets what the customer did."""
    with transaction() as session:
        builders.a_whole_shop(session, now=now, payments_of_each=1)
        voucher = session.exec(select(Voucher).where(col(Voucher.payment_id).is_not(None)).order_by(col(Voucher.id))).first()
        assert voucher is not None
        customer = session.get_one(Customer, voucher.customer_id)
        payment, ticket = session.get_one(Payment, voucher.payment_id), session.exec(select(Ticket)).first()
        assert ticket is not None
        assert customer.id is not None
        changes.set_field(session, ticket, "customer_id", customer.id, who=SYSTEM, now=now)
        to = Recipient(customer_id=customer.id)
        tell(session, event="ticket_reply", to=to, values={"text": "x"}, dedupe_key="gone", ticket_id=ticket.id, now=now)
        unspent.give_up(session, customer.id, now=now)
        erasing.wipe(session, customer, forgetting.forget(session, customer, who=SYSTEM, now=now), now=now)
        return [
            f"/console/customers/{customer.id}",
            f"/console/payments/{payment.reference}",
            f"/console/vouchers/{voucher.id}",
            f"/console/tickets/{ticket.reference}",
            "/console/customers",
            "/console/payments",
            "/console/messages",
        ]


async def test_every_page_opens_and_names_nobody(user: User, sign_in: SignIn, places: list[str]) -> None:
    await sign_in(Role.ROOT)
    for place in places:
        await user.open(place)
        await until(lambda: DELETED in _text(user))
        assert "+000" not in _text(user), place
        for trouble in ("broken", "refused"):
            await user.should_not_see(marker=trouble, retries=1)


def _text(user: User) -> str:
    """All that stands on the page, also in tables."""
    with user:
        return " ".join(str(element.props) + str(getattr(element, "text", "")) for element in user.client.elements.values())
