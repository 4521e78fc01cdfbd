"""Asking for help in the app: what is sent twice is kept once, and nobody reaches another person's ticket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import InvalidInput
from services.accounts.idempotency import KeyReused
from services.apps import desk
from services.apps.callers import Caller
from services.apps.desk import Kept, Words
from services.payments.errors import PaymentNotFound
from services.tickets import changes
from services.tickets.changes import SYSTEM
from services.tickets.closure import NotDoneYet
from services.tickets.errors import TicketNotFound
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage, TicketState
from tests.conftest import NOON
from tests.factories import make_gateway, make_payment
from tests.services.access.online import online
from tests.services.apps.texting import logged_in
from tests.services.network.places import make_site

MINE = "+220833000041"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session, MINE)[1]


def opens(session: Session, caller: Caller, words: Words | None = None, *, client_id: str = "wish-0001") -> Kept:
    return desk.open_own(session, caller, words or Words("No page comes up"), client_id=client_id, now=NOON)


def says(session: Session, caller: Caller, kept: Kept, body: str, *, client_id: str, days: int = 0) -> Kept:
    return desk.say(session, caller, kept.ticket_id, body=body, client_id=client_id, now=NOON + MINUTE + days * DAY)


def bodies(session: Session, ticket_id: int) -> list[str]:
    wanted = select(TicketMessage.body).where(TicketMessage.ticket_id == ticket_id, TicketMessage.kind == MessageKind.CUSTOMER)
    return list(session.exec(wanted.order_by(col(TicketMessage.id))).all())


def resolve(session: Session, kept: Kept) -> None:
    changes.set_state(session, session.get_one(Ticket, kept.ticket_id), TicketState.RESOLVED, who=SYSTEM, now=NOON)


def test_a_request_knows_its_payment_and_its_place(session: Session, me: Caller) -> None:
    payment, site = make_payment(session, phone=MINE), make_site(session)
    kept = opens(session, me, Words("Paid, and not online", "Paid", payment.public_id, site.id))
    ticket = session.get_one(Ticket, kept.ticket_id)
    assert (ticket.customer_id, ticket.channel) == (me.customer_id, Channel.MOBILE)
    assert (ticket.payment_id, ticket.site_id, ticket.subject) == (payment.id, site.id, "Paid")


def test_who_was_just_online_writes_from_there(session: Session, me: Caller) -> None:
    gateway = make_gateway(session)
    online(session, gateway=gateway, at=NOON - 30 * MINUTE, phone=MINE)
    ticket = session.get_one(Ticket, opens(session, me).ticket_id)
    assert (ticket.gateway_id, ticket.site_id) == (gateway.id, gateway.site_id)


def test_the_same_wish_is_the_same_request(session: Session, me: Caller) -> None:
    first = opens(session, me)
    again = desk.open_own(session, me, Words("No page comes up"), client_id="wish-0001", now=NOON + 3 * DAY)
    assert (again.ticket_id, again.is_new) == (first.ticket_id, False)
    _, other = logged_in(session)
    assert opens(session, other).ticket_id != first.ticket_id


def test_words_are_added_once_under_their_name(session: Session, me: Caller) -> None:
    kept = opens(session, me)
    for client_id in ("say-0001", "say-0001", "say-0002"):
        assert says(session, me, kept, "Still nothing", client_id=client_id) == Kept(kept.ticket_id, kept.reference, False)
    assert bodies(session, kept.ticket_id) == ["No page comes up", "Still nothing", "Still nothing"]
    with pytest.raises(KeyReused):
        says(session, me, kept, "Something else", client_id="say-0001")


def test_words_open_again_what_was_done_lately_and_begin_anew_after_that(session: Session, me: Caller) -> None:
    kept = opens(session, me)
    resolve(session, kept)
    says(session, me, kept, "It is back", client_id="say-0001", days=2)
    assert session.get_one(Ticket, kept.ticket_id).state is TicketState.OPEN
    resolve(session, kept)
    later = says(session, me, kept, "Once more", client_id="say-0002", days=9)
    assert later.is_new
    assert later.ticket_id != kept.ticket_id
    assert says(session, me, kept, "Once more", client_id="say-0002", days=9) == later


def test_help_is_rated_when_it_is_done(session: Session, me: Caller) -> None:
    kept = opens(session, me)
    with pytest.raises(NotDoneYet):
        desk.rate(session, me, kept.ticket_id, score=5, now=NOON)
    resolve(session, kept)
    assert desk.rate(session, me, kept.ticket_id, score=2, comment="slow", now=NOON).is_bad


def test_another_persons_payment_or_request_is_not_there(session: Session, me: Caller) -> None:
    kept, payment = opens(session, me), make_payment(session, phone=MINE)
    _, stranger = logged_in(session)
    with pytest.raises(PaymentNotFound):
        opens(session, stranger, Words("Mine?", payment_id=payment.public_id))
    with pytest.raises(TicketNotFound):
        says(session, stranger, kept, "Hello", client_id="say-0001")
    with pytest.raises(TicketNotFound):
        desk.rate(session, stranger, kept.ticket_id, score=5, now=NOON)


@pytest.mark.parametrize("words", [Words(" \u200b\n"), Words("x" * 20_001), Words("No page", place_id=2**40)])
def test_nothing_too_much_or_nowhere_is_refused(session: Session, me: Caller, words: Words) -> None:
    with pytest.raises(InvalidInput):
        opens(session, me, words)


def test_words_that_come_twice_at_once_are_kept_once(database: sa.Engine) -> None:
    with transaction() as session:
        _, me = logged_in(session, MINE)
        kept = opens(session, me)
    both = Barrier(2)

    def send(_: int) -> Kept:
        both.wait()
        with transaction() as session:
            return says(session, me, kept, "Still nothing", client_id="say-0001")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(send, range(2))
    assert first == second
    with transaction() as session:
        assert bodies(session, kept.ticket_id) == ["No page comes up", "Still nothing"]
