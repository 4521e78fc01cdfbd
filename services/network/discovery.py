"""Discovery: which access points OpenWISP manages and where they stand. Read whole first, believed or not, and only then written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col

from app.clock import Clock
from app.db import Begin
from app.errors import Conflict
from app.events import publish
from app.outbound import OutboundError
from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.integrations.openwisp import OpenWispClient
from services.network import alarms, checks, discovered, incidents
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, DiscoveryRun, NetworkAlarm, NetworkCheck
from services.network.asking import not_whole, together
from services.network.checks import KEPT, Failure, NetworkUntold
from services.network.discovered import Found, Known, Listed
from services.network.health import is_sudden_loss
from services.network.models import AccessPoint

log = structlog.get_logger(__name__)
DISCOVER_JOB = "jobs.network.discover"
# More than these vanish for one cause: one alarm tells of all of them.
_SINGLE_ALARMS = 20
_MANY = "run:"
_EXAMPLES = 10


class DiscoveryUnderWay(Conflict):
    code, title = "discovery_under_way", "A discovery is under way"
    message = "OpenWISP is being asked already. Wait for that to end."


@dataclass(frozen=True)
class Discovery:
    """How a discovery ended. `outcome` None: another one is under way, and nothing was asked."""

    outcome: CheckOutcome | None
    message: str
    run_id: int | None = None
    found: Found | None = None


def request(session: Session, *, actor: Principal, accept_loss: bool = False, now: datetime) -> None:
    """Let a worker look at once. `accept_loss`: a person has made sure that so many access points are really gone.

    Raises Forbidden or DiscoveryUnderWay.
    """
    actor.require(Permission.NETWORK_EDIT)
    if checks.under_way(session.get(NetworkCheck, CheckKind.DISCOVERY), now=now):
        raise DiscoveryUnderWay
    audit.record(session, actor, "network.discover", target=("network", "openwisp"), now=now, after={"accept_loss": accept_loss})
    ring(session, DISCOVER_JOB, actor.label, int(accept_loss), queue="bulk")


def discover(begin: Begin, client: OpenWispClient | None, *, asked_by: str, clock: Clock, accept_loss: bool = False) -> Discovery:
    """Ask OpenWISP for everything and store it. When it fails or may not be believed nothing changes, and the run says why.

    No transaction is open while OpenWISP is asked. Safe to run twice and at once: the second finds the turn taken and says so.
    """
    started_at = clock()
    with begin() as session:
        run_id = _start(session, asked_by, now=started_at)
    if run_id is None:
        return Discovery(None, "A discovery is under way already.")
    failure = checks.STOPPED
    try:
        if client is None:
            failure = checks.NOT_CONFIGURED
        else:
            listed = read(client)
            with begin() as session:
                return _keep(session, run_id, listed, started_at=started_at, accept_loss=accept_loss, now=clock())
    except OutboundError as error:
        failure = checks.failure_of(error)
    except NetworkUntold as untold:
        failure = untold.failure
    except BaseException:
        _fail(begin, run_id, failure, started_at=started_at, now=clock())
        raise
    return _fail(begin, run_id, failure, started_at=started_at, now=clock())


def read(client: OpenWispClient) -> Listed:
    """All devices and places. Raises OutboundError, or NetworkUntold for a list that is not whole."""
    walk = client.devices()
    devices = tuple(walk.items())
    if not walk.completeness.is_complete:
        raise not_whole(walk.completeness)
    places = client.places()
    members = together(client.place_devices, places)
    place_of = {device_id: place.external_id for place, ids in zip(places, members, strict=True) for device_id in ids}
    return Listed(devices, places, place_of)


def _start(session: Session, asked_by: str, *, now: datetime) -> int | None:
    if not checks.claim(session, CheckKind.DISCOVERY, now=now):
        return None
    # What a dead run left open is over now.
    session.execute(
        sa.update(DiscoveryRun)
        .where(col(DiscoveryRun.ended_at).is_(None))
        .values(ended_at=now, outcome=CheckOutcome.INCOMPLETE, message=checks.STOPPED.message),
        execution_options={"synchronize_session": False},
    )
    run = DiscoveryRun(started_at=now, asked_by=asked_by[:120])
    session.add(run)
    session.flush()
    return run.id


def _fail(begin: Begin, run_id: int, failure: Failure, *, started_at: datetime, now: datetime) -> Discovery:
    with begin() as session:
        check = checks.still_ours(session, CheckKind.DISCOVERY, started_at)
        if check is not None:
            checks.failed(session, check, failure, now=now)
            run = session.get_one(DiscoveryRun, run_id)
            run.ended_at, run.outcome, run.message = now, failure.outcome, failure.message[:500]
            publish(session, "network", None)
    log.warning("discovery.failed", run=run_id, outcome=failure.outcome.value, reason=failure.message)
    return Discovery(failure.outcome, failure.message, run_id)


def _keep(session: Session, run_id: int, listed: Listed, *, started_at: datetime, accept_loss: bool, now: datetime) -> Discovery:
    check = checks.still_ours(session, CheckKind.DISCOVERY, started_at)
    if check is None:
        return Discovery(None, "Another discovery took over.", run_id)
    held = discovered.known(session)
    if not accept_loss:
        _be_no_sudden_loss(held, listed)
    polled = session.get(NetworkCheck, CheckKind.HEALTH)
    found = discovered.apply(session, listed, held, last_good=polled.done_at if polled else None, now=now)
    incidents.react(session, found.transitions, now=now)
    _warn(session, found, now=now)
    message = _words(listed, found)
    checks.succeeded(session, check, message, now=now)
    run = session.get_one(DiscoveryRun, run_id)
    run.ended_at, run.outcome, run.message, run.listed = now, CheckOutcome.DONE, message[:500], len(listed.devices)
    run.created, run.changed, run.vanished, run.returned = (len(group) for group in _groups(found).values())
    run.examples = _examples(found)
    session.flush()
    publish(session, "network", None)
    log.info("discovery.done", run=run_id, listed=run.listed, created=run.created, changed=run.changed, vanished=run.vanished)
    return Discovery(CheckOutcome.DONE, message, run_id, found)


def _be_no_sudden_loss(held: Known, listed: Listed) -> None:
    known = len(held.present)
    missing = held.missing(device.external_id for device in listed.devices)
    if is_sudden_loss(known=known, lost=len(missing), listed=len(listed.devices)):
        what = "none at all" if not listed.devices else f"{len(missing)} fewer"
        message = f"Of {known} access points OpenWISP suddenly lists {what}. A right may have been lost. {KEPT}"
        raise NetworkUntold(Failure(CheckOutcome.SUDDEN_LOSS, message, AlarmKind.SUDDEN_LOSS, alarm_after=1))


def _warn(session: Session, found: Found, *, now: datetime) -> None:
    kind = AlarmKind.ACCESS_POINT_VANISHED
    alarms.end_alarms(session, kind, [str(row_id) for row_id in found.returned], now=now)
    if found.returned:
        _end_of_many(session, now=now)
    if len(found.vanished) > _SINGLE_ALARMS:
        names = ", ".join(list(found.vanished.values())[:_EXAMPLES])
        subject = f"{_MANY}{int(now.timestamp())}"
        alarms.raise_alarm(session, kind, subject, f"{len(found.vanished)} access points vanished from OpenWISP: {names} …", now=now)
    else:
        told = {str(row_id): f"{name} vanished from OpenWISP: it is no longer in its list." for row_id, name in found.vanished.items()}
        alarms.raise_alarms(session, kind, told, now=now)


def _end_of_many(session: Session, *, now: datetime) -> None:
    """An alarm about many is over when the last of those that vanished in its run is back."""
    still_gone = sa.select(col(AccessPoint.id)).where(col(AccessPoint.vanished_at) == NetworkAlarm.started_at).exists()
    over = session.execute(
        sa.select(col(NetworkAlarm.subject)).where(
            col(NetworkAlarm.kind) == AlarmKind.ACCESS_POINT_VANISHED,
            col(NetworkAlarm.ended_at).is_(None),
            col(NetworkAlarm.subject).startswith(_MANY),
            ~still_gone,
        )
    ).scalars()
    alarms.end_alarms(session, AlarmKind.ACCESS_POINT_VANISHED, list(over), now=now)


def _groups(found: Found) -> dict[str, dict[int, str]]:
    return {"created": found.created, "changed": found.changed, "vanished": found.vanished, "returned": found.returned}


def _examples(found: Found) -> dict[str, Any]:
    named = {kind: sorted(group.values())[:_EXAMPLES] for kind, group in _groups(found).items()} | {
        "ambiguous": found.ambiguous[:_EXAMPLES]
    }
    return {kind: names for kind, names in named.items() if names}


def _words(listed: Listed, found: Found) -> str:
    numbers = {"new": found.created, "changed": found.changed, "vanished": found.vanished, "back again": found.returned}
    words = ", ".join(f"{len(group)} {what}" for what, group in numbers.items() if group) or "nothing new"
    words = f"{len(listed.devices)} access points at {len(listed.places)} places: {words}."
    if found.ambiguous:
        names = ", ".join(found.ambiguous[:_EXAMPLES])
        words += f" Not linked to a router, because more than one has its MAC: {names}."
    return words
