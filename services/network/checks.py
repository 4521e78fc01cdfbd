"""How asking OpenWISP goes: whose turn it is, how the newest check ended in words for a person, and the alarms about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session

from app.outbound import OutboundError, Refused
from services.integrations.openwisp import Forbidden, MalformedAnswer, MonitoringAbsent, NotAuthorised, Throttled
from services.network import alarms
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, NetworkCheck

# One that has not ended by then died; its turn is given to the next. Longer than its job may run, but a poll that was killed must not
# keep the next ones away for long.
LEASES = {CheckKind.DISCOVERY: timedelta(minutes=15), CheckKind.HEALTH: timedelta(minutes=3)}
# A hiccup wakes nobody.
ALARM_AFTER_FAILURES = 2
KEPT = "The network stays as it was."
_MESSAGE_LENGTH = 500
_LOCK = 0x1E7_0004
_OF_CHECKS = (AlarmKind.OPENWISP_UNREACHABLE, AlarmKind.OPENWISP_REFUSED, AlarmKind.SUDDEN_LOSS, AlarmKind.MONITORING_ABSENT)


@dataclass(frozen=True)
class Failure:
    """Why a check changed nothing. `alarm` is raised after `alarm_after` failures in a row."""

    outcome: CheckOutcome
    message: str
    alarm: AlarmKind | None = None
    alarm_after: int = ALARM_AFTER_FAILURES


NOT_CONFIGURED = Failure(CheckOutcome.NOT_CONFIGURED, "OpenWISP is not set up: INET_OPENWISP_BASE_URL is empty.")
STOPPED = Failure(CheckOutcome.INCOMPLETE, f"It was stopped midway. {KEPT}", AlarmKind.OPENWISP_UNREACHABLE)


class NetworkUntold(Exception):
    """What OpenWISP said must not be used: nothing may be changed, and `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def lock_network(session: Session) -> None:
    """Until the transaction's end, nobody else starts or ends a check, or writes what one found."""
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def claim(session: Session, kind: CheckKind, *, now: datetime) -> bool:
    """Take the turn for a check that begins at `now`. False while another one is under way."""
    lock_network(session)
    check = session.get(NetworkCheck, kind, populate_existing=True)
    if check is None:
        session.add(NetworkCheck(kind=kind, started_at=now))
    elif under_way(check, now=now):
        return False
    else:
        check.started_at, check.ended_at = now, None
    session.flush()
    return True


def under_way(check: NetworkCheck | None, *, now: datetime) -> bool:
    return check is not None and check.ended_at is None and check.started_at > now - LEASES[check.kind]


def still_ours(session: Session, kind: CheckKind, started_at: datetime) -> NetworkCheck | None:
    """The check that was claimed at `started_at`, with the network locked; None when its turn ran out and was given to another."""
    lock_network(session)
    check = session.get(NetworkCheck, kind, populate_existing=True)
    return check if check is not None and check.started_at == started_at and check.ended_at is None else None


def succeeded(session: Session, check: NetworkCheck, message: str, *, now: datetime) -> None:
    """The check ended well: what it was warned of before is over."""
    check.ended_at = check.done_at = now
    check.outcome, check.message, check.failures_in_a_row = CheckOutcome.DONE, message[:_MESSAGE_LENGTH], 0
    for kind in _OF_CHECKS:
        alarms.end_alarm(session, kind, check.kind.value, now=now)
    session.flush()


def failed(session: Session, check: NetworkCheck, failure: Failure, *, now: datetime) -> None:
    """The check changed nothing. Staff is warned of what a second try did not mend."""
    check.ended_at, check.outcome, check.message = now, failure.outcome, failure.message[:_MESSAGE_LENGTH]
    check.failures_in_a_row = check.failures_in_a_row + 1 if failure.alarm else 0
    session.flush()
    for kind in _OF_CHECKS:
        if kind is not failure.alarm:
            alarms.end_alarm(session, kind, check.kind.value, now=now)
    if failure.alarm and check.failures_in_a_row >= failure.alarm_after:
        alarms.raise_alarm(session, failure.alarm, check.kind.value, failure.message, now=now)


def failure_of(error: OutboundError) -> Failure:
    """What a failed question means, in words for a person."""
    outcome, alarm, after = CheckOutcome.UNREACHABLE, AlarmKind.OPENWISP_UNREACHABLE, ALARM_AFTER_FAILURES
    if isinstance(error, MonitoringAbsent):
        words = "OpenWISP runs without its monitoring module, so the health of access points is unknown"
        outcome, alarm, after = CheckOutcome.REFUSED, AlarmKind.MONITORING_ABSENT, 1
    elif isinstance(error, NotAuthorised | Forbidden):
        words = f"OpenWISP refuses to answer: {error.detail}"
        outcome, alarm = CheckOutcome.REFUSED, AlarmKind.OPENWISP_REFUSED
    elif isinstance(error, Throttled):
        words = f"OpenWISP asks to be left alone for {error.retry_after_seconds:.0f} seconds (HTTP 429)"
    elif isinstance(error, MalformedAnswer):
        words, outcome = f"What answers at OpenWISP's address is not OpenWISP as we know it: {error.detail}", CheckOutcome.MALFORMED
    elif isinstance(error, Refused):
        words = f"OpenWISP refuses to answer: {error.detail}"
        outcome, alarm = CheckOutcome.REFUSED, AlarmKind.OPENWISP_REFUSED
    else:
        words = f"OpenWISP does not answer: {error.detail}"
    return Failure(outcome, f"{words}. {KEPT}", alarm, after)
