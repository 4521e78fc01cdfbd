"""What the app shows a customer of what they were told: theirs alone, without secrets, read once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Customer, Role
from services.accounts.sessions import principal_of
from services.apps import documents, notices
from services.apps.callers import Caller
from services.apps.notices import NoticeNotFound
from services.listing import Slice
from services.notifications import Recipient, desk, queries, tell
from services.notifications.models import Medium
from services.notifications.queries import NotificationFilter
from tests.conftest import NOON
from tests.factories import staff
from tests.services.apps.texting import a_person, enrolled, logged_in
from tests.services.notifications.build import rows


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session)[1]


def told(session: Session, caller: Caller, key: str, event: str = "ticket_reply") -> None:
    values = {"reference": f"T-{key}", "text": "Your code is ABCD.", "code": "402718", "minutes": 5}
    tell(session, event=event, to=Recipient(customer_id=caller.customer_id), values=values, dedupe_key=key, now=NOON)


def test_the_newest_stand_first_and_are_paged(session: Session, me: Caller) -> None:
    for key in "abc":
        told(session, me, key)
    told(session, logged_in(session)[1], "foreign")
    page = notices.list_notices(session, me, limit=2)
    assert ([one.body for one in page.items], page.more, page.unread) == (
        ["There is an answer to your request T-c.", "There is an answer to your request T-b."],
        True,
        3,
    )
    rest = notices.list_notices(session, me, before=page.items[-1].id, limit=2)
    assert ([one.body[-4:] for one in rest.items], rest.more) == (["T-a."], False)


def test_it_is_read_once_and_the_phone_hears_of_it(session: Session, me: Caller) -> None:
    told(session, me, "a")
    (one,) = notices.list_notices(session, me, limit=9).items
    assert notices.mark_read(session, me, one.id, now=NOON).read_at == NOON
    assert notices.mark_read(session, me, one.id, now=NOON + timedelta(days=1)).read_at == NOON
    document = documents.one(session, me, "notice", one.id)
    assert document is not None
    assert (document.data["title"], document.data["read_at"]) == ("INET", "2026-11-22T12:00:00Z")
    assert notices.list_notices(session, me, limit=9).unread == 0


def test_nobody_reads_another_persons(session: Session, me: Caller) -> None:
    told(session, me, "a")
    (one,) = notices.list_notices(session, me, limit=9).items
    other, technician = logged_in(session)[1], enrolled(session, a_person(session))[1]
    assert notices.list_notices(session, other, limit=9).items == ()
    for number in (one.id, 0, 10**17):
        with pytest.raises(NoticeNotFound):
            notices.mark_read(session, other, number, now=NOON)
    with pytest.raises(Forbidden):
        notices.list_notices(session, technician, limit=9)


def test_the_words_are_in_the_customers_language_and_a_one_time_code_is_no_notice(session: Session, me: Caller) -> None:
    session.get_one(Customer, me.customer_id).language = "fr"
    session.flush()
    told(session, me, "a")
    told(session, me, "b", "one_time_code")
    (one,) = notices.list_notices(session, me, limit=9).items
    assert one.body == "Il y a une réponse à votre demande T-a."


def test_the_bells_of_customers_ring_at_nobodys_desk(session: Session, me: Caller) -> None:
    told(session, me, "a")
    person = a_person(session, Role.SYSTEM_ADMIN)
    actor = principal_of(person)
    assert (queries.bells(session, actor=actor), queries.unread_bells(session, actor=actor)) == ((), 0)
    assert desk.read_bells(session, actor=actor, now=NOON) == 0
    shown = queries.list_notifications(session, actor=staff(Role.SYSTEM_ADMIN), wanted=NotificationFilter(), part=Slice())
    assert {row.notification.medium for row in shown.rows} == {Medium.SMS}
    assert [row.read_at for row in rows(session)] == [None, None]
