"""The health poll: what OpenWISP says of those that are not well, debounced and written at once. Its cost follows what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.events import publish
from app.outbound import OutboundError
from services.integrations.openwisp import OpenWispClient
from services.network import checks, incidents, states
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, DiscoveryRun, NetworkCheck
from services.network.asking import Told, ask
from services.network.checks import KEPT, Failure, NetworkUntold
from services.network.debounce import hear
from services.network.models import AccessPoint, Health

log = structlog.get_logger(__name__)
# A loss of more than a third, and of more than a few, is a lost right or a broken list, not a network that shrank.
LOSS_SHARE, LOSS_LEAST = 3, 3


@dataclass(frozen=True)
class Polled:
    """How one poll ended: `changed` access points have another debounced state. `outcome` None: another poll is under way."""

    outcome: CheckOutcome | None
    message: str
    changed: int = 0


def is_due(session: Session, *, every_seconds: float, now: datetime) -> bool:
    """Whether the last poll began long enough ago. One row is read."""
    check = session.get(NetworkCheck, CheckKind.HEALTH)
    if check is None:
        return True
    return not checks.under_way(check, now=now) and now - check.started_at >= timedelta(seconds=every_seconds)


def poll(begin: Begin, client: OpenWispClient | None, *, clock: Clock, can_filter: bool = True) -> Polled:
    """Ask how the network fares and write what changed. When OpenWISP fails or may not be believed, nothing changes and the check says why.

    `can_filter` is False for the dialect that cannot be asked by status. Safe to run twice and at once: the second finds the turn taken.
    """
    started_at = clock()
    with begin() as session:
        if not checks.claim(session, CheckKind.HEALTH, now=started_at):
            return Polled(None, "A health poll is under way already.")
        troubled = _troubled(session)
    failure = checks.STOPPED
    told: Told | None = None
    try:
        if client is None:
            failure = checks.NOT_CONFIGURED
        else:
            told = ask(client, troubled, can_filter=can_filter)
            with begin() as session:
                return _keep(session, told, started_at=started_at, now=clock())
    except OutboundError as error:
        failure = checks.failure_of(error)
    except NetworkUntold as untold:
        failure = untold.failure
    except BaseException:
        _fail(begin, failure, started_at=started_at, now=clock())
        raise
    return _fail(begin, failure, started_at=started_at, now=clock())


def is_sudden_loss(*, known: int, lost: int, listed: int) -> bool:
    """Whether so many of `known` are missing that the answer must not be believed; an empty list never is."""
    return known > 0 and (listed == 0 or (lost >= LOSS_LEAST and lost * LOSS_SHARE > known))


def _troubled(session: Session) -> set[str]:
    """Whose recovery would show only by their silence: what was last reported as anything but online (ix_access_point_not_online)."""
    return set(
        session.exec(
            select(AccessPoint.external_id).where(col(AccessPoint.reported) != Health.ONLINE, col(AccessPoint.vanished_at).is_(None))
        ).all()
    )


def _fail(begin: Begin, failure: Failure, *, started_at: datetime, now: datetime) -> Polled:
    with begin() as session:
        check = checks.still_ours(session, CheckKind.HEALTH, started_at)
        if check is not None:
            checks.failed(session, check, failure, now=now)
            publish(session, "network", None)
    log.warning("health.poll_failed", outcome=failure.outcome.value, reason=failure.message)
    return Polled(failure.outcome, failure.message)


def _keep(session: Session, told: Told, *, started_at: datetime, now: datetime) -> Polled:
    check = checks.still_ours(session, CheckKind.HEALTH, started_at)
    if check is None:
        return Polled(None, "Another health poll took over.")
    rows = session.execute(_CONCERNED, {"told": sorted(told.health)}).all()
    _be_no_sudden_loss(session, told, rows)
    changes = [change for row in rows if (change := _change(row, told, now=now)) is not None]
    transitions = states.write(session, changes, last_good=check.done_at, now=now)
    incidents.react(session, transitions, now=now)
    message = _words(told, {row.external_id for row in rows}, len(transitions))
    checks.succeeded(session, check, message, now=now)
    if any(change.before != change.after for change in changes):
        publish(session, "network", None)
    if transitions:
        log.info("health.changed", count=len(transitions))
    return Polled(CheckOutcome.DONE, message, len(transitions))


def _change(row: sa.Row[Any], told: Told, *, now: datetime) -> states.Change | None:
    before = states.standing_of(row)
    said = told.health.get(row.external_id)
    if said is None:
        if told.is_whole or before.reported is not Health.ONLINE:
            # Not named at all: whether it is gone is for discovery to decide.
            return None
        said = Health.ONLINE
    return states.Change(row.id, before, hear(before, said, at=now))


def _be_no_sudden_loss(session: Session, told: Told, rows: Sequence[Any]) -> None:
    """Raises NetworkUntold. Those out of service are no part of the network that could be lost."""
    known = _known(session)
    retired = sum(Health.RETIRED in (row.reported, told.health.get(row.external_id)) for row in rows)
    in_service = known - retired
    if is_sudden_loss(known=in_service, lost=known - told.total, listed=told.total) or (known and not told.total):
        message = f"OpenWISP suddenly knows only {told.total} of {known} access points. A right may have been lost. {KEPT}"
        raise NetworkUntold(Failure(CheckOutcome.SUDDEN_LOSS, message, AlarmKind.SUDDEN_LOSS, alarm_after=1))


def _known(session: Session) -> int:
    """How many access points there are that have not vanished. Only a discovery changes that, so the last one's count is exact."""
    listed = session.exec(
        select(DiscoveryRun.listed)
        .where(DiscoveryRun.outcome == CheckOutcome.DONE)
        .order_by(col(DiscoveryRun.started_at).desc(), col(DiscoveryRun.id).desc())
        .limit(1)
    ).first()
    if listed is not None:
        return listed
    return int(session.execute(sa.select(sa.func.count()).where(col(AccessPoint.vanished_at).is_(None))).scalar_one())


def _words(told: Told, concerned: set[str], changed: int) -> str:
    unwell = {external_id: health for external_id, health in told.health.items() if health is not Health.ONLINE}
    retired = sum(health is Health.RETIRED for health in unwell.values())
    unknown = sum(external_id not in concerned for external_id in unwell)
    words = f"{told.total} access points, {len(unwell) - retired} of them not online, {retired} out of service; {changed} changed."
    return f"{words} {unknown} are not known here yet: discovery will find them." if unknown else words


# By three indexes: what is not online, what waits to be confirmed, and what was named.
_COLUMNS = "id, external_id, reported, health, health_since, candidate, candidate_since"
_CONCERNED = sa.text(f"""
SELECT {_COLUMNS} FROM access_point WHERE reported <> 'online' AND vanished_at IS NULL
UNION SELECT {_COLUMNS} FROM access_point WHERE candidate IS NOT NULL AND vanished_at IS NULL
UNION SELECT {_COLUMNS} FROM access_point WHERE external_id = ANY(CAST(:told AS text[])) AND vanished_at IS NULL
""")  # noqa: S608 - of constants
