"""The figures of the business, as /metrics shows them: read from PostgreSQL by indexes, so that asking often costs next to nothing.

Every statement is bounded: where a million rows would have to be counted, the first ten thousand are, and beyond that PostgreSQL's own
statistics say how many there are about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import Session, col

from services.access.models import ON_OFFER, Grant
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.network.models import AccessPoint, Health
from services.operations import periodic, queues
from services.operations.backup_models import Backup, BackupState
from services.operations.error_models import ErrorGroup, ErrorState
from services.operations.models import HealthSample, HealthState, PeriodicJob, ProcessKind
from services.operations.processes import alive
from services.operations.watch import is_running
from services.payments.clearing.items import unexplained
from services.payments.clearing.models import CLEARING
from services.payments.models import PaymentStatus
from services.tickets.models import IS_UNDONE, Ticket
from services.vouchers import stock

MOST_COUNTED = 10_000
AT_RISK = timedelta(hours=1)
"""A ticket is at risk when its next deadline is nearer than this."""
# These wait for nothing: their age says nothing either.
_ENDED = frozenset({PaymentStatus.SERVED, PaymentStatus.EXPIRED, PaymentStatus.FAILED, PaymentStatus.REFUNDED})
_SAMPLED_WITHIN = timedelta(minutes=5)

HELP = {
    "inet_payments": "Payments by status; above ten thousand an estimate",
    "inet_payment_oldest_seconds": "How long the oldest payment has been in a status that is not an end",
    "inet_grants_waiting": "Grants that no router has taken up yet",
    "inet_grant_oldest_seconds": "How long the oldest of them waits",
    "inet_tickets_at_risk": "Tickets whose next deadline is less than an hour away",
    "inet_tickets_breached": "Tickets that are not done and whose deadline has passed",
    "inet_stock_vouchers": "Vouchers in stock that PortaBilling knows, by package",
    "inet_stock_mark": "How many vouchers are to be in stock, by package",
    "inet_access_points": "Access points by health",
    "inet_unexplained_bututs": "Money that nobody can account for, by account, without its sign",
    "inet_unexplained_oldest_seconds": "How long the oldest of it stands open",
    "inet_backup_age_seconds": "Age of the newest back-up that was proven by restoring it",
    "inet_periodic_late_seconds": "How long past its time a periodic job is",
    "inet_periodic_seconds": "How often a periodic job is to run",
    "inet_processes": "Processes that say that they live, by kind",
    "inet_errors_open": "Kinds of error that are open",
    "inet_alarms": "Warnings that stand, by kind",
    "inet_part_up": "1 if a part was well when it was probed last, 0 if not; parts that are not set up are left out",
    "inet_queue_depth": "Jobs that wait, by queue",
    "inet_queue_oldest_seconds": "How long the oldest job of a queue has waited",
}


@dataclass(frozen=True)
class Figure:
    """One value; `name` is one of `HELP`."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def payments(session: Session, *, now: datetime) -> Iterator[Figure]:
    for status, number, since in session.execute(_PAYMENTS, {"most": MOST_COUNTED}):
        estimate = session.execute(_ESTIMATE, {"status": status}).scalar_one_or_none() if number > MOST_COUNTED else None
        yield Figure("inet_payments", max(number, estimate or 0), {"status": status})
        if status not in _ENDED:
            yield Figure("inet_payment_oldest_seconds", _age(since, now), {"status": status})


# One look per status into its index, which ends when enough were counted; the oldest is the first entry.
_PAYMENTS = sa.text(
    """
    SELECT s.status,
           (SELECT count(*) FROM (SELECT FROM payment p WHERE p.status = s.status LIMIT :most + 1) AS counted) AS number,
           (SELECT min(p.status_since) FROM payment p WHERE p.status = s.status) AS since
      FROM unnest(CAST(:statuses AS text[])) AS s(status)
    """
).bindparams(statuses=[status.value for status in PaymentStatus])
_ESTIMATE = sa.text(
    """
    SELECT CAST(c.reltuples * f.share AS bigint)
      FROM pg_class c
      JOIN pg_stats t ON t.schemaname = 'public' AND t.tablename = 'payment' AND t.attname = 'status',
      LATERAL unnest(CAST(CAST(t.most_common_vals AS text) AS text[]), t.most_common_freqs) AS f(status, share)
     WHERE c.oid = CAST('public.payment' AS regclass) AND f.status = :status
    """
)


def grants(session: Session, *, now: datetime) -> Iterator[Figure]:
    waiting = sa.select(sa.func.count(), sa.func.min(Grant.created_at)).where(col(Grant.state).in_(ON_OFFER))
    number, since = session.execute(waiting).one()
    yield Figure("inet_grants_waiting", number)
    yield Figure("inet_grant_oldest_seconds", _age(since, now))


def tickets(session: Session, *, now: datetime) -> Iterator[Figure]:
    due = col(Ticket.due_at)
    yield Figure("inet_tickets_at_risk", _bounded(session, IS_UNDONE, due > now, due <= now + AT_RISK))
    yield Figure("inet_tickets_breached", _bounded(session, IS_UNDONE, due <= now))


def _bounded(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    some = sa.select(sa.literal(1)).select_from(Ticket).where(*conditions).limit(MOST_COUNTED).subquery()
    return int(session.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def vouchers(session: Session, *, now: datetime) -> Iterator[Figure]:
    ready: Counter[str] = Counter()
    mark: Counter[str] = Counter()
    for level in stock.levels(session, now=now):
        # Two packages may have one name; a figure must not come twice.
        ready[level.name] += level.ready
        mark[level.name] += level.mark
    for name in mark:
        yield Figure("inet_stock_vouchers", ready[name], {"package": name})
        yield Figure("inet_stock_mark", mark[name], {"package": name})


def network(session: Session, *, now: datetime) -> Iterator[Figure]:
    there = sa.select(col(AccessPoint.health), sa.func.count()).where(col(AccessPoint.vanished_at).is_(None))
    found = {row[0]: row[1] for row in session.execute(there.group_by(col(AccessPoint.health)))}
    for health in Health:
        yield Figure("inet_access_points", found.get(health, 0), {"health": health.value})
    standing = sa.select(col(NetworkAlarm.kind), sa.func.count()).where(col(NetworkAlarm.ended_at).is_(None))
    raised = {row[0]: row[1] for row in session.execute(standing.group_by(col(NetworkAlarm.kind)))}
    for kind in AlarmKind:
        yield Figure("inet_alarms", raised.get(kind, 0), {"kind": kind.value})


def money(session: Session, *, now: datetime) -> Iterator[Figure]:
    items = unexplained(session, now=now).items
    for account in CLEARING:
        sums = (abs(item.balance_bututs) for item in items if item.account is account)
        yield Figure("inet_unexplained_bututs", sum(sums), {"account": account.value})
    yield Figure("inet_unexplained_oldest_seconds", _age(min((item.since for item in items), default=None), now))


def running(session: Session, *, now: datetime) -> Iterator[Figure]:
    living = alive(session, now=now)
    for kind in ProcessKind:
        yield Figure("inet_processes", sum(one.kind is kind for one in living), {"kind": kind.value})
    rows = {row.id: row for row in session.execute(sa.select(PeriodicJob)).scalars()}
    for line in periodic.declared().values():
        if (row := rows.get(line.id)) is None:
            continue
        ended = row.last_ended_at or row.first_seen_at
        is_due = row.paused_at is None and not is_running(line, row, now=now)
        late = (now - ended).total_seconds() - line.seconds if is_due else 0.0
        yield Figure("inet_periodic_late_seconds", max(0.0, late), {"job": line.id})
        yield Figure("inet_periodic_seconds", line.seconds, {"job": line.id})
    errors = sa.select(sa.func.count()).select_from(ErrorGroup).where(col(ErrorGroup.state) == ErrorState.OPEN)
    yield Figure("inet_errors_open", session.execute(errors).scalar_one())


def house(session: Session, *, now: datetime) -> Iterator[Figure]:
    proven = sa.select(sa.func.max(Backup.snapshot_at)).where(col(Backup.state) == BackupState.VERIFIED)
    if (at := session.execute(proven).scalar_one_or_none()) is not None:
        yield Figure("inet_backup_age_seconds", _age(at, now))
    newest = sa.select(col(HealthSample.part), col(HealthSample.state)).ext(distinct_on(col(HealthSample.part)))
    newest = newest.where(col(HealthSample.at) > now - _SAMPLED_WITHIN).order_by(col(HealthSample.part), col(HealthSample.at).desc())
    for part, state in session.execute(newest):
        if state is not HealthState.OFF:
            yield Figure("inet_part_up", int(state is HealthState.OK), {"part": part})


def waiting_jobs(*, now: datetime) -> Iterator[Figure]:
    """Raises redis.RedisError or OSError when Redis is away."""
    for queue in queues.waiting(now=now):
        yield Figure("inet_queue_depth", queue.waiting, {"queue": queue.name})
        yield Figure("inet_queue_oldest_seconds", queue.oldest_seconds or 0.0, {"queue": queue.name})


@dataclass(frozen=True)
class Group:
    """Figures that are read together, at most every `seconds`."""

    name: str
    read: Callable[..., Iterable[Figure]]
    seconds: float = 15.0


GROUPS = (
    Group("payments", payments),
    Group("grants", grants),
    Group("tickets", tickets),
    Group("vouchers", vouchers),
    Group("network", network),
    # Looks at what stands open one by one.
    Group("money", money, seconds=120.0),
    Group("running", running),
    Group("house", house),
)


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since is not None else 0.0
