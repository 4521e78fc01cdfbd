"""What a voucher's page tells: who, where and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.audit import service as audit
from services.vouchers.batches import bulk
from services.vouchers.batches.bulk import BulkAction, Chosen
from services.vouchers.errors import VoucherNotFound
from services.vouchers.history import Event, Happened, story
from services.vouchers.service import enter_code, reveal_code, set_blocked
from tests.conftest import NOON
from tests.factories import staff
from tests.services.access.at_the_router import AtRouter
from tests.services.vouchers.batches.ordering import OFFICER, codes_of, made, number, order, vouchers_of, within

MINUTE = timedelta(minutes=1)
ROOT = replace(staff(), proven_at=NOON)


def told(session: Session, voucher_id: int) -> list[Event]:
    return list(story(session, actor=staff(Role.CUSTOMER_CARE), voucher_id=voucher_id))


def test_the_story_of_a_voucher_tells_who_where_and_when(session: Session) -> None:
    router = AtRouter(session)
    batch = made(session, size=3)
    first, second, third = (voucher.id or 0 for voucher in vouchers_of(session, batch))
    code = codes_of(session, batch)[1]
    printed = {"layout": "a4-cards", "first": 2, "last": 3, "count": 2}
    audit.record(session, OFFICER, "batch.print", target=("batch", batch.id), now=NOON + MINUTE, after=printed)
    chosen, begin = Chosen(batch_id=number(batch)), partial(within, session)
    for minutes, action, reason in ((2, BulkAction.BLOCK, "Stolen"), (3, BulkAction.UNBLOCK, "Found")):
        bulk.run(begin, actor=OFFICER, action=action, chosen=chosen, reason=reason, clock=lambda at=minutes: NOON + at * MINUTE)
    session.expire_all()
    set_blocked(session, actor=ROOT, voucher_id=second, blocked=True, now=NOON + 4 * MINUTE)
    set_blocked(session, actor=ROOT, voucher_id=second, blocked=False, now=NOON + 5 * MINUTE)
    reveal_code(session, actor=ROOT, voucher_id=second, now=NOON + 6 * MINUTE)
    context = router.joins(at=NOON + 7 * MINUTE)
    enter_code(session, code=code, context=context, device=None, now=NOON + 7 * MINUTE)
    router.polls(NOON + 8 * MINUTE)
    bulk.run(begin, actor=OFFICER, action=BulkAction.EXPIRE, chosen=chosen, reason="Over", clock=lambda: NOON + 9 * MINUTE)
    session.expire_all()
    events = told(session, second)
    assert [(event.what, event.by) for event in events] == [
        (Happened.MADE, OFFICER.label),
        (Happened.PRINTED, OFFICER.label),
        (Happened.BLOCKED, OFFICER.label),
        (Happened.UNBLOCKED, OFFICER.label),
        (Happened.BLOCKED, ROOT.label),
        (Happened.UNBLOCKED, ROOT.label),
        (Happened.REVEALED, ROOT.label),
        (Happened.USED, None),
        (Happened.CAME_ONLINE, None),
    ]
    assert [event.at for event in events] == [NOON + minutes * MINUTE for minutes in range(9)]
    assert (events[0].detail, events[1].detail, events[2].detail) == (f"Batch {batch.id}: Kiosk", "a4-cards", "Stolen")
    assert (events[-1].gateway, events[-1].site, events[-1].detail) == (router.gateway.name, "Westfield", context.mac)
    # The sheet began with the second card; the others expired.
    assert [event.what for event in told(session, first)] == [Happened.MADE, Happened.BLOCKED, Happened.UNBLOCKED, Happened.EXPIRED]
    assert [event.what for event in told(session, third)][:2] == [Happened.MADE, Happened.PRINTED]


def test_a_story_is_told_of_what_is_there_and_to_who_may_see_vouchers(session: Session) -> None:
    with pytest.raises(VoucherNotFound):
        told(session, 999_999)
    with pytest.raises(Forbidden):
        story(session, actor=staff(Role.FIELD_TECHNICIAN), voucher_id=1)
    assert order(session).made == 0
