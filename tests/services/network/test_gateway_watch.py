from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app import redis
from services.access import busy
from services.access.models import AccessSession, Gateway, Grant, GrantState, SessionState
from services.access.session_queries import session_row
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.network.gateway_watch import Seen, watch
from tests.conftest import NOON
from tests.factories import make_gateway, staff

MINUTE = timedelta(minutes=1)
LONG_WATCHED = NOON - timedelta(hours=1)


@pytest.fixture
def watched(session: Session) -> Iterator[Session]:
    """A Redis of which we know for an hour that nobody emptied it."""
    redis.client().flushall()
    watch(session, now=LONG_WATCHED)
    yield session
    redis.client().flushall()


def gateway(session: Session, *, polled: datetime | None, poll_seconds: int = 10) -> Gateway:
    made = make_gateway(session)
    made.last_poll_at, made.poll_seconds = polled, poll_seconds
    session.flush()
    return made


def polls(slug: str, counts: tuple[int, ...], *, now: datetime = NOON) -> None:
    """So many polls in the last whole minutes before `now`, the newest first."""
    for back, count in enumerate(counts, start=1):
        redis.client().hset(f"{busy.POLLS}{int(now.timestamp()) // 60 - back}", slug, count)


def standing(session: Session, kind: AlarmKind) -> list[str]:
    query = select(NetworkAlarm.subject).where(NetworkAlarm.kind == kind, col(NetworkAlarm.ended_at).is_(None))
    return list(session.exec(query.order_by(col(NetworkAlarm.id))).all())


@pytest.mark.parametrize(("poll_seconds", "silent_at"), [(5, 61), (10, 61), (20, 61), (30, 91)])
def test_a_gateway_is_silent_after_three_polls_and_at_least_a_minute(watched: Session, poll_seconds: int, silent_at: int) -> None:
    slug = gateway(watched, polled=NOON, poll_seconds=poll_seconds).slug
    watch(watched, now=NOON + timedelta(seconds=silent_at - 1))
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == []
    watch(watched, now=NOON + timedelta(seconds=silent_at))
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == [slug]


def test_the_alarm_ends_when_it_polls_again_and_stands_once_until_then(watched: Session) -> None:
    slug = gateway(watched, polled=NOON).slug
    for minutes in (2, 3, 4):
        watch(watched, now=NOON + minutes * MINUTE)
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == [slug]
    redis.client().hset(busy.SEEN, slug, f"{int((NOON + 5 * MINUTE).timestamp())}|openNDS(authmon;NDS:10.3.1;)")
    watch(watched, now=NOON + 5 * MINUTE)
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == []
    assert len(watched.exec(select(NetworkAlarm)).all()) == 1


def test_redis_knows_of_a_later_poll_than_the_row(watched: Session) -> None:
    slug = gateway(watched, polled=NOON - 10 * MINUTE).slug
    redis.client().hset(busy.SEEN, slug, str(int(NOON.timestamp())))
    watch(watched, now=NOON)
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == []


def test_one_that_never_polled_is_not_silent(watched: Session) -> None:
    gateway(watched, polled=None)
    assert watch(watched, now=NOON) == Seen(0, 0, True)


def test_nobody_is_called_silent_within_two_minutes_after_redis_was_emptied(watched: Session) -> None:
    slug = gateway(watched, polled=NOON - 3 * MINUTE).slug
    redis.client().flushall()
    assert not watch(watched, now=NOON).is_certain
    assert not watch(watched, now=NOON + timedelta(seconds=119)).is_certain
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == []
    assert watch(watched, now=NOON + 2 * MINUTE).is_certain
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == [slug]


def test_an_alarm_that_stands_outlives_an_emptied_redis(watched: Session) -> None:
    slug = gateway(watched, polled=NOON - 3 * MINUTE).slug
    watch(watched, now=NOON)
    redis.client().flushall()
    watch(watched, now=NOON + MINUTE)
    assert standing(watched, AlarmKind.GATEWAY_SILENT) == [slug]


@pytest.mark.parametrize(
    ("poll_seconds", "counts", "is_raised"),
    [
        (10, (12, 12, 12), True),
        (10, (10, 10, 10), True),
        (10, (9, 9, 9), False),
        (10, (12, 12, 6), False),
        (10, (6, 12, 12), False),
        (10, (12,), False),
        (5, (12, 12, 12), False),
        (5, (24, 24, 20), True),
        (30, (4, 4, 4), True),
    ],
)
def test_two_routers_under_one_address_show_as_too_many_polls_for_three_minutes(
    watched: Session, poll_seconds: int, counts: tuple[int, ...], is_raised: bool
) -> None:
    slug = gateway(watched, polled=NOON, poll_seconds=poll_seconds).slug
    polls(slug, counts)
    watch(watched, now=NOON)
    assert standing(watched, AlarmKind.TWO_POLLERS) == ([slug] if is_raised else [])


def test_the_alarm_of_two_routers_ends_after_three_quiet_minutes(watched: Session) -> None:
    slug = gateway(watched, polled=NOON).slug
    polls(slug, (12, 12, 12))
    watch(watched, now=NOON)
    watch(watched, now=NOON + 2 * MINUTE)
    assert standing(watched, AlarmKind.TWO_POLLERS) == [slug]
    watch(watched, now=NOON + 3 * MINUTE)
    assert standing(watched, AlarmKind.TWO_POLLERS) == []


def test_a_look_costs_the_same_however_many_gateways_there_are(watched: Session) -> None:
    def statements() -> int:
        made: list[str] = []

        def note(_: object, __: object, statement: str, *___: object) -> None:
            made.append(statement)

        connection = watched.connection()
        sa.event.listen(connection, "before_cursor_execute", note)
        watch(watched, now=NOON)
        sa.event.remove(connection, "before_cursor_execute", note)
        return len(made)

    gateway(watched, polled=NOON - 5 * MINUTE)
    few = statements()
    for _ in range(20):
        gateway(watched, polled=NOON - 5 * MINUTE)
    assert statements() == few


def test_sessions_of_a_silent_gateway_are_shown_as_unknown_and_not_ended(watched: Session) -> None:
    made = gateway(watched, polled=NOON)
    grant = Grant(gateway_id=made.id or 0, hid="a" * 64, seconds=7200, state=GrantState.ACKED, created_at=NOON)
    watched.add(grant)
    watched.flush()
    ends_at = NOON + 120 * MINUTE
    row = AccessSession(grant_id=grant.id or 0, gateway_id=made.id or 0, state=SessionState.ACTIVE, started_at=NOON, ends_at=ends_at)
    watched.add(row)
    watched.flush()
    for at, is_silent in ((NOON + timedelta(seconds=30), False), (NOON + 5 * MINUTE, True)):
        watch(watched, now=at)
        shown = session_row(watched, actor=staff(), session_id=row.id or 0)
        assert (shown.state, shown.gateway_is_silent) == (SessionState.ACTIVE, is_silent)
