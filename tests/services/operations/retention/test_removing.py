"""Clean-up: in small sets, within its time, past what others hold, and never what the books need."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count, pairwise

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, func, select

from app import redis
from app.db import transaction
from services.audit import verify as audit
from services.network.models import Health, HealthChange
from services.notifications.models import Notification, NotificationState
from services.notifications.queries import words_sent
from services.notifications.service import NO_LONGER_KEPT
from services.operations.models import CleanUp, HealthSample, HealthState, JobHour, RetentionPeriod
from services.operations.retention import removing
from services.operations.retention.rules import BY_NAME, RULES
from services.payments.clearing.queries import verify_books
from services.payments.models import WebhookEvent
from services.payments.queries import payment_page
from services.tickets.models import Ticket
from tests.conftest import NOON
from tests.factories import staff
from tests.services.apps.test_erasure import a_life
from tests.services.apps.texting import logged_in
from tests.services.network.places import make_access_point

DAY = timedelta(days=1)
SAMPLES = BY_NAME["health-samples"]


def samples(session: Session, number: int, *, at: datetime = NOON - 40 * DAY, part: str = "redis") -> None:
    session.execute(
        sa.insert(HealthSample).values(
            [{"part": part, "at": at + timedelta(seconds=one), "state": HealthState.OK, "detail": ""} for one in range(number)]
        )
    )


def left(session: Session) -> int:
    return session.exec(select(func.count()).select_from(HealthSample)).one()


def clean(**how: object) -> list[removing.Removed]:
    return removing.clean_up(transaction, clock=lambda: NOON, **({"rules": [SAMPLES]} | how))  # type: ignore[arg-type]


def test_what_is_past_its_period_goes_and_the_rest_stays(session: Session) -> None:
    point = make_access_point(session)
    assert point.id is not None
    for days in (89, 90, 91, 92, 95):
        session.add(HealthChange(access_point_id=point.id, at=NOON - days * DAY, before=Health.ONLINE, after=Health.OFFLINE))
    session.flush()
    (removed,) = clean(rules=[BY_NAME["health-changes"]])
    assert (removed.rows, removed.is_all) == (3, True)
    kept = session.exec(select(HealthChange.at).order_by(col(HealthChange.at))).all()
    assert list(kept) == [NOON - 90 * DAY, NOON - 89 * DAY]


def test_it_goes_in_small_sets_each_a_transaction_and_counts_them(session: Session) -> None:
    samples(session, 35)
    opened = count()

    @contextmanager
    def begin() -> Iterator[Session]:
        next(opened)
        with transaction() as apart:
            yield apart

    (removed,) = removing.clean_up(begin, clock=lambda: NOON, rules=[SAMPLES], at_once=10)
    assert removed.rows == 35
    assert removed.transactions >= 2
    assert next(opened) == removed.transactions + 2
    kept = session.get_one(CleanUp, "health-samples", populate_existing=True)
    assert (kept.last_removed, kept.removed, kept.last_run_at) == (35, 35, NOON)


def test_a_second_run_finds_nothing_and_the_sum_stays(session: Session) -> None:
    samples(session, 5)
    clean()
    (again,) = removing.clean_up(transaction, clock=lambda: NOON + DAY, rules=[SAMPLES])
    assert again.rows == 0
    kept = session.get_one(CleanUp, "health-samples", populate_existing=True)
    assert (kept.last_removed, kept.removed) == (0, 5)


def test_when_its_time_is_up_it_stops_and_the_next_run_begins_with_whose_turn_it_is(session: Session) -> None:
    samples(session, 5)
    session.add(JobHour(job="x", hour=NOON - 200 * DAY))
    session.flush()
    both = [SAMPLES, BY_NAME["job-hours"]]
    ticks = iter([0.0, 0.0, 0.0, 99.0] + [99.0] * 50)
    first = clean(rules=both, for_seconds=10, seconds=lambda: next(ticks))
    assert [(one.rule, one.is_all) for one in first] == [("health-samples", False)]
    assert left(session) == 5
    ticks = iter([0.0] * 9 + [99.0] * 50)
    second = clean(rules=both, for_seconds=10, seconds=lambda: next(ticks))
    assert second[0].rule == "job-hours"


def test_slow_transactions_make_the_next_ones_smaller() -> None:
    pace = removing._Pace(1000)
    pace.took(1.0)
    assert pace.rows == 250
    for _ in range(9):
        pace.took(0.01)
    assert pace.rows == removing.MOST_AT_ONCE
    for _ in range(9):
        pace.took(60.0)
    assert pace.rows == removing.LEAST_AT_ONCE


def test_a_run_that_dies_has_counted_what_it_took_and_the_next_goes_on(session: Session) -> None:
    samples(session, 25)
    begun = count(1)

    @contextmanager
    def begin() -> Iterator[Session]:
        if next(begun) > 2:
            raise RuntimeError("died")
        with transaction() as apart:
            yield apart

    with pytest.raises(RuntimeError, match="died"):
        removing.clean_up(begin, clock=lambda: NOON, rules=[SAMPLES], at_once=10)
    assert left(session) == 15
    assert session.get_one(CleanUp, "health-samples", populate_existing=True).removed == 10
    clean()
    assert (left(session), session.get_one(CleanUp, "health-samples", populate_existing=True).removed) == (0, 25)


def test_what_somebody_holds_is_left_for_the_next_time_and_nobody_waits(database: sa.Engine) -> None:
    with transaction() as session:
        samples(session, 10)
    with transaction() as holder:
        held = select(HealthSample).where(HealthSample.at < NOON - 40 * DAY + timedelta(seconds=4)).with_for_update()
        assert len(holder.exec(held).all()) == 4
        (removed,) = clean()
        assert removed.rows == 6
    (removed,) = clean()
    assert removed.rows == 4


def test_two_runs_at_once_take_each_row_once(database: sa.Engine) -> None:
    with transaction() as session:
        samples(session, 900)
    with ThreadPoolExecutor(2) as both:
        done = [run.result() for run in [both.submit(clean, at_once=50) for _ in range(2)]]
    (again,) = clean()
    assert sum(one[0].rows for one in done) + again.rows == 900
    with transaction() as session:
        assert left(session) == 0
        assert session.get_one(CleanUp, "health-samples").removed == 900


def test_a_table_that_is_locked_keeps_no_other_from_its_turn(database: sa.Engine) -> None:
    with transaction() as session:
        samples(session, 3)
        session.add(JobHour(job="x", hour=NOON - 200 * DAY))
    with transaction() as holder:
        holder.execute(sa.text("LOCK TABLE health_sample IN ACCESS EXCLUSIVE MODE"))
        first, second = clean(rules=[SAMPLES, BY_NAME["job-hours"]])
    assert (first.rows, first.is_all) == (0, False)
    assert (second.rows, second.is_all) == (1, True)


def test_a_period_that_was_changed_counts_and_stays_within_its_bounds(session: Session) -> None:
    samples(session, 3, at=NOON - 20 * DAY)
    samples(session, 3, at=NOON - 5 * DAY, part="wave")
    assert clean()[0].rows == 0
    row = RetentionPeriod(rule="health-samples", days=10, changed_by="staff:root@test.gm", changed_at=NOON)
    session.add(row)
    session.flush()
    assert clean()[0].rows == 3
    row.days = 1  # the bounds were others when it was set: seven days are the least
    session.flush()
    assert clean()[0].rows == 0


def test_a_webhook_that_comes_again_after_its_words_are_gone_is_still_known(session: Session) -> None:
    said = {"id": "ev-again", "type": "checkout.session.completed", "data": {"id": "cos-9", "sender_mobile": "+220833000071"}}
    first = {"provider_event_id": "ev-again", "type": "x", "body": said, "received_at": NOON - 100 * DAY, "processed_at": NOON - 99 * DAY}
    session.add(WebhookEvent(**first))
    session.add(WebhookEvent(**first | {"provider_event_id": "ev-waits", "processed_at": None}))
    session.flush()
    clean(rules=[BY_NAME["webhook-bodies"]])
    session.expire_all()
    rows = {row.provider_event_id: row.body for row in session.exec(select(WebhookEvent)).all()}
    assert rows == {"ev-again": {}, "ev-waits": said}
    again = insert(WebhookEvent).values(first).on_conflict_do_nothing().returning(col(WebhookEvent.id))
    assert session.execute(again).all() == []


def test_after_all_of_it_the_books_the_audit_and_the_stories_are_whole(session: Session) -> None:
    """Everything that there is, ten years later: no rule finds anything too young."""
    redis.client().flushall()
    me = logged_in(session, "+220833000061")[1]
    life = a_life(session, me)
    reference = session.execute(sa.text("SELECT reference FROM payment WHERE id = :id"), {"id": life["payment"]}).scalar_one()
    # All that was to be sent is.
    session.execute(sa.update(Notification).values(state=NotificationState.SENT, next_attempt_at=None))
    root = staff()
    before = payment_page(session, actor=root, reference=reference)
    books, counts = verify_books(session), _counts(session)
    assert audit.verify(session, recorded_heads=None).broken is None
    removed = removing.clean_up(transaction, clock=lambda: NOON + 3660 * DAY)
    assert {one.rule for one in removed} == {rule.name for rule in RULES}
    assert all(one.is_all for one in removed)
    session.expire_all()
    assert (verify_books(session).missing, verify_books(session).transfers) == (books.missing, books.transfers)
    assert verify_books(session).sum_bututs == 0
    assert audit.verify(session, recorded_heads=None).broken is None
    after = payment_page(session, actor=root, reference=reference)
    assert after.payment.amount_bututs == before.payment.amount_bututs
    # What is told of the payment is what was, but for our single calls.
    assert [entry for entry in after.timeline if entry in before.timeline] == list(after.timeline)
    assert session.get_one(Ticket, life["ticket"]).body
    gone = {name for name, number in _counts(session).items() if number < counts[name]}
    assert gone <= {table for rule in RULES for step in rule.steps if not step.strip for table in [step.table]}
    told = session.exec(select(Notification).where(Notification.dedupe_key == "told")).one()
    assert words_sent(session, actor=root, notification_id=told.id or 0)[1] == NO_LONGER_KEPT


def _counts(session: Session) -> dict[str, int]:
    from app.tables import metadata

    return {name: session.execute(sa.text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in metadata.tables}


def test_each_run_of_all_rules_goes_by_whose_turn_it_is(session: Session) -> None:
    removing.clean_up(transaction, clock=lambda: NOON)
    ran = {row.rule: row.last_run_at for row in session.exec(select(CleanUp)).all()}
    assert set(ran) == {rule.name for rule in RULES}
    assert all(first <= second for first, second in pairwise(ran.values()))
